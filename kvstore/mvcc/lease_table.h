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

// What is left of a lease, as its leader said at some time.
struct LeaseCheckpoint {
  LeaseId id = 0;
  std::int64_t remaining_s = 0;  // 0: all of its TTL
};

class LeaseTable {
 public:
  bool exists(LeaseId id) const { return leases_.contains(id); }
  // REQUIRES: !exists(id). `ttl_s` below the minimum is raised to it. Returns the TTL granted.
  std::int64_t grant(LeaseId id, std::int64_t ttl_s, MonoTime now);
  // Forgets the lease. Returns its keys in order. REQUIRES: exists(id).
  std::vector<std::string> remove(LeaseId id);
  // Starts its time anew; the granted TTL, or nullopt without such a lease.
  std::optional<std::int64_t> keep_alive(LeaseId id, MonoTime now);
  // Every lease gets its time anew from `now` on, what its checkpoint says or else all of it: at start, and
  // when a member becomes leader.
  void renew_all(MonoTime now);
  // What the lease has left whoever leads; no effect for unknown leases. Does not change when it ends here.
  void checkpoint(const LeaseCheckpoint& c);
  // Whether a checkpoint says that less than all of the TTL is left.
  bool has_checkpoint(LeaseId id) const;
  // Leases that have used up at least `step` of what a new leader would give them; at most `max`.
  std::vector<LeaseCheckpoint> due_checkpoints(MonoTime now, Duration step, std::size_t max) const;
  // remaining_ttl_s is -1 without such a lease.
  LeaseInfo info(LeaseId id, bool keys, MonoTime now) const;
  std::vector<LeaseId> ids() const;
  // At most `max` leases whose time is over, the longest overdue first.
  std::vector<LeaseId> expired(MonoTime now, std::size_t max) const;
  std::optional<MonoTime> next_expiry() const;
  std::size_t size() const { return leases_.size(); }
  // Over ids, TTLs and checkpoints: what members must agree on.
  std::uint64_t hash() const { return hash_; }

  // No effect for id 0 and for unknown leases.
  void attach(LeaseId id, std::string_view key);
  void detach(LeaseId id, std::string_view key);

 private:
  struct Lease {
    std::int64_t ttl_s = 0;
    std::int64_t remaining_s = 0;  // of the checkpoint; 0: none
    MonoTime ends{};
    std::set<std::string, std::less<>> keys;
  };
  static std::uint64_t hash_of(LeaseId id, const Lease& lease);
  void set_end(LeaseId id, Lease& lease, MonoTime now, std::int64_t ttl_s);
  std::map<LeaseId, Lease> leases_;
  std::set<std::pair<MonoTime, LeaseId>> by_end_;
  std::uint64_t hash_ = 0;
};

}  // namespace keelson::kvstore
