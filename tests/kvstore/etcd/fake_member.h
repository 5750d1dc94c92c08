// FakeMember: a Member that is one ReplicatedStore and otherwise makes things up, so that the API can be
// tested alone.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "kvstore/mvcc/auth_check.h"
#include "kvstore/server/member.h"
#include "kvstore/server/replicated_store.h"

namespace keelson::kvstore {

class FakeSnapshot final : public SnapshotReader {
 public:
  std::uint64_t size() const override { return 98'304; }
  Task<Result<std::string>> read() override {
    if (left_ == 0) co_return std::string();
    const auto n = std::min<std::size_t>(left_, 60'000);
    left_ -= n;
    co_return std::string(n, 's');
  }

 private:
  std::size_t left_ = 98'336;
};

class FakeMember final : public Member {
 public:
  explicit FakeMember(ReplicatedStore& store) : s_(store) {
    members_.push_back({0x8e9e05c52164694d, "default", {"http://localhost:2380"}, {"http://127.0.0.1:2379"}});
  }

  // What tests turn.
  std::atomic<std::uint64_t> leader_id = 0x8e9e05c52164694d;
  std::atomic<bool> learner = false;

  Task<Result<RangeResult>> range(RangeRequest r) override { return s_.range(std::move(r)); }
  std::optional<Result<RangeResult>> range_now(const RangeRequest& r) override { return s_.range_now(r); }
  Task<Result<TxnResult>> txn(TxnRequest r) override { return s_.txn(std::move(r)); }
  Task<Result<void>> compact(Revision r) override { return s_.compact(r); }
  Task<Result<std::unique_ptr<WatchStream>>> watch(WatchRequest r) override { return s_.watch(std::move(r)); }
  Task<Result<LeaseInfo>> lease_grant(LeaseId id, std::int64_t ttl) override {
    return s_.lease_grant(id, ttl);
  }
  Task<Result<void>> lease_revoke(LeaseId id) override { return s_.lease_revoke(id); }
  Task<Result<LeaseInfo>> lease_grant(LeaseId id, std::int64_t ttl, Identity) override {
    return s_.lease_grant(id, ttl);
  }
  Task<Result<Revision>> lease_revoke(LeaseId id, Identity who) override { return s_.lease_revoke(id, who); }
  Task<Result<LeaseInfo>> lease_keep_alive(LeaseId id) override { return s_.lease_keep_alive(id); }
  Task<Result<LeaseInfo>> lease_time_to_live(LeaseId id, bool keys) override {
    return s_.lease_time_to_live(id, keys);
  }
  Task<Result<std::vector<LeaseId>>> leases() override { return s_.leases(); }
  Revision current_revision() const override { return s_.current_revision(); }

  Header header() const override {
    return {0xcdf818194e3a8c32, 0x8e9e05c52164694d, s_.current_revision(), 2};
  }
  Task<Result<RangeResult>> range(RangeRequest r, Identity) override { return s_.range(std::move(r)); }
  std::optional<Result<RangeResult>> range_now(const RangeRequest& r, const Identity&) override {
    return s_.range_now(r);
  }
  Task<Result<TxnResult>> txn(TxnRequest r, Identity) override { return s_.txn(std::move(r)); }
  Task<Result<void>> compact(Revision r, bool) override { return s_.compact(r); }
  Task<Result<void>> linearize() override { co_return Result<void>(); }
  Task<Result<HashKv>> hash_kv(Revision r) override {
    co_return HashKv{static_cast<std::uint32_t>(s_.state_hash()), s_.compact_revision(),
                     r != 0 ? r : s_.current_revision()};
  }
  MemberStatus status() const override {
    MemberStatus m;
    m.leader = leader_id;
    m.raft_index = m.raft_applied_index = 7;
    m.raft_term = 2;
    m.db_size = m.db_size_in_use = 20480;
    m.db_quota = std::uint64_t{2} << 30;
    m.learner = learner;
    return m;
  }

  Task<Result<std::vector<MemberInfo>>> member_list(bool) override { co_return members_; }
  Task<Result<std::vector<MemberInfo>>> member_add(std::vector<std::string> urls, bool is_learner) override {
    members_.push_back({0x1234 + members_.size(), "", std::move(urls), {}, is_learner});
    co_return members_;
  }
  Task<Result<std::vector<MemberInfo>>> member_remove(std::uint64_t id) override {
    if (std::erase_if(members_, [&](const MemberInfo& m) { return m.id == id; }) == 0) {
      co_return fail(Code::kNotFound, "etcdserver: member not found");
    }
    co_return members_;
  }
  Task<Result<std::vector<MemberInfo>>> member_update(std::uint64_t id,
                                                      std::vector<std::string> urls) override {
    for (auto& m : members_) {
      if (m.id != id) continue;
      m.peer_urls = std::move(urls);
      co_return members_;
    }
    co_return fail(Code::kNotFound, "etcdserver: member not found");
  }
  Task<Result<std::vector<MemberInfo>>> member_promote(std::uint64_t id) override {
    for (auto& m : members_) {
      if (m.id != id) continue;
      if (!m.learner) {
        co_return fail(Code::kFailedPrecondition, "etcdserver: can only promote a learner member");
      }
      m.learner = false;
      co_return members_;
    }
    co_return fail(Code::kNotFound, "etcdserver: member not found");
  }
  Task<Result<void>> move_leader(std::uint64_t) override {
    co_return fail(Code::kFailedPrecondition, "etcdserver: bad leader transferee");
  }

  Task<Result<std::vector<Alarm>>> alarms() override { co_return alarms_; }
  Task<Result<std::vector<Alarm>>> alarm_activate(Alarm a) override {
    std::erase(alarms_, a);
    alarms_.push_back(a);
    co_return std::vector{a};
  }
  Task<Result<std::vector<Alarm>>> alarm_deactivate(Alarm a) override {
    if (std::erase(alarms_, a) == 0) co_return std::vector<Alarm>();
    co_return std::vector{a};
  }
  Task<Result<std::unique_ptr<SnapshotReader>>> snapshot() override {
    co_return std::make_unique<FakeSnapshot>();
  }
  Task<Result<AuthReply>> auth(AuthCommand command, Identity who) override {
    std::lock_guard lock(auth_mu_);
    const auto allowed = check_auth_command(*auth_.view(), {who.user, who.auth_revision}, command);
    if (!allowed) co_return fail(allowed.error());
    co_return auth_.apply(command, ++auth_index_);
  }
  std::shared_ptr<const AuthView> auth_view() const override {
    std::lock_guard lock(auth_mu_);
    return auth_.view();
  }

 private:
  ReplicatedStore& s_;
  mutable std::mutex auth_mu_;
  AuthStore auth_;
  std::uint64_t auth_index_ = 0;
  std::vector<MemberInfo> members_;
  std::vector<Alarm> alarms_;
};

}  // namespace keelson::kvstore
