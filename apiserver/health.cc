#include "apiserver/health.h"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::apiserver {

void Health::add(std::string name, unsigned endpoints, std::function<std::string()> check) {
  checks_.push_back({std::move(name), endpoints, std::move(check)});
}

Health::Answer Health::answer(std::string_view path, bool verbose, const std::vector<std::string>& exclude) const {
  path.remove_prefix(1);
  auto slash = path.find('/');
  auto endpoint_name = path.substr(0, slash);
  const unsigned endpoint = endpoint_name == "healthz" ? kHealthz : endpoint_name == "livez" ? kLivez : kReadyz;
  if (slash != std::string_view::npos) {
    auto name = path.substr(slash + 1);
    for (auto& c : checks_) {
      if (c.name != name || !(c.endpoints & endpoint)) continue;
      auto wrong = c.check();
      if (wrong.empty()) return {200, "ok"};
      return {500, fmt::format("internal server error: {}\n", wrong)};
    }
    return {404, "404 page not found\n"};
  }
  std::string lines;
  bool failed = false;
  for (auto& c : checks_) {
    if (!(c.endpoints & endpoint)) continue;
    if (std::find(exclude.begin(), exclude.end(), c.name) != exclude.end()) {
      lines += fmt::format("[+]{} excluded: ok\n", c.name);
      continue;
    }
    if (c.check().empty()) {
      lines += fmt::format("[+]{} ok\n", c.name);
    } else {
      failed = true;
      lines += fmt::format("[-]{} failed: reason withheld\n", c.name);
    }
  }
  if (failed) return {500, fmt::format("{}{} check failed\n", lines, endpoint_name)};
  if (verbose) return {200, fmt::format("{}{} check passed\n", lines, endpoint_name)};
  return {200, "ok"};
}

}  // namespace keelson::apiserver
