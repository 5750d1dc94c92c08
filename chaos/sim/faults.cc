#include "chaos/sim/faults.h"

#include <algorithm>

#include "chaos/sim/operator.h"
#include "chaos/sim/world.h"

namespace keelson::sim {

using namespace std::chrono_literals;
using raft::NodeId;
using Damage = SimMember::Damage;

Nemesis::Nemesis(World& world, Rng rng) : world_(world), rng_(rng) {
  const std::vector<Trouble> all = {
      {"weather", 3, &Nemesis::network_weather},
      {"partition", 3, &Nemesis::partition},
      {"one-way", 2, &Nemesis::partition_one_way},
      {"asymmetric", 2, &Nemesis::partition_asymmetric},
      {"swizzle", 2, &Nemesis::swizzle},
      {"slow link", 1, &Nemesis::slow_link},
      {"crash", 4, &Nemesis::crash},
      {"crash all", 1, &Nemesis::crash_all},
      {"power cut", 4, &Nemesis::power_cut},
      {"fsync", 2, &Nemesis::sync_error},
      {"full disk", 2, &Nemesis::full_disk},
      {"slow disk", 2, &Nemesis::slow_disk},
      {"pause", 3, &Nemesis::pause},
      {"clock jump", 2, &Nemesis::jump_clock},
      {"clock skew", 2, &Nemesis::skew_clock},
      {"wipe", 4, &Nemesis::wipe},
      {"rot", 4, &Nemesis::rot},
      {"misdirect", 4, &Nemesis::misdirect},
      {"cut log", 4, &Nemesis::cut_log},
      {"diverge", 4, &Nemesis::diverge},
  };
  for (const auto& t : all) {
    if (rng_.below(10) < 6) troubles_.push_back(t);
  }
  if (troubles_.empty()) troubles_ = all;
  for (const auto& t : troubles_) weights_ += t.weight;
  pace_ = Duration(200'000'000 + rng_.below(1'500'000'000));
}

void Nemesis::start() {
  world_.events().after(3s, [this] {
    network_weather();
    next();
  });
}

void Nemesis::stop() {
  stopped_ = true;
}

void Nemesis::next() {
  if (stopped_) return;
  auto at = static_cast<int>(rng_.below(static_cast<std::uint64_t>(weights_)));
  for (const auto& t : troubles_) {
    at -= t.weight;
    if (at >= 0) continue;
    world_.note("!", t.name);
    (this->*t.make)();
    break;
  }
  world_.events().after(Duration(rng_.below(static_cast<std::uint64_t>(2 * pace_.count()))),
                        [this] { next(); });
}

SimMember* Nemesis::victim() {
  SimMember* m = world_.leader();
  if (m == nullptr || rng_.below(10) >= 4) m = world_.random_up(rng_);
  if (m != nullptr) world_.note("!", "of " + m->name());
  return m;
}

Duration Nemesis::for_a_while(int ms_max) {
  return 200ms + std::chrono::milliseconds(rng_.below(static_cast<std::uint64_t>(ms_max)));
}

// ---- Network

void Nemesis::network_weather() {
  auto& f = world_.network().faults();
  const auto some = [&](double most) { return rng_.below(2) == 0 ? 0 : most * rng_.unit() * rng_.unit(); };
  f.loss = some(0.2);
  f.duplicate = some(0.2);
  f.reorder = some(0.3);
  f.delay = some(0.2);
  f.delay_max = std::chrono::milliseconds(1 + rng_.below(400));
}

void Nemesis::partition() {
  std::vector<NodeId> one;
  std::vector<NodeId> other;
  for (const auto& m : world_.members()) {
    if (!m->over) (rng_.below(2) == 0 ? one : other).push_back(m->id());
  }
  SimMember* leader = world_.leader();
  if (leader != nullptr && rng_.below(3) == 0) {  // the leader alone
    one = {leader->id()};
    other.clear();
    for (const auto& m : world_.members()) {
      if (m.get() != leader) other.push_back(m->id());
    }
  }
  if (!one.empty() && !other.empty()) cut(std::move(one), std::move(other), for_a_while(8000));
}

void Nemesis::cut(std::vector<NodeId> one, std::vector<NodeId> other, Duration time) {
  ++world_.counters()[Count::kPartitions];
  const auto set = [this, one = std::move(one), other = std::move(other)](bool blocked) {
    for (NodeId a : one) {
      for (NodeId b : other) {
        world_.network().block(a, b, blocked);
        world_.network().block(b, a, blocked);
      }
    }
  };
  set(true);
  world_.events().after(time, [set] { set(false); });
}

void Nemesis::at_the_seam(SimMember& leader) {
  if (stopped_ || rng_.below(3) == 0) return;
  const auto& old = leader.replica()->node().membership().voters_old;
  std::vector<NodeId> one;
  std::vector<NodeId> other;
  for (const auto& m : world_.members()) {
    if (m->over) continue;
    const bool stays = m.get() == &leader || std::find(old.begin(), old.end(), m->id()) == old.end();
    (stays ? one : other).push_back(m->id());
  }
  if (other.empty()) return;
  world_.note("!", "partition at the seam");
  cut(std::move(one), std::move(other), 2s + Duration(rng_.below(4'000'000'000)));
}

void Nemesis::partition_one_way() {
  SimMember* m = victim();
  if (m == nullptr) return;
  ++world_.counters()[Count::kOneWayPartitions];
  const bool deaf = rng_.below(2) == 0;
  std::vector<NodeId> others;
  for (const auto& o : world_.members()) {
    if (o.get() != m && rng_.below(4) != 0) others.push_back(o->id());
  }
  const auto set = [this, others, deaf, id = m->id()](bool blocked) {
    for (NodeId o : others)
      deaf ? world_.network().block(o, id, blocked) : world_.network().block(id, o, blocked);
  };
  set(true);
  world_.events().after(for_a_while(6000), [set] { set(false); });
}

// Some pairs cannot talk, though both talk to others.
void Nemesis::partition_asymmetric() {
  std::vector<std::pair<NodeId, NodeId>> pairs;
  for (const auto& a : world_.members()) {
    for (const auto& b : world_.members()) {
      if (a->id() < b->id() && !a->over && !b->over && rng_.below(3) == 0)
        pairs.emplace_back(a->id(), b->id());
    }
  }
  if (pairs.empty()) return;
  ++world_.counters()[Count::kAsymmetricPartitions];
  const auto set = [this, pairs](bool blocked) {
    for (auto [a, b] : pairs) {
      world_.network().block(a, b, blocked);
      world_.network().block(b, a, blocked);
    }
  };
  set(true);
  world_.events().after(for_a_while(6000), [set] { set(false); });
}

// Members are clogged one after another, and unclogged in another order (FoundationDB).
void Nemesis::swizzle() {
  std::vector<NodeId> chosen;
  for (const auto& m : world_.members()) {
    if (!m->over && rng_.below(2) == 0) chosen.push_back(m->id());
  }
  if (chosen.empty()) return;
  ++world_.counters()[Count::kSwizzledClogs];
  const auto set = [this](NodeId id, bool clogged) {
    for (const auto& o : world_.members()) {
      if (o->id() == id) continue;
      world_.network().clog(o->id(), id, clogged);
      world_.network().clog(id, o->id(), clogged);
    }
  };
  for (NodeId id : chosen) {
    world_.events().after(Duration(rng_.below(2'000'000'000)), [this, set, id] {
      if (!stopped_) set(id, true);
    });
    world_.events().after(2s + Duration(rng_.below(3'000'000'000)), [set, id] { set(id, false); });
  }
}

void Nemesis::slow_link() {
  SimMember* m = victim();
  if (m == nullptr) return;
  ++world_.counters()[Count::kDelayed];
  const Duration by = Duration(rng_.below(300'000'000));
  const auto set = [this, id = m->id()](Duration d) {
    for (const auto& o : world_.members()) {
      world_.network().slow(o->id(), id, d);
      world_.network().slow(id, o->id(), d);
    }
  };
  set(by);
  world_.events().after(for_a_while(4000), [set] { set({}); });
}

// ---- Processes

void Nemesis::crash() {
  SimMember* m = victim();
  if (m == nullptr) return;
  m->crash(rng_.below(5) != 0);
  world_.restart_later(*m);
}

void Nemesis::crash_all() {
  for (const auto& m : world_.members()) {
    if (!m->up()) continue;
    m->crash(true);
    world_.restart_later(*m);
  }
}

void Nemesis::pause() {
  SimMember* m = victim();
  if (m == nullptr) return;
  ++world_.counters()[Count::kPauses];
  m->pause(for_a_while(5000));
}

void Nemesis::jump_clock() {
  SimMember* m = victim();
  if (m == nullptr) return;
  ++world_.counters()[Count::kClockJumps];
  m->clock().jump_wall(std::chrono::seconds(rng_.between(-100'000, 100'000)));
}

void Nemesis::skew_clock() {
  SimMember* m = victim();
  if (m == nullptr) return;
  ++world_.counters()[Count::kClockSkews];
  m->clock().set_drift((rng_.unit() * 2 - 1) * kDriftMax);
}

// ---- Disks

void Nemesis::power_cut() {
  SimMember* m = victim();
  if (m != nullptr) m->disk().cut_power_after(1 + static_cast<int>(rng_.below(12)));
}

void Nemesis::sync_error() {
  SimMember* m = victim();
  if (m == nullptr) return;
  ++world_.counters()[Count::kSyncErrors];
  m->disk().fail_syncs(true);
}

void Nemesis::full_disk() {
  SimMember* m = victim();
  if (m == nullptr) return;
  ++world_.counters()[Count::kFullDisks];
  m->disk().set_full(true);
  world_.events().after(for_a_while(4000), [m] { m->disk().set_full(false); });
}

void Nemesis::slow_disk() {
  SimMember* m = victim();
  if (m == nullptr) return;
  ++world_.counters()[Count::kSlowDisks];
  m->disk().set_slowness(20 + static_cast<int>(rng_.below(1500)));
  world_.events().after(for_a_while(4000), [m] { m->disk().set_slowness(1); });
}

// ---- Damage

SimMember* Nemesis::expendable() {
  if (world_.fleet().in_doubt()) return nullptr;
  const auto membership = world_.membership();
  // A change counts for a member when it has applied it: until all have, the old quorums are needed.
  if (!world_.all_know(membership)) return nullptr;
  if (!membership.learners.empty() || membership.voters.size() < 3) return nullptr;
  for (NodeId id : membership.voters) {
    const SimMember* m = world_.member(id);
    if (m == nullptr || m->lost || m->over || m->damage != Damage::kNone) return nullptr;
  }
  SimMember* m = world_.member(membership.voters[rng_.below(membership.voters.size())]);
  return m->up() ? m : nullptr;
}

void Nemesis::damaged(SimMember& m, Damage kind, std::string text) {
  world_.note(m.name(), "is damaged: " + text);
  m.damage = kind;
  m.damaged_at = world_.now();
  m.damage_text = std::move(text);
}

void Nemesis::crash_soon(SimMember& m) {
  world_.events().after(Duration(rng_.below(500'000'000)), [this, &m] {
    if (m.up()) m.crash(true);
    world_.restart_later(m);
  });
}

void Nemesis::wipe() {
  SimMember* m = expendable();
  if (m == nullptr) return;
  ++world_.counters()[Count::kWipes];
  m->crash(false);
  m->disk().wipe();
  m->lost = true;
  world_.note(m->name(), "has lost its disk");
}

void Nemesis::rot() {
  SimMember* m = expendable();
  if (m == nullptr) return;
  auto where = m->disk().rot(rng_.below(2) == 0 ? "/wal/" : "/db/");
  if (!where) return;
  ++world_.counters()[Count::kBitRot];
  damaged(*m, Damage::kVisible, "bit rot in " + *where);
  crash_soon(*m);
}

void Nemesis::misdirect() {
  SimMember* m = expendable();
  if (m == nullptr) return;
  damaged(*m, Damage::kInvisible, "a misdirected write");
  m->disk().misdirect_next_write(rng_.below(3) != 0 ? "/wal/" : "/db/");
  const auto before = m->disk().happened().misdirected;
  world_.events().after(500ms, [this, m, before] {
    m->disk().misdirect_next_write({});
    if (m->disk().happened().misdirected == before) {
      m->damage = Damage::kNone;
      return;
    }
    ++world_.counters()[Count::kMisdirectedWrites];
    world_.note(m->name(), "misdirected: " + m->disk().happened().misdirected_where);
    if (m->up()) m->crash(true);
    world_.restart_later(*m);
  });
}

void Nemesis::cut_log() {
  SimMember* m = expendable();
  if (m == nullptr) return;
  auto where = m->disk().cut_tail("/wal/");
  if (!where) return;
  ++world_.counters()[Count::kTruncations];
  damaged(*m, Damage::kCut, "the log was cut: " + *where);
  m->durable_at_cut = m->replica()->durable();
  m->crash(true);
  world_.restart_later(*m);
}

void Nemesis::diverge() {
  SimMember* m = expendable();
  if (m == nullptr || m->replica()->node().role() == raft::Role::kLeader) return;
  ++world_.counters()[Count::kDivergences];
  damaged(*m, Damage::kDiverged, "its state was changed");
  world_.member_died(*m);  // for clients: they do not come back before it is replaced
  m->replica()->plant_divergence("zz/planted");
}

}  // namespace keelson::sim
