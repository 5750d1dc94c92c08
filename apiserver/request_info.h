// RequestInfo: what a request path says, before anything is looked up.
//
//   /api/v1/namespaces/ns/pods/p/log       core, v1, namespace ns, resource pods, name p, subresource log
//   /apis/apps/v1/watch/deployments        apps, v1, resource deployments, watch prefix
//   /api/v1/namespaces/ns                  resource namespaces, name ns (namespace is ns too, as upstream has it)
//   /healthz, /openapi/v3, /apis/apps/v1   no resource: the path stands for itself
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::apiserver {

struct RequestInfo {
  bool is_resource = false;
  bool legacy_watch = false;  // the deprecated /watch/ prefix
  std::string_view prefix;    // "api" or "apis", also for discovery paths; empty otherwise
  std::string group, version, namespace_, resource, name, subresource;
  std::vector<std::string> rest;  // path elements after the subresource
  bool malformed = false;         // empty elements in the path ("/apis//v1"): no such page
};

// `path` is still escaped; the elements of the result are decoded. Pure.
RequestInfo parse_request_path(std::string_view path);

}  // namespace keelson::apiserver
