// The query parameters of API requests, read and checked as upstream does: what does not parse is a 400 with the
// parser's bare text, what is out of range a 422 of the options kind (CreateOptions.meta.k8s.io …), what is unknown is ignored.
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiserver/endpoint.h"

namespace keelson::apiserver {

class Query {
 public:
  explicit Query(std::string_view raw);
  // The first value; nullopt when the parameter is not there.
  std::optional<std::string_view> get(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  // Go's loose bool: present and neither "false" nor "0".
  bool flag(std::string_view name) const;
  bool empty() const { return values_.empty(); }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

Result<ListOptions> read_list_options(const Query& query, bool watch);
// `kind`: "CreateOptions", "UpdateOptions" or "PatchOptions".
Result<WriteOptions> read_write_options(const Query& query, std::string_view kind, bool apply);

// A DELETE's options: the body's where there is one (object of kind DeleteOptions), else the query's.
struct DeleteRequest {
  DeleteOptions options;
  bool dry_run = false;
};
Result<DeleteRequest> read_delete_options(const Query& query, const api::Object* body);

}  // namespace keelson::apiserver
