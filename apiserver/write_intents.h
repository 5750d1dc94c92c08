// WriteIntents: objects on their way into the store. The writer encodes an object, leaves it here under the address
// of the encoded bytes, and writes; the watch cache, which receives the very same shared bytes from the store, finds the object
// instead of decoding it again. So writer, cache and watchers hold one copy. A store that hands out other bytes
// (a remote one) only costs a decode.
//
// Thread rule: thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

#include "apiserver/object_version.h"

namespace keelson::apiserver {

class WriteIntents {
 public:
  class Intent {
   public:
    Intent(std::unique_ptr<api::Object> object, Bytes bytes) : object_(std::move(object)), bytes_(std::move(bytes)) {}
    // The version written at `revision`; the first caller stamps the object. REQUIRES: always the same revision.
    VersionPtr resolve(std::int64_t revision);

   private:
    friend class WriteIntents;
    std::mutex mu_;
    std::unique_ptr<api::Object> object_;
    Bytes bytes_;
    VersionPtr version_;
  };
  using IntentPtr = std::shared_ptr<Intent>;

  // Announces that `bytes` will be written as `object`.
  IntentPtr announce(std::unique_ptr<api::Object> object, Bytes bytes);
  // The write did not happen; the object may be used again.
  std::unique_ptr<api::Object> withdraw(Intent& intent);
  // For the cache: the intent whose bytes these are, and forget it; null when unknown.
  IntentPtr claim(const Bytes& bytes);
  // Forgets everything (the cache reloads).
  void clear();

 private:
  std::mutex mu_;
  std::unordered_map<const void*, IntentPtr> intents_;
};

}  // namespace keelson::apiserver
