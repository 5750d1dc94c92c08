// WriteIntents: objects on their way into the store. The writer encodes an object, leaves it here under its key, and writes;
// the watch cache, which is told of the same key and bytes, finds the object instead of decoding it again. So
// writer, cache and watchers hold one copy. A write that never comes by (another server's cache reloads) costs nothing
// but its place here, and those are bounded.
//
// Thread rule: thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "apiserver/object_version.h"

namespace keelson::apiserver {

class WriteIntents {
 public:
  class Intent {
   public:
    Intent(std::string key, std::unique_ptr<api::Object> object, Bytes bytes)
        : key_(std::move(key)), object_(std::move(object)), bytes_(std::move(bytes)) {}
    // The version written at `revision`; the first caller stamps the object. REQUIRES: always the same revision.
    VersionPtr resolve(std::int64_t revision);

   private:
    friend class WriteIntents;
    const std::string key_;
    std::mutex mu_;
    std::unique_ptr<api::Object> object_;
    const Bytes bytes_;
    VersionPtr version_;
  };
  using IntentPtr = std::shared_ptr<Intent>;

  // Announces that `bytes` will be written as `object` under `key`.
  IntentPtr announce(std::string key, std::unique_ptr<api::Object> object, Bytes bytes);
  // The write did not happen, or nobody will claim it.
  void withdraw(const IntentPtr& intent);
  // For the cache: the intent of that key and those bytes, and forget it; null when unknown.
  IntentPtr claim(std::string_view key, std::string_view bytes);
  // Forgets everything (the cache reloads).
  void clear();

 private:
  std::mutex mu_;
  std::unordered_multimap<std::string, IntentPtr> intents_;
};

}  // namespace keelson::apiserver
