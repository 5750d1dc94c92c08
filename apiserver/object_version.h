// ObjectVersion: one version of one object as everybody in the server shares it: store adapter, watch cache, replies,
// watchers. It is encoded at most once per content type, without its TypeMeta and with its resourceVersion; GET and watch put
// the TypeMeta before the bytes, list items carry none (DESIGN.md §5).
//
// Thread rule: thread-safe; encodings are made on first use and kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/object.h"
#include "base/bytes.h"

namespace keelson::apiserver {

class ObjectVersion {
 public:
  explicit ObjectVersion(api::ObjectPtr object, std::int64_t revision = 0)
      : object_(std::move(object)), revision_(revision) {}
  ~ObjectVersion();
  ObjectVersion(const ObjectVersion&) = delete;
  ObjectVersion& operator=(const ObjectVersion&) = delete;

  const api::ObjectPtr& object() const { return object_; }
  // The store's mod revision; 0 for objects that are not stored.
  std::int64_t revision() const { return revision_; }

  // The whole JSON object without kind and apiVersion: {"metadata":…}. Valid as long as this lives.
  std::string_view json() const;
  // The raw protobuf message, without the k8s envelope.
  std::string_view protobuf() const;

 private:
  const api::ObjectPtr object_;
  const std::int64_t revision_;
  mutable std::atomic<const std::string*> json_{nullptr};
  mutable std::atomic<const std::string*> protobuf_{nullptr};
};

using VersionPtr = std::shared_ptr<const ObjectVersion>;

inline VersionPtr make_version(api::ObjectPtr object, std::int64_t revision = 0) {
  return std::make_shared<const ObjectVersion>(std::move(object), revision);
}

// A copy of `version` that says `revision`: what DELETED events carry.
VersionPtr with_revision(const ObjectVersion& version, std::int64_t revision);

}  // namespace keelson::apiserver
