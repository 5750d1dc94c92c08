// Discovery: what the server serves, told from the KindInfo tables: /api, /apis, /apis/G, /api/v1, /apis/G/V,
// and the aggregated form (apidiscovery.k8s.io/v2) of /api and /apis. Built once, for a fixed set of kinds.
// Thread rule: immutable after construction.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "api/schema.h"
#include "apiserver/discovery/document.h"

namespace keelson::apiserver {

// The Accept entry that asks for the aggregated form, and the Content-Type of such a reply.
inline constexpr std::string_view kAggregatedDiscoveryType =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

class Discovery {
 public:
  // `served`: kinds that are resources (others are passed over). `server_address`: "10.0.0.1:6443".
  Discovery(std::span<const api::KindInfo* const> served, std::string_view server_address);

  const Document& core_versions() const { return core_versions_; }  // /api: APIVersions
  const Document& group_list() const { return group_list_; }        // /apis: APIGroupList
  // /apis/G: APIGroup. Null when there is no such group.
  const Document* group(std::string_view name) const;
  // /api/v1 and /apis/G/V: APIResourceList, by "v1" or "apps/v1". Null when there is none.
  const Document* resources(std::string_view group_version) const;
  const Document& aggregated_core() const { return aggregated_core_; }      // /api
  const Document& aggregated_groups() const { return aggregated_groups_; }  // /apis

 private:
  Document core_versions_, group_list_, aggregated_core_, aggregated_groups_;
  std::map<std::string, Document, std::less<>> groups_, resources_;
};

// The groups in the order in which discovery lists them: upstream's priorities, others after them by name.
bool group_before(std::string_view a, std::string_view b);

}  // namespace keelson::apiserver
