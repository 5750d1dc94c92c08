#include "chaos/sim/world.h"

#include <algorithm>

#include "chaos/sim/client.h"
#include "chaos/sim/faults.h"
#include "chaos/sim/operator.h"
#include "chaos/sim/watch_client.h"
#include "jepsen/lease_check.h"
#include "jepsen/serializable.h"

namespace keelson::sim {

using namespace std::chrono_literals;
using raft::NodeId;

namespace {
constexpr Duration kTroubleMax = 400s;
constexpr Duration kServedWithin = 40s;
constexpr Duration kRestWithin = 90s;
constexpr Duration kLeasesGoneWithin = 30s;
}  // namespace

RunResult run_world(const WorldOptions& options) {
  World world(options);
  return world.run();
}

World::World(const WorldOptions& options)
    : options_(options),
      rng_(options.seed),
      trace_(options.trace),
      network_(events_, rng_.fork(), counters_, trace_),
      invariants_(*this) {}

World::~World() {
  watches_.clear();
  members_.clear();
}

void World::build() {
  static constexpr std::size_t kSizes[] = {1, 3, 3, 3, 3, 5, 5};
  if (rng_.below(3) == 0) append_bytes_ = 64 + rng_.below(400);
  Rng quota(options_.seed ^ 0x71756f7461);  // of its own: the rest of a seed does not hang on it
  if (quota.below(6) == 0) quota_bytes_ = 8'000 + quota.below(20'000);
  const std::size_t size = kSizes[rng_.below(std::size(kSizes))];
  std::vector<kvstore::MemberInfo> first;
  for (std::size_t i = 0; i < size; ++i) {
    kvstore::MemberInfo info;
    info.id = 101 + i;
    info.name = "m" + std::to_string(i);
    info.peer_urls = {"http://" + info.name + ":2380"};
    first.push_back(std::move(info));
  }
  for (const auto& info : first) add_member(info, first, false);
  for (const auto& m : members_) m->start();
  const Duration think = std::chrono::milliseconds(30 + rng_.below(90));
  const std::size_t clients = 6 + rng_.below(6);
  for (std::size_t i = 0; i < clients; ++i) {
    clients_.push_back(std::make_unique<SimClient>(*this, static_cast<int>(i + 1), rng_.fork(), think));
    clients_.back()->start();
  }
  const std::size_t watches = 3 + rng_.below(6);
  for (std::size_t i = 0; i < watches; ++i) {
    watches_.push_back(std::make_unique<SimWatch>(*this, i + 1, rng_.fork()));
    watches_.back()->start();
  }
  nemesis_ = std::make_unique<Nemesis>(*this, rng_.fork());
  nemesis_->start();
  operator_ = std::make_unique<Operator>(*this, rng_.fork(), size);
  operator_->start();
}

SimMember& World::add_member(kvstore::MemberInfo info, std::vector<kvstore::MemberInfo> members, bool join) {
  const NodeId id(info.id);
  members_.push_back(std::make_unique<SimMember>(*this, std::move(info), std::move(members), join));
  network_.attach(id, members_.back().get());
  return *members_.back();
}

SimMember* World::member(NodeId id) {
  auto it = std::find_if(members_.begin(), members_.end(), [&](const auto& m) { return m->id() == id; });
  return it == members_.end() ? nullptr : it->get();
}

SimMember* World::random_up(Rng& rng) {
  const auto n = std::count_if(members_.begin(), members_.end(), [](const auto& m) { return m->up(); });
  if (n == 0) return nullptr;
  auto nth = rng.below(static_cast<std::uint64_t>(n));
  for (const auto& m : members_) {
    if (m->up() && nth-- == 0) return m.get();
  }
  return nullptr;
}

SimMember* World::leader() {
  SimMember* best = nullptr;
  for (const auto& m : members_) {
    if (!m->up() || m->replica()->node().role() != raft::Role::kLeader) continue;
    if (best == nullptr || best->replica()->node().term() < m->replica()->node().term()) best = m.get();
  }
  return best;
}

void World::look_at_cluster() {
  for (const auto& m : members_) {
    if (!m->up() || m->replica()->applied() < looked_at_) continue;
    if (m->replica()->applied() == looked_at_ && !membership_.voters.empty()) continue;
    looked_at_ = m->replica()->applied();
    if (!membership_.joint() && m->replica()->node().membership().joint()) ++counters_[Count::kJointChanges];
    membership_ = m->replica()->node().membership();
    cluster_ = m->replica()->published().cluster()->list();
  }
}

const raft::Membership& World::membership() {
  look_at_cluster();
  return membership_;
}

const std::vector<kvstore::MemberInfo>& World::cluster() {
  look_at_cluster();
  return cluster_;
}

bool World::all_know(const raft::Membership& m) {
  return !m.joint() && std::all_of(m.voters.begin(), m.voters.end(), [&](NodeId id) {
    const SimMember* v = member(id);
    return v != nullptr && v->seen_membership == m;
  });
}

void World::restart_later(SimMember& member) {
  const auto ms_max = healing_ ? 500 : 4000;
  events_.after(100ms + std::chrono::milliseconds(rng_.below(static_cast<std::uint64_t>(ms_max))),
                [this, &member] {
                  if (member.up() || member.lost || member.over) return;
                  if (!member.start()) restart_later(member);
                });
}

void World::member_died(SimMember& member) {
  for (const auto& c : clients_) c->member_died(member);
  for (const auto& w : watches_) w->member_died(member);
}

void World::entered_joint(SimMember& leader) {
  nemesis_->at_the_seam(leader);
}

void World::violation(const std::string& property, const std::string& text) {
  note("!!", property + ": " + text);
  if (result_.violations.size() < 20) result_.violations.push_back({property, text});
}

void World::run_for(Duration d) {
  bool over = false;
  events_.after(d, [&over] { over = true; });
  while (!over && !failed() && events_.run_next()) {
  }
  // A violation ends the world before the event that refers to `over`: nothing runs after it.
}

bool World::run_until(Duration limit, const std::function<bool(std::string&)>& done) {
  const MonoTime until = now() + limit;
  std::string why;
  while (!failed()) {
    if (done(why)) return true;
    if (now() >= until) {
      violation("liveness", "after " + std::to_string(limit / 1s) + " s without faults: " + why);
      break;
    }
    run_for(200ms);
  }
  return false;
}

void World::heal() {
  note("!", "everything is healed");
  healing_ = true;
  nemesis_->stop();
  network_.heal();
  operator_->settle();
  for (const auto& m : members_) {
    m->disk().set_full(false);
    m->disk().fail_syncs(false);
    m->disk().set_slowness(1);
    m->disk().misdirect_next_write({});
    m->clock().set_drift(0);
    if (!m->up()) restart_later(*m);
  }
  for (const auto& w : watches_) w->hurry();
}

bool World::at_rest(std::string& why) {
  SimMember* l = leader();
  if (l == nullptr) {
    why = "no leader";
    return false;
  }
  if (!operator_->content()) {
    why = "a member could not be replaced";
    return false;
  }
  for (const auto& m : members_) {
    if (!m->up() || membership().contains(m->id())) continue;
    why = m->name() + " is no member, and up";  // who watches it would wait for good
    return false;
  }
  for (NodeId id : membership().voters) {
    SimMember* m = member(id);
    if (m->replica()->applied() != l->replica()->node().last_index()) {
      why = m->name() + " has applied " + std::to_string(m->replica()->applied().value()) + " of " +
            std::to_string(l->replica()->node().last_index().value());
      return false;
    }
  }
  const auto idle =
      std::find_if(watches_.begin(), watches_.end(), [](const auto& w) { return !w->watching(); });
  if (idle != watches_.end()) {
    why = "a watch does not come up again";
    return false;
  }
  return true;
}

void World::come_to_rest() {
  const MonoTime healed = now();
  const bool served = run_until(kServedWithin, [&](std::string& why) {
    why = "a client was not served";
    return std::all_of(clients_.begin(), clients_.end(),
                       [&](const auto& c) { return c->served_since(healed); });
  });
  if (!served) return;
  // What the troubles did not leave time for.
  if (!run_until(kTroubleMax, [&](std::string& why) {
        why = "the clients did too little";
        return counters_[Count::kOpsOk] >= options_.operations;
      })) {
    return;
  }
  if (!run_until(kRestWithin, [&](std::string& why) {
        why = "a client waits for an answer";
        bool all = true;
        for (const auto& c : clients_) all = c->rest() && all;
        return all;
      })) {
    return;
  }
  if (!run_until(kRestWithin, [&](std::string& why) { return at_rest(why); })) return;
  if (!run_until(kLeasesGoneWithin, [&](std::string& why) {
        SimMember* l = leader();
        if (l == nullptr) {
          why = "no leader";
          return false;
        }
        const auto& leases = l->replica()->state().leases();
        why = "leases that nobody keeps alive have not ended:";
        for (kvstore::LeaseId id : leases.ids()) {
          const auto info = leases.info(id, false, l->clock().now());
          why += " " + std::to_string(id) + " (" + std::to_string(info.remaining_ttl_s) + " of " +
                 std::to_string(info.granted_ttl_s) + " s)";
        }
        return leases.ids().empty();
      })) {
    return;
  }
  run_until(kRestWithin, [&](std::string& why) { return at_rest(why); });
  run_for(1s);
}

void World::check_history() {
  jepsen::Violations found;
  const jepsen::Model model(invariants_.log(), found);
  auto serializable = jepsen::check_serializable(history_, model);
  for (auto& v : serializable.violations) found.push_back(std::move(v));
  for (const auto& w : watch_history_) {
    for (auto& v : jepsen::check_watch(w, model, compacted)) found.push_back(std::move(v));
  }
  for (auto& v : jepsen::check_leases(history_, model, serializable.authors,
                                      {.drift_max = kDriftMax, .slack_ns = 1'000'000})) {
    found.push_back(std::move(v));
  }
  for (const auto& [revision, author] : serializable.authors) {
    if (author == nullptr) ++counters_[Count::kLeaseExpiries];
  }
  for (const auto& v : found) violation(v.property, v.text);
}

RunResult World::run() {
  build();
  const MonoTime until = now() + kTroubleMax;
  while (!failed() && counters_[Count::kOpsOk] < options_.operations && now() < until && events_.run_next()) {
  }
  if (!failed()) {
    heal();
    come_to_rest();
  }
  const kvstore::Revision newest = invariants_.log().empty() ? 1 : invariants_.log().back().revision;
  for (const auto& w : watches_) w->conclude(failed() ? 0 : newest);
  if (!failed()) check_history();
  if (options_.history != nullptr) jepsen::write_json_lines(history_, invariants_.log(), options_.history);
  result_.counters = counters_;
  result_.digest = trace_.digest();
  result_.events = events_.executed();
  result_.virtual_time = now().time_since_epoch();
  return std::move(result_);
}

}  // namespace keelson::sim
