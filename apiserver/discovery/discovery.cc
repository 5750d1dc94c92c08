#include "apiserver/discovery/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <set>
#include <vector>

#include "base/base64.h"

namespace keelson::apiserver {
namespace {

namespace json = boost::json;
using api::KindInfo;

constexpr std::string_view kGroupOrder[] = {
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
};

std::size_t order_of(std::string_view group) {
  return static_cast<std::size_t>(std::ranges::find(kGroupOrder, group) - std::begin(kGroupOrder));
}

json::string text(std::string_view s) {
  return json::string(s);
}

json::array texts(std::span<const std::string_view> list) {
  json::array out;
  for (std::string_view s : list) out.emplace_back(text(s));
  return out;
}

// Says in which form an object is stored; clients only compare it.
std::string storage_version_hash(const KindInfo& kind) {
  // Events of both groups are stored as core events.
  const std::string_view group = kind.group == "events.k8s.io" ? std::string_view() : kind.group;
  return base64_encode(sha256_bytes(fmt::format("{}/{}/{}", group, kind.version, kind.kind)).substr(0, 8));
}

std::string group_version(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

using Kinds = std::vector<const KindInfo*>;

std::vector<const api::SubresourceInfo*> sorted_subresources(const KindInfo& kind) {
  std::vector<const api::SubresourceInfo*> out;
  for (const api::SubresourceInfo& s : kind.subresources) out.push_back(&s);
  std::ranges::sort(out, {}, [](const api::SubresourceInfo* s) { return s->name; });
  return out;
}

json::object resource_entry(const KindInfo& kind) {
  json::object o{{"name", text(kind.resource)},
                 {"singularName", text(kind.singular)},
                 {"namespaced", kind.namespaced},
                 {"kind", text(kind.kind)},
                 {"verbs", texts(kind.verbs)}};
  if (!kind.short_names.empty()) o["shortNames"] = texts(kind.short_names);
  if (!kind.categories.empty()) o["categories"] = texts(kind.categories);
  if (!kind.storage_prefix.empty()) o["storageVersionHash"] = storage_version_hash(kind);
  return o;
}

json::object subresource_entry(const KindInfo& kind, const api::SubresourceInfo& sub) {
  json::object o{{"name", fmt::format("{}/{}", kind.resource, sub.name)},
                 {"singularName", ""},
                 {"namespaced", kind.namespaced}};
  if (sub.group != kind.group || sub.version != kind.version) {
    o["group"] = text(sub.group);
    o["version"] = text(sub.version);
  }
  o["kind"] = text(sub.kind);
  o["verbs"] = texts(sub.verbs);
  return o;
}

std::string resource_list(const Kinds& kinds) {
  json::array resources;
  for (const KindInfo* k : kinds) {
    resources.push_back(resource_entry(*k));
    for (const api::SubresourceInfo* s : sorted_subresources(*k))
      resources.push_back(subresource_entry(*k, *s));
  }
  json::object list{{"kind", "APIResourceList"}};
  // Upstream leaves it out for the core group.
  if (!kinds.front()->group.empty()) list["apiVersion"] = "v1";
  list["groupVersion"] = group_version(kinds.front()->group, kinds.front()->version);
  list["resources"] = std::move(resources);
  return json::serialize(list);
}

json::object response_kind(const KindInfo& kind, std::string_view group, std::string_view version,
                           std::string_view name) {
  const bool own = group == kind.group && version == kind.version;
  return {{"group", text(own ? "" : group)}, {"version", text(own ? "" : version)}, {"kind", text(name)}};
}

json::object aggregated_resource(const KindInfo& kind) {
  json::object o{{"resource", text(kind.resource)},
                 {"responseKind", response_kind(kind, kind.group, kind.version, kind.kind)},
                 {"scope", kind.namespaced ? "Namespaced" : "Cluster"},
                 {"singularResource", text(kind.singular)},
                 {"verbs", texts(kind.verbs)}};
  if (!kind.short_names.empty()) o["shortNames"] = texts(kind.short_names);
  if (!kind.categories.empty()) o["categories"] = texts(kind.categories);
  if (kind.subresources.empty()) return o;
  json::array subs;
  for (const api::SubresourceInfo* s : sorted_subresources(kind))
    subs.push_back(json::object{{"subresource", text(s->name)},
                                {"responseKind", response_kind(kind, s->group, s->version, s->kind)},
                                {"verbs", texts(s->verbs)}});
  o["subresources"] = std::move(subs);
  return o;
}

// The kinds of a group by version, newest first.
using Versions = std::map<std::string_view, Kinds, std::greater<>>;

json::object aggregated_group(std::string_view group, const Versions& versions) {
  json::array list;
  for (const auto& [version, kinds] : versions) {
    json::array resources;
    for (const KindInfo* k : kinds) resources.push_back(aggregated_resource(*k));
    list.push_back(json::object{
        {"version", text(version)}, {"resources", std::move(resources)}, {"freshness", "Current"}});
  }
  json::object meta;
  if (!group.empty()) meta["name"] = text(group);
  return {{"metadata", std::move(meta)}, {"versions", std::move(list)}};
}

json::object group_entry(std::string_view group, const Versions& versions) {
  json::array list;
  for (const auto& [version, kinds] : versions)
    list.push_back(json::object{{"groupVersion", group_version(group, version)}, {"version", text(version)}});
  json::object o{{"name", text(group)}, {"versions", list}};
  o["preferredVersion"] = list.front();
  return o;
}

std::string aggregated(json::array items) {
  return json::serialize(json::object{{"kind", "APIGroupDiscoveryList"},
                                      {"apiVersion", "apidiscovery.k8s.io/v2"},
                                      {"metadata", json::object()},
                                      {"items", std::move(items)}});
}

}  // namespace

bool group_before(std::string_view a, std::string_view b) {
  const std::size_t x = order_of(a), y = order_of(b);
  return x != y ? x < y : a < b;
}

Discovery::Discovery(std::span<const KindInfo* const> served, std::string_view server_address) {
  std::map<std::string_view, Versions, decltype(&group_before)> groups(&group_before);
  for (const KindInfo* k : served)
    if (!k->resource.empty()) groups[k->group][k->version].push_back(k);
  json::array list, items, core_items, core_names;
  for (auto& [group, versions] : groups) {
    for (auto& [version, kinds] : versions) {
      std::ranges::sort(kinds, {}, [](const KindInfo* k) { return k->resource; });
      resources_.emplace(group_version(group, version), Document::of(resource_list(kinds)));
    }
    if (group.empty()) {
      for (const auto& [version, kinds] : versions) core_names.emplace_back(text(version));
      core_items.push_back(aggregated_group(group, versions));
      continue;
    }
    json::object entry = group_entry(group, versions);
    items.push_back(aggregated_group(group, versions));
    list.push_back(entry);
    json::object one{{"kind", "APIGroup"}, {"apiVersion", "v1"}};
    for (auto& m : entry) one[m.key()] = std::move(m.value());
    groups_.emplace(group, Document::of(json::serialize(one)));
  }
  aggregated_core_ = Document::of(aggregated(std::move(core_items)));
  aggregated_groups_ = Document::of(aggregated(std::move(items)));
  group_list_ = Document::of(json::serialize(
      json::object{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(list)}}));
  core_versions_ = Document::of(json::serialize(json::object{
      {"kind", "APIVersions"},
      {"versions", std::move(core_names)},
      {"serverAddressByClientCIDRs",
       json::array{json::object{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", text(server_address)}}}}}));
}

const Document* Discovery::group(std::string_view name) const {
  auto it = groups_.find(name);
  return it == groups_.end() ? nullptr : &it->second;
}

const Document* Discovery::resources(std::string_view group_version) const {
  auto it = resources_.find(group_version);
  return it == resources_.end() ? nullptr : &it->second;
}

}  // namespace keelson::apiserver
