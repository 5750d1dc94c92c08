// Replica: who the members are, and how that changes: the checks of etcd's strict reconfiguration, made by
// the leader before it proposes.
#include <algorithm>

#include "base/check.h"
#include "kvstore/server/errors.h"
#include "kvstore/server/member_id.h"
#include "kvstore/server/replica_internal.h"

namespace keelson::kvstore {
namespace {

constexpr int kGoodbyeTicks = 20;
constexpr double kLearnerReady = 0.9;  // of the leader's log, etcd's

// Voters, and how many of them have ever started; `but` is left out.
struct Voters {
  std::size_t all = 0;
  std::size_t started = 0;
};
Voters count_voters(const ClusterState& cluster, std::uint64_t but = 0) {
  Voters v;
  for (const auto& [id, m] : cluster.members) {
    if (m.learner || id == but) continue;
    ++v.all;
    if (!m.name.empty()) ++v.started;
  }
  return v;
}

bool same_attributes(const MemberInfo& m, const ReplicaOptions& o) {
  return m.name == o.name && m.client_urls == o.client_urls;
}

}  // namespace

// How many voters, this one included, have been reachable since then.
std::size_t Replica::connected_since(MonoTime since) const {
  std::size_t n = 0;
  for (raft::NodeId id : node_->membership().voters) {
    if (id.value() == id_) {
      ++n;
    } else if (transport_ != nullptr) {
      const auto at = transport_->active_since(id);
      if (at && *at <= since) ++n;
    }
  }
  return n;
}

Result<void> Replica::check_add(const MemberChange& change) const {
  const Voters v = count_voters(cluster_);
  if (options_.strict_reconfig_check) {
    const std::size_t after = v.all + 1;
    // One member growing to two is how a cluster is restored.
    const bool restoring = v.started == 1 && after == 2;
    if (change.op == MemberChange::Op::kAdd && !restoring && v.started < after / 2 + 1) {
      return fail(not_enough_started_error());
    }
    if (connected_since(now() - kHealthInterval) < after / 2 + 1 && v.all > 1) return fail(unhealthy_error());
  }
  std::size_t learners = 0;
  for (const auto& [id, m] : cluster_.members) {
    if (m.learner) ++learners;
    for (const auto& url : change.peer_urls) {
      if (std::ranges::find(m.peer_urls, url) != m.peer_urls.end()) return fail(peer_url_exists_error());
    }
  }
  if (change.op == MemberChange::Op::kAddLearner && learners >= options_.max_learners) {
    return fail(too_many_learners_error());
  }
  return {};
}

Result<void> Replica::check_remove(std::uint64_t id) const {
  const auto it = cluster_.members.find(id);
  if (it == cluster_.members.end()) return fail(member_not_found_error());
  const Voters v = count_voters(cluster_, id);
  if (!it->second.learner && v.all == 0) return fail(not_enough_started_error());
  if (!options_.strict_reconfig_check || it->second.learner) return {};
  if (v.started < v.all / 2 + 1) return fail(not_enough_started_error());
  // One that is down is no part of the active quorum.
  if (id != id_ && transport_ != nullptr && !transport_->active_since(raft::NodeId(id))) return {};
  const std::size_t active = connected_since(now() - kHealthInterval);
  if (active < 2 + v.all / 2) return fail(unhealthy_error());
  return {};
}

Result<void> Replica::check_promote(std::uint64_t id) const {
  const auto it = cluster_.members.find(id);
  if (it == cluster_.members.end()) return fail(member_not_found_error());
  if (!it->second.learner) return fail(member_not_learner_error());
  for (const auto& progress : node_->status().progress) {
    if (progress.id.value() != id) continue;
    const auto ours = static_cast<double>(node_->last_index().value());
    if (static_cast<double>(progress.match.value()) < ours * kLearnerReady) {
      return fail(learner_not_ready_error());
    }
  }
  if (!options_.strict_reconfig_check) return {};
  const Voters v = count_voters(cluster_);
  if (v.started + 1 < (v.all + 1) / 2 + 1) return fail(not_enough_started_error());
  return {};
}

Result<raft::ConfChange> Replica::plan_change(Pending& p) {
  raft::ConfChange out;
  ConfContext context;
  context.request = p.id;
  MemberChange& c = p.change;
  using Op = raft::ConfChange::Op;
  switch (c.op) {
    case MemberChange::Op::kAdd:
    case MemberChange::Op::kAddLearner: {
      TRY(check_add(c));
      MemberInfo m;
      const auto wall =
          std::chrono::duration_cast<std::chrono::seconds>(deps_.clock->wall().time_since_epoch());
      m.id = member_id(c.peer_urls, options_.cluster_token, wall.count());
      if (cluster_.members.contains(m.id) || cluster_.removed.contains(m.id)) {
        return fail(member_exists_error());
      }
      m.peer_urls = c.peer_urls;
      m.learner = c.op == MemberChange::Op::kAddLearner;
      p.new_member = m.id;
      out.steps.push_back({m.learner ? Op::kAddLearner : Op::kAddVoter, raft::NodeId(m.id)});
      context.members.push_back(std::move(m));
      break;
    }
    case MemberChange::Op::kRemove:
      TRY(check_remove(c.id));
      out.steps.push_back({Op::kRemove, raft::NodeId(c.id)});
      break;
    case MemberChange::Op::kPromote:
      TRY(check_promote(c.id));
      out.steps.push_back({Op::kPromote, raft::NodeId(c.id)});
      break;
    case MemberChange::Op::kUpdate:
      break;  // no change of consensus
  }
  out.context = Bytes(encode(context));
  return out;
}

// REQUIRES: we lead.
void Replica::change_members(PendingPtr p) {
  if (p->id == 0) p->id = next_request();
  if (p->change.op == MemberChange::Op::kUpdate) {
    const auto it = cluster_.members.find(p->change.id);
    if (it == cluster_.members.end()) return finish(p, member_not_found_error());
    for (const auto& [id, m] : cluster_.members) {
      for (const auto& url : p->change.peer_urls) {
        if (id != p->change.id && std::ranges::find(m.peer_urls, url) != m.peer_urls.end()) {
          return finish(p, peer_url_exists_error());
        }
      }
    }
    p->command = encode_member_update({.id = p->change.id, .peer_urls = p->change.peer_urls});
    return propose(std::move(p));
  }
  auto change = plan_change(*p);
  if (!change) return finish(p, change.error());
  if (auto r = node_->propose_conf_change(*change); !r) {
    if (r.error().code == Code::kResourceExhausted) return finish(p, too_many_requests_error());
    unrouted_.push_back(std::move(p));  // another change is in flight: later
    return;
  }
  p->term = node_->term();
  proposed_.emplace(p->id, p);
}

Result<void> Replica::replace_members(std::vector<MemberInfo> joining,
                                      const std::vector<std::uint64_t>& leaving) {
  if (!leading_) return fail(not_leader_error());
  raft::ConfChange change;
  using Op = raft::ConfChange::Op;
  for (const auto& m : joining) change.steps.push_back({Op::kAddVoter, raft::NodeId(m.id)});
  for (std::uint64_t id : leaving) change.steps.push_back({Op::kRemove, raft::NodeId(id)});
  ConfContext context;
  context.members = std::move(joining);
  change.context = Bytes(encode(context));
  return node_->propose_conf_change(change);
}

// A change that the leader has made is applied here too.
void Replica::finish_member(const PendingPtr& p) {
  p->outcome.members = cluster_.list();
  p->outcome.applied = applied_;
  p->finish();
}

void Replica::move_leader(PendingPtr p) {
  if (role_ != raft::Role::kLeader) return finish(p, not_leader_error());
  const auto it = cluster_.members.find(p->target);
  if (it == cluster_.members.end() || it->second.learner) return finish(p, bad_transferee_error());
  if (p->target != id_) {
    if (auto r = node_->transfer_leadership(raft::NodeId(p->target)); !r) {
      return finish(p,
                    r.error().code == Code::kFailedPrecondition ? bad_transferee_error() : no_leader_error());
    }
  }
  transfers_.push_back(std::move(p));
  check_transfers();
}

void Replica::check_transfers() {
  Pendings done;
  std::erase_if(transfers_, [&](const PendingPtr& p) {
    if (leader_.value() != p->target) return false;
    done.push_back(p);
    return true;
  });
  for (auto& p : done) p->finish();
}

// Tells the transport of all others; who is gone is told so for a while first.
void Replica::set_peers() {
  if (transport_ == nullptr) return;
  for (const auto& [id, m] : cluster_.members) {
    if (id == id_) continue;
    leaving_.erase(id);
    auto& urls = peers_[id];
    if (urls == m.peer_urls && !urls.empty()) continue;
    urls = m.peer_urls;
    transport_->set_peer(raft::NodeId(id), urls);
  }
  for (const auto& [id, urls] : peers_) {
    if (!cluster_.members.contains(id)) leaving_.try_emplace(id, kGoodbyeTicks);
  }
}

void Replica::end_removed() {
  for (auto it = leaving_.begin(); it != leaving_.end();) {
    const raft::NodeId id(it->first);
    if (it->second % 5 == 0) {
      AppMessage m;
      m.kind = AppMessage::Kind::kRemoved;
      m.op = Pending::Op::kMember;
      m.target = id.value();
      send_app(id, m);
    }
    if (--it->second > 0) {
      ++it;
      continue;
    }
    transport_->remove_peer(id);
    peers_.erase(it->first);
    it = leaving_.erase(it);
  }
}

// Lets the others know our name and client URLs; ready once that is so in our own state too.
void Replica::publish_self() {
  if (ready_ || published_self_ || leader_ == raft::NodeId() || fenced_) return;
  const auto it = cluster_.members.find(id_);
  if (it == cluster_.members.end() || !node_->membership().contains(raft::NodeId(id_))) return;
  auto p = std::make_shared<Pending>();
  const bool known = same_attributes(it->second, options_);
  if (known) {
    p->op = Pending::Op::kRead;
  } else {
    p->command =
        encode_member_publish({.id = id_, .name = options_.name, .client_urls = options_.client_urls});
  }
  p->on_done = [this, known, raw = p.get()] {
    published_self_ = false;
    if (raw->outcome.error || stopped_) return;
    ready_ = true;
    deps_.logger.info("published local member to cluster through raft",
                      {{"local-member-id", id_text(id_)}, {"known", known}});
  };
  published_self_ = true;
  points_.before_publishing.hit();
  submit(std::move(p));
}

}  // namespace keelson::kvstore
