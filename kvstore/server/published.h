// Published: what a Replica shows to other threads: its state to read from, who leads, who the members are.
// Written by the Replica's thread only.
//
// Thread rule: any thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "kvstore/backend/backend.h"
#include "kvstore/mvcc/auth_store.h"
#include "kvstore/mvcc/state.h"
#include "kvstore/server/cluster_state.h"
#include "raft/core/node.h"

namespace keelson::kvstore {

// The state machine's versions and their durable home: replaced as a whole when a snapshot is installed. Who
// reads holds it.
struct Mvcc {
  std::unique_ptr<Backend> backend;
  std::unique_ptr<State> state;  // reads older versions from `backend`
};
using MvccPtr = std::shared_ptr<Mvcc>;

class Published {
 public:
  // Never null once the Replica is open.
  MvccPtr mvcc() const {
    std::lock_guard lock(mu_);
    return mvcc_;
  }
  std::shared_ptr<const ClusterState> cluster() const {
    std::lock_guard lock(mu_);
    return cluster_;
  }
  std::shared_ptr<const AuthView> auth() const {
    std::lock_guard lock(mu_);
    return auth_;
  }
  // Why nothing is served, not even serializable reads: failed, stopped, removed, fenced. nullopt while it
  // is.
  std::optional<Error> refusal() const {
    if (!refusing_.load(std::memory_order_acquire)) return std::nullopt;
    std::lock_guard lock(mu_);
    return refusal_;
  }

  // Why the member stopped by itself; known before anybody's request is answered because of it.
  std::optional<Error> failure() const {
    std::lock_guard lock(mu_);
    return failure_;
  }

  // The only voter, and leader: whatever is published is linearizable, without asking anybody.
  bool alone() const { return alone_.load(std::memory_order_acquire); }
  std::uint64_t leader() const { return leader_.load(std::memory_order_acquire); }  // 0: none known
  raft::Role role() const { return role_.load(std::memory_order_acquire); }
  std::uint64_t term() const { return term_.load(std::memory_order_acquire); }
  std::uint64_t committed() const { return committed_.load(std::memory_order_acquire); }
  std::uint64_t applied() const { return applied_.load(std::memory_order_acquire); }
  // State::stored_bytes().
  std::uint64_t stored_bytes() const { return stored_bytes_.load(std::memory_order_acquire); }
  bool learner() const { return learner_.load(std::memory_order_acquire); }
  // Of mvcc(), cheaply.
  std::int64_t revision() const { return revision_.load(std::memory_order_acquire); }
  std::uint64_t cluster_id() const { return cluster_id_.load(std::memory_order_acquire); }

 private:
  friend class Replica;
  std::atomic<bool> alone_{false};
  std::atomic<bool> learner_{false};
  std::atomic<bool> refusing_{false};
  std::atomic<raft::Role> role_{raft::Role::kFollower};
  std::atomic<std::uint64_t> leader_{0}, term_{0}, committed_{0}, applied_{0}, stored_bytes_{0},
      cluster_id_{0};
  std::atomic<std::int64_t> revision_{0};
  mutable std::mutex mu_;
  MvccPtr mvcc_;
  std::shared_ptr<const ClusterState> cluster_;
  std::shared_ptr<const AuthView> auth_;
  std::optional<Error> refusal_;
  std::optional<Error> failure_;
};

}  // namespace keelson::kvstore
