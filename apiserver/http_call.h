// What the parts of HttpFront share about one request under way. Internal to http_front*.cc.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apiserver/http_front.h"

namespace keelson::apiserver {

struct HttpFront::Call {
  explicit Call(net::Exchange& e) : exchange(e) {}
  net::Exchange& exchange;
  MonoTime began{};
  std::string audit_id;
  RequestInfo info;
  auth::UserPtr user;
  const Resource* resource = nullptr;
  Request shape;  // verb and names only: for metrics
  MediaType error_type = MediaType::kJson;
  std::vector<std::string> warnings;
  std::vector<std::pair<std::string, std::string>> extra_headers;
  bool mutating = false;
  bool long_running = false;
  int status = 0;
};

// 406 in upstream's two wordings.
Error not_acceptable_error(NegotiationFailure failure);
// Whether the first acceptable entry asks for aggregated discovery v2.
bool wants_aggregated(std::string_view accept);

}  // namespace keelson::apiserver
