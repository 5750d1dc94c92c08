// Resource: one served resource (group, version, plural) with everything the pipeline needs to know of it.
// ResourceMap: all of them, by path and by kind. Built once at start; read from any thread afterwards.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/schema.h"
#include "apiserver/metrics.h"
#include "apiserver/strategy.h"
#include "apiserver/watch_cache.h"

namespace keelson::apiserver {

// Converts between a served version and the stored one (events.k8s.io/v1 is stored as core/v1).
using Convert = std::unique_ptr<api::Object> (*)(const api::Object& from, const api::KindInfo& to);

struct Resource {
  const api::KindInfo* kind = nullptr;
  const api::KindInfo* stored = nullptr;  // kind of the stored objects; null for virtual resources
  KindCache* cache = nullptr;             // null for virtual resources
  const Strategy* strategy = nullptr;
  Convert to_stored = nullptr, from_stored = nullptr;  // null: the same kind
  std::string qualified;   // "deployments.apps"
  std::string json_head;   // {"kind":"Deployment","apiVersion":"apps/v1",
  // Metrics series of plain requests (no subresource, no dry run) by verb, filled on first use.
  mutable std::array<std::atomic<Metrics::Series*>, 16> series{};

  // "/registry/deployments/ns/name"
  std::string key(std::string_view ns, std::string_view name) const;
  // "ns/name" or "name": the key in the cache.
  std::string cache_key(std::string_view ns, std::string_view name) const;
};

class ResourceMap {
 public:
  // Every kind of the schema that is a resource.
  explicit ResourceMap(WatchCache& cache);

  const Resource* find(std::string_view group, std::string_view version, std::string_view resource) const;
  const Resource* find(const api::KindInfo& kind) const;
  bool has_group(std::string_view group) const;
  const std::vector<std::unique_ptr<Resource>>& all() const { return resources_; }

 private:
  std::vector<std::unique_ptr<Resource>> resources_;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  std::unordered_map<std::string, const Resource*, Hash, std::equal_to<>> by_path_;  // "apps/v1/deployments"
  std::unordered_map<const api::KindInfo*, const Resource*> by_kind_;
};

}  // namespace keelson::apiserver
