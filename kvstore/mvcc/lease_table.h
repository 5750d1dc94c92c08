// LeaseTable: leases, what is attached to them and when they end. Time is handed in; nothing expires by
// itself: the owner asks for expired() and revokes through the log. Thread rule: one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "kvstore/types.h"

namespace keelson::kvstore {

inline constexpr std::int64_t kLeaseTtlMin_s = 2;           // etcd's, at its default election timeout
inline constexpr std::int64_t kLeaseTtlMax_s = 9000000000;  // etcd's

class LeaseTable {
 public:
  bool exists(LeaseId id) const { return leases_.contains(id); }
  // REQUIRES: !exists(id). `ttl_s` below the minimum is raised to it. Returns the TTL granted.
  std::int64_t grant(LeaseId id, std::int64_t ttl_s, MonoTime now);
  // Forgets the lease. Returns its keys in order. REQUIRES: exists(id).
  std::vector<std::string> remove(LeaseId id);
  // Starts its time anew; the granted TTL, or nullopt without such a lease.
  std::optional<std::int64_t> keep_alive(LeaseId id, MonoTime now);
  // Every lease gets its full time from `now` on: at start, and when a member becomes leader.
  void renew_all(MonoTime now);
  // remaining_ttl_s is -1 without such a lease.
  LeaseInfo info(LeaseId id, bool keys, MonoTime now) const;
  std::vector<LeaseId> ids() const;
  // At most `max` leases whose time is over, the longest overdue first.
  std::vector<LeaseId> expired(MonoTime now, std::size_t max) const;
  std::optional<MonoTime> next_expiry() const;

  // No effect for id 0 and for unknown leases.
  void attach(LeaseId id, std::string_view key);
  void detach(LeaseId id, std::string_view key);

 private:
  struct Lease {
    std::int64_t ttl_s = 0;
    MonoTime ends{};
    std::set<std::string, std::less<>> keys;
  };
  void set_end(LeaseId id, Lease& lease, MonoTime now);
  std::map<LeaseId, Lease> leases_;
  std::set<std::pair<MonoTime, LeaseId>> by_end_;
};

}  // namespace keelson::kvstore
