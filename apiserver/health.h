// /healthz, /livez, /readyz: named checks, as upstream names them where it has them.
// Thread rule: add() before serving; the rest from any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::apiserver {

class Health {
 public:
  enum Endpoint : unsigned { kHealthz = 1, kLivez = 2, kReadyz = 4, kAll = 7 };
  // `check` answers what is wrong, or an empty text. Must be fast.
  void add(std::string name, unsigned endpoints, std::function<std::string()> check);

  struct Answer {
    int status = 200;
    std::string text;
  };
  // `path` without query: "/readyz", "/livez/ping". 404 for unknown checks.
  Answer answer(std::string_view path, bool verbose, const std::vector<std::string>& exclude) const;
  bool ready() const { return answer("/readyz", false, {}).status == 200; }

 private:
  struct Check {
    std::string name;
    unsigned endpoints;
    std::function<std::string()> check;
  };
  std::vector<Check> checks_;
};

}  // namespace keelson::apiserver
