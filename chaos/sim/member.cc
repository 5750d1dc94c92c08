#include "chaos/sim/member.h"

#include "chaos/sim/world.h"

namespace keelson::sim {

using namespace std::chrono_literals;
using kvstore::Replica;
using raft::NodeId;

namespace {
constexpr Duration kStepCost = 3us;
constexpr std::size_t kInboxMax = 20000;
const std::string kEverything("\0", 1);
}  // namespace

// Sees everything that one member applies.
class Observer final : public kvstore::WatchHub::Sink {
 public:
  Observer(World& world, SimMember& member, kvstore::WatchHub& hub, kvstore::Revision from)
      : world_(world), member_(member), hub_(hub) {
    kvstore::WatchRequest all;
    all.key = kEverything;
    all.end = kEverything;
    id_ = hub.add(all, from, this);
  }
  ~Observer() override { hub_.remove(id_); }
  void deliver(kvstore::SharedBatch batch) override {
    if (batch.events) world_.invariants().on_events(member_, batch.events->events());
  }
  void cancel(const Error&) override {}

 private:
  World& world_;
  SimMember& member_;
  kvstore::WatchHub& hub_;
  kvstore::WatchHub::Id id_ = 0;
};

SimMember::SimMember(World& world, kvstore::MemberInfo info, std::vector<kvstore::MemberInfo> members,
                     bool join)
    : world_(world),
      id_(info.id),
      name_(info.name),
      disk_(world.rng().fork()),
      clock_(world.events(), disk_.busy(), Duration(world.rng().below(1'000'000'000'000))),
      rng_(world.rng().fork()),
      metrics_(nullptr) {
  options_.data_dir = "data";
  options_.name = name_;
  options_.client_urls = {"http://" + name_ + ":2379"};
  options_.id = id_.value();
  options_.cluster_id = 7;
  options_.members = std::move(members);
  options_.join = join;
  options_.progress_interval = 3s;
  options_.lease_checkpoint_interval = 5s;
  options_.watch_buffer_events = 64;
  options_.wal_segment_bytes = 64 << 10;
  options_.keep_entries = 150;
  options_.keep_bytes = 64 << 10;
  options_.max_learners = 3;
  options_.strict_reconfig_check = false;
  options_.hash_every = 8;
  options_.max_append_bytes = world.append_bytes();
  options_.quota_bytes = world.quota_bytes();
  options_.background = kvstore::BackgroundWork::kDrained;
  options_.faults = world.options().faults;
}

SimMember::~SimMember() {
  end(false);
}

bool SimMember::start() {
  CHECK(replica_ == nullptr && !lost);
  kvstore::ReplicaDeps deps;
  deps.fs = &disk_;
  deps.clock = &clock_;
  deps.rng = &rng_;
  deps.metrics = &metrics_;
  if (world_.options().member_logs) {
    deps.logger = Logger(
        [this](std::string_view line) { world_.note(name_, std::string(line.substr(0, line.size() - 1))); },
        LogLevel::kDebug);
  }
  auto opened = Replica::open(deps, options_);
  free_at_ = world_.now() + disk_.take_busy();
  if (!opened) {
    world_.note(name_, "does not open: " + opened.error().to_string());
    if (disk_.power_cut()) {
      disk_.power_loss();
      return false;
    }
    const bool disk_error = opened.error().code != Code::kDataLoss;
    disk_.process_death();
    if (disk_error && !lost) return false;
    ++world_.counters()[Count::kRefusedToOpen];
    if (damage == Damage::kNone || damage == Damage::kDiverged) {
      world_.violation("open", name_ + " refuses an undamaged disk: " + opened.error().to_string());
    }
    lost = true;
    return false;
  }
  replica_ = std::move(*opened);
  ++life_;
  if (opened_before_) ++world_.counters()[Count::kRestarts];
  opened_before_ = true;
  transport_ = std::make_unique<SimTransport>(world_.network(), id_);
  transport_->admit = [this](const raft::Message& m) {
    if (disk_.power_cut()) return false;
    world_.invariants().on_send(*this, m);
    return true;
  };
  replica_->set_transport(transport_.get());
  world_.note(name_, "starts at term " + std::to_string(replica_->node().term().value()) + " last " +
                         std::to_string(replica_->node().last_index().value()) + " applied " +
                         std::to_string(replica_->applied().value()));
  heard_term = heard_term_before = {};
  led_term = {};
  seen_commit = {};
  seen_applied = opened_at = replica_->applied();
  seen_installs = 0;
  seen_repairs = 0;
  seen_membership = replica_->node().membership();
  if (!world_.invariants().after_restart(*this)) {
    lost = true;
    end(false);
    return false;
  }
  repairing = replica_->repairing();
  if (!repairing)
    damage = Damage::kNone;  // all of its disk was read, and nothing that it promised is missing
  world_.invariants().backfill(*this);
  observer_ = std::make_unique<Observer>(world_, *this, replica_->hub(), replica_->state().revision() + 1);
  schedule_tick();
  schedule_wake();
  return true;
}

void SimMember::end(bool power) {
  if (replica_ == nullptr) return;
  ++life_;
  died_at_ = world_.now() + disk_.busy();
  inbox_.clear();
  world_.network().died(id_);
  world_.member_died(*this);
  observer_.reset();
  replica_.reset();
  transport_.reset();
  tick_waits_ = false;
  if (damage == Damage::kDiverged) {  // what was changed may be in its database, or not
    disk_.wipe();
    lost = true;
  }
  if (power) {
    if (disk_.power_loss()) ++world_.counters()[Count::kTornWrites];
  } else {
    disk_.process_death();
  }
  (void)disk_.take_busy();
}

void SimMember::crash(bool power) {
  if (replica_ == nullptr) return;
  CHECK(!running_);
  world_.note(name_, power ? "loses power" : "dies");
  ++world_.counters()[Count::kCrashes];
  end(power);
}

void SimMember::pause(Duration d) {
  paused_until_ = std::max(paused_until_, world_.now() + d);
}

void SimMember::input(Input input) {
  if (replica_ == nullptr || inbox_.size() >= kInboxMax) return;
  const MonoTime ready = std::max(free_at_, paused_until_);
  if (running_ || !inbox_.empty() || ready > world_.now()) {
    inbox_.push_back(std::move(input));
    if (!running_) schedule_wake();
    return;
  }
  run(input);
}

void SimMember::schedule_wake() {
  if (wake_scheduled_ || inbox_.empty()) return;
  wake_scheduled_ = true;
  world_.events().at(std::max(free_at_, paused_until_), [this] {
    wake_scheduled_ = false;
    drain();
  });
}

void SimMember::drain() {
  if (replica_ == nullptr) return;
  if (std::max(free_at_, paused_until_) > world_.now()) return schedule_wake();
  if (inbox_.empty()) return;
  Input all = [batch = std::exchange(inbox_, {})](Replica& r) mutable {
    for (auto& i : batch) i(r);
  };
  run(all);
}

// One turn: the input, then steps until nothing is left to do.
void SimMember::run(Input& input) {
  running_ = true;
  heard_term_before = heard_term;
  heard_at_tick_before = heard_at_tick;
  const std::uint64_t life = life_;
  input(*replica_);
  for (int i = 0; replica_->step() && i < 1000; ++i) {
  }
  running_ = false;
  CHECK(life == life_);
  if (repairing && !replica_->repairing() && !replica_->failed()) {
    repairing = false;
    world_.note(name_, "has its log repaired up to " + std::to_string(replica_->node().last_index().value()));
    damage = Damage::kNone;
    world_.invariants().after_repair(*this);
  }
  world_.invariants().after_step(*this);
  free_at_ = world_.now() + disk_.busy() + kStepCost;
  if (disk_.power_cut()) {
    world_.note(name_, "loses power in the middle of a step");
    ++world_.counters()[Count::kPowerCuts];
    ++world_.counters()[Count::kCrashes];
    end(true);
    world_.restart_later(*this);
  } else if (replica_->failed()) {
    world_.note(name_, "stopped: " + replica_->failed()->to_string());
    const bool damaged = damage == Damage::kVisible || damage == Damage::kInvisible;
    if (!damaged && disk_.happened().sync_errors + disk_.happened().full_errors == known_disk_errors_) {
      world_.violation("stopped", name_ + " stopped without a fault: " + replica_->failed()->to_string());
    }
    known_disk_errors_ = disk_.happened().sync_errors + disk_.happened().full_errors;
    end(rng_.below(2) == 0);
    world_.restart_later(*this);
  } else if (replica_->removed()) {
    world_.note(name_, "knows that it was removed");
    over = world_.all_know(world_.membership());
    end(false);
    if (!over) world_.restart_later(*this);  // others may need its vote to find that out
  }
  (void)disk_.take_busy();
  if (replica_ != nullptr) schedule_wake();
}

void SimMember::schedule_tick() {
  world_.events().after(clock_.true_duration(options_.tick), [this, life = life_] {
    if (life != life_ || replica_ == nullptr) return;
    schedule_tick();
    if (tick_waits_) return;
    tick_waits_ = true;
    input([this](Replica& r) {
      tick_waits_ = false;
      ++ticks;
      r.tick();
      if (disk_.power_cut() || r.failed()) return;
      r.flush_now();
      // The next segment is made by another thread: a full disk there shows when it is needed.
      if (ticks % 4 == 0) (void)r.prepare_spare();
    });
  });
}

bool SimMember::submit(kvstore::PendingPtr p) {
  if (replica_ == nullptr) return false;
  input([p = std::move(p)](Replica& r) { r.submit(p); });
  return true;
}

void SimMember::deliver(raft::Message message) {
  input([this, m = std::move(message)](Replica& r) mutable {
    world_.invariants().on_receive(*this, m);
    r.receive(std::move(m));
  });
}

void SimMember::deliver_app(NodeId from, Bytes payload) {
  input([from, p = std::move(payload)](Replica& r) mutable { r.receive_app(from, std::move(p)); });
}

void SimMember::unreachable(NodeId id, bool reset) {
  input([this, id, reset](Replica& r) {
    // Whose connection to its leader broke need not wait for it.
    if (reset) heard_term = heard_term_before = {};
    r.unreachable(id, reset);
  });
}

void SimMember::snapshot_sent(NodeId to, bool delivered) {
  input([to, delivered](Replica& r) { r.snapshot_sent(to, delivered); });
}

Result<std::unique_ptr<raft::SnapshotSink>> SimMember::receive_snapshot(const raft::Message& message) {
  if (replica_ == nullptr) return fail(Code::kUnavailable, "down");
  // No protocol can tell a snapshot of a false state from a true one in time. As this member has no say
  // without it, the others may not find out who is right: the sender's time is over.
  SimMember* from = world_.member(message.from);
  if (from != nullptr && from->damage == Damage::kDiverged) {
    world_.events().after({}, [from] {
      if (from->damage == Damage::kDiverged) from->crash(false);
    });
    return fail(Code::kUnavailable, "of a diverged member");
  }
  auto r = replica_->receive_snapshot(message);
  // Another thread's work: the member itself does not wait for it.
  if (!running_) (void)disk_.take_busy();
  return r;
}

}  // namespace keelson::sim
