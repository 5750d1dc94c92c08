// SimpleTokens: etcd's "simple" auth tokens of one member: token -> user, forgotten when unused for their
// TTL. They are assigned where the log entry of Authenticate is applied, so every member knows them, and each
// ages them by its own clock; they are not part of snapshots (a client that is refused signs in again, as
// with etcd).
//
// Thread rule: thread-safe.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace keelson::kvstore {

class SimpleTokens {
 public:
  // A token starts to age when it is first seen by find() or sweep(): log application knows no time.
  void assign(std::string token, std::string user);
  void invalidate_user(std::string_view user);
  void clear();

  // Whose it is; starts its TTL anew.
  std::optional<std::string> find(std::string_view token, MonoTime now, Duration ttl);
  // Forgets what is too old.
  void sweep(MonoTime now, Duration ttl);
  std::size_t size() const;

 private:
  struct Entry {
    std::string user;
    std::optional<MonoTime> ends;
  };
  mutable std::mutex mu_;
  std::map<std::string, Entry, std::less<>> tokens_;
};

}  // namespace keelson::kvstore
