#include "apiserver/resource.h"

#include <fmt/format.h>

#include "api/kinds.h"
#include "apiserver/event_conversion.h"

namespace keelson::apiserver {

std::string Resource::cache_key(std::string_view ns, std::string_view name) const {
  if (!kind->namespaced) return std::string(name);
  std::string out;
  out.reserve(ns.size() + name.size() + 1);
  out.append(ns).append("/").append(name);
  return out;
}

std::string Resource::key(std::string_view ns, std::string_view name) const {
  return cache->prefix() + cache_key(ns, name);
}

ResourceMap::ResourceMap(WatchCache& cache) {
  std::unordered_map<std::string, KindCache*> caches;
  auto add = [&](const api::KindInfo* kind) {
    if (kind->resource.empty()) return;
    auto r = std::make_unique<Resource>();
    r->kind = kind;
    r->strategy = &strategy_of(*kind);
    r->qualified = kind->group.empty() ? std::string(kind->resource) : fmt::format("{}.{}", kind->resource, kind->group);
    r->json_head = fmt::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", kind->kind, kind->api_version);
    if (!kind->storage_prefix.empty()) {
      std::string prefix = fmt::format("/registry/{}/", kind->storage_prefix);
      r->stored = kind;
      if (kind->group == "events.k8s.io") {
        r->stored = api::find_kind("", "v1", "Event");
        r->to_stored = &convert_event;
        r->from_stored = &convert_event;
      }
      auto it = caches.find(prefix);
      if (it == caches.end()) {
        const bool pod = kind->group.empty() && kind->kind == "Pod";
        it = caches.emplace(prefix, &cache.add_kind(*r->stored, prefix, pod ? &pod_node_name : nullptr)).first;
      }
      r->cache = it->second;
    }
    by_path_[fmt::format("{}/{}/{}", kind->group, kind->version, kind->resource)] = r.get();
    by_kind_[kind] = r.get();
    resources_.push_back(std::move(r));
  };
  for (auto* kind : api::all_kinds()) add(kind);
}

const Resource* ResourceMap::find(std::string_view group, std::string_view version, std::string_view resource) const {
  char buffer[256];
  if (group.size() + version.size() + resource.size() + 2 > sizeof buffer) return nullptr;
  char* p = buffer;
  auto put = [&](std::string_view s) {
    std::copy(s.begin(), s.end(), p);
    p += s.size();
  };
  put(group);
  *p++ = '/';
  put(version);
  *p++ = '/';
  put(resource);
  auto it = by_path_.find(std::string_view(buffer, static_cast<std::size_t>(p - buffer)));
  return it == by_path_.end() ? nullptr : it->second;
}

const Resource* ResourceMap::find(const api::KindInfo& kind) const {
  auto it = by_kind_.find(&kind);
  return it == by_kind_.end() ? nullptr : it->second;
}

bool ResourceMap::has_group(std::string_view group) const {
  for (auto& r : resources_)
    if (r->kind->group == group) return true;
  return false;
}

}  // namespace keelson::apiserver
