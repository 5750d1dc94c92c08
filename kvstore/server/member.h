// Member: one member of the replicated store, as the etcd v3 API (kvstore/server/etcd) and cmd/ see it: the
// Store's contract, and what only an etcd has: members, alarms, hashes, snapshots, users. Implemented by
// ReplicatedStore (replicated_store.h); tests of the API fake it.
//
// Errors carry etcd's gRPC code and wording (kvstore/server/errors.h): the API hands them on as they are. A
// proposal is never repeated by the store: kUnavailable / kDeadlineExceeded mean that it may or may not
// happen.
//
// Thread rule: as Store: any thread; tasks resume on the caller's executor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kvstore/mvcc/auth_store.h"
#include "kvstore/store.h"

namespace keelson::kvstore {

// Who asks. Checked by the API before, and again where the entry is applied (kvstore/mvcc/auth_check.h): a
// user whose rights changed in between gets etcd's "etcdserver: revision of auth store is old". The default
// is a caller without credentials, which is refused while auth is on.
struct Identity {
  std::string user;
  std::uint64_t auth_revision = 0;
  // This process itself: Store's methods without an Identity, expired leases. Everything is allowed.
  static Identity internal() { return {{}, kInternalAuthRevision}; }
};

struct MemberInfo {
  std::uint64_t id = 0;
  std::string name;  // empty until the member has published itself
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
  bool learner = false;
};

enum class AlarmType : std::uint8_t { kNone = 0, kNoSpace = 1, kCorrupt = 2 };
struct Alarm {
  std::uint64_t member_id = 0;
  AlarmType type = AlarmType::kNone;
  bool operator==(const Alarm&) const = default;
};

struct HashKv {
  std::uint32_t hash = 0;  // over all versions up to hash_revision, as comparable members compute it
  Revision compact_revision = 0;
  Revision hash_revision = 0;
};

struct MemberStatus {
  std::uint64_t leader = 0;  // 0: none known
  std::uint64_t raft_index = 0;
  std::uint64_t raft_term = 0;
  std::uint64_t raft_applied_index = 0;
  std::uint64_t db_size = 0;
  std::uint64_t db_size_in_use = 0;
  std::uint64_t db_quota = 0;
  bool learner = false;
  std::vector<std::string> errors;  // alarms, "etcdserver: no leader"
};

// A store file for `etcdctl snapshot save`: bbolt bytes in etcd's layout, then their SHA-256.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  virtual std::uint64_t size() const = 0;  // of the file, the SHA-256 not counted
  // The next piece, empty at the end.
  virtual Task<Result<std::string>> read() = 0;
};

class Member : public Store {
 public:
  virtual Header header() const = 0;

  using Store::compact;
  using Store::lease_grant;
  using Store::lease_revoke;
  using Store::range;
  using Store::range_now;
  using Store::txn;
  virtual Task<Result<RangeResult>> range(RangeRequest request, Identity who) = 0;
  virtual std::optional<Result<RangeResult>> range_now(const RangeRequest& request, const Identity& who) = 0;
  virtual Task<Result<TxnResult>> txn(TxnRequest request, Identity who) = 0;
  virtual Task<Result<LeaseInfo>> lease_grant(LeaseId id, std::int64_t ttl_s, Identity who) = 0;
  // The store's revision once its keys were deleted.
  virtual Task<Result<Revision>> lease_revoke(LeaseId id, Identity who) = 0;
  // `physical`: waits until the versions are gone.
  virtual Task<Result<void>> compact(Revision revision, bool physical) = 0;
  // Returns once this member has applied everything that was committed when it was called.
  virtual Task<Result<void>> linearize() = 0;

  virtual Task<Result<HashKv>> hash_kv(Revision revision) = 0;
  virtual MemberStatus status() const = 0;
  // Parts of status() that the API asks for with every request: cheap.
  virtual bool is_learner() const { return status().learner; }
  virtual std::uint64_t leader() const { return status().leader; }
  virtual std::uint64_t applied_index() const { return status().raft_applied_index; }

  virtual Task<Result<std::vector<MemberInfo>>> member_list(bool linearizable) = 0;
  // All members after the change; the new one is the last for add.
  virtual Task<Result<std::vector<MemberInfo>>> member_add(std::vector<std::string> peer_urls,
                                                           bool learner) = 0;
  virtual Task<Result<std::vector<MemberInfo>>> member_remove(std::uint64_t id) = 0;
  virtual Task<Result<std::vector<MemberInfo>>> member_update(std::uint64_t id,
                                                              std::vector<std::string> peer_urls) = 0;
  virtual Task<Result<std::vector<MemberInfo>>> member_promote(std::uint64_t id) = 0;
  virtual Task<Result<void>> move_leader(std::uint64_t target) = 0;

  virtual Task<Result<std::vector<Alarm>>> alarms() = 0;
  // The alarms that changed.
  virtual Task<Result<std::vector<Alarm>>> alarm_activate(Alarm alarm) = 0;
  virtual Task<Result<std::vector<Alarm>>> alarm_deactivate(Alarm alarm) = 0;

  virtual Task<Result<std::unique_ptr<SnapshotReader>>> snapshot() = 0;

  // Changes users and roles through the log; kAuthenticate answers the token, known to every member that has
  // applied it.
  virtual Task<Result<AuthReply>> auth(AuthCommand command, Identity who) = 0;
  // For checks and listings: a consistent view as of now, to be kept for one request.
  virtual std::shared_ptr<const AuthView> auth_view() const = 0;
};

}  // namespace keelson::kvstore
