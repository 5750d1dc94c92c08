#include "chaos/sim/sim_network.h"

#include <algorithm>

namespace keelson::sim {

using namespace std::chrono_literals;
using raft::NodeId;

namespace {
constexpr std::size_t kHeldMax = 4000;
constexpr std::size_t kPieceBytes = 16 << 10;
constexpr Duration kStreamTimeout = 1s;
}  // namespace

struct SimNetwork::Stream {
  NodeId from;
  NodeId to;
  raft::Message message;
  std::unique_ptr<raft::SnapshotSource> source;
  std::unique_ptr<raft::SnapshotSink> sink;
  std::uint64_t from_life = 0;
  std::uint64_t to_life = 0;
  MonoTime last_progress{};
  bool over = false;
};

SimNetwork::~SimNetwork() = default;

Endpoint* SimNetwork::alive(NodeId id) {
  auto it = endpoints_.find(id);
  return it == endpoints_.end() || it->second->life() == 0 ? nullptr : it->second;
}

bool SimNetwork::reachable(NodeId from, NodeId to) {
  const auto& link = links_[{from, to}];
  return !link.blocked && !link.clogged && alive(to) != nullptr;
}

void SimNetwork::clog(NodeId from, NodeId to, bool clogged) {
  auto& link = links_[{from, to}];
  link.clogged = clogged;
  if (clogged) return;
  for (auto& action : std::exchange(link.held, {}))
    events_.after(Duration(rng_.below(200'000)), std::move(action));
}

void SimNetwork::heal() {
  faults_ = {};
  for (auto& [pair, link] : links_) {
    link.blocked = false;
    link.extra = {};
    if (link.clogged) clog(pair.first, pair.second, false);
  }
}

void SimNetwork::lost(NodeId from, NodeId to) {
  if (rng_.unit() >= faults_.report) return;
  Endpoint* sender = alive(from);
  if (sender == nullptr) return;
  const bool reset = rng_.below(4) == 0;
  events_.after(Duration(rng_.below(2'000'000)), [this, from, to, reset, life = sender->life()] {
    Endpoint* e = alive(from);
    if (e != nullptr && e->life() == life) e->unreachable(to, reset);
  });
}

void SimNetwork::carry(NodeId from, NodeId to, std::move_only_function<void(Endpoint&)> arrive) {
  Endpoint* sender = endpoints_[from];
  Link& link = links_[{from, to}];
  const MonoTime leaves = events_.now() + sender->ahead();
  MonoTime at = leaves + 100us + Duration(rng_.below(300'000)) + link.extra;
  if (faults_.delay > 0 && rng_.unit() < faults_.delay) {
    ++counters_[Count::kDelayed];
    at += Duration(rng_.below(static_cast<std::uint64_t>(faults_.delay_max.count())));
  }
  if (faults_.reorder > 0 && rng_.unit() < faults_.reorder) {
    ++counters_[Count::kReordered];
    at += Duration(rng_.below(20'000'000));
  } else {
    at = std::max(at, link.last_arrival + 1ns);
    link.last_arrival = at;
  }
  auto action = [this, from, to, leaves, life = sender->life(), arrive = std::move(arrive)]() mutable {
    // A sender that died before its message left never sent it.
    const Endpoint* s = endpoints_[from];
    if (s->life() != life && s->died_at() < leaves) return;
    Endpoint* e = alive(to);
    if (e == nullptr || links_[{from, to}].blocked) return lost(from, to);
    arrive(*e);
  };
  if (link.clogged) {
    if (link.held.size() < kHeldMax) link.held.push_back(std::move(action));
    return;
  }
  events_.at(at, std::move(action));
}

void SimNetwork::send(NodeId from, raft::Message message) {
  ++counters_[Count::kMessages];
  const NodeId to = message.to;
  if (trace_.on()) {
    trace_.line(events_.now(), std::to_string(from.value()),
                "-> " + std::to_string(to.value()) + " " + describe(message));
  }
  trace_.fold(static_cast<std::uint64_t>(events_.now().time_since_epoch().count()));
  trace_.fold(to.value() << 8 | static_cast<std::uint64_t>(message.type));
  trace_.fold(message.index.value() << 20 ^ message.prev_index.value() ^ message.term.value() << 40);
  if (links_[{from, to}].blocked) return lost(from, to);
  if (faults_.loss > 0 && rng_.unit() < faults_.loss) {
    ++counters_[Count::kLost];
    return lost(from, to);
  }
  if (faults_.duplicate > 0 && rng_.unit() < faults_.duplicate) {
    ++counters_[Count::kDuplicated];
    carry(from, to, [m = message](Endpoint& e) { e.deliver(m); });
  }
  carry(from, to, [m = std::move(message)](Endpoint& e) mutable { e.deliver(std::move(m)); });
}

void SimNetwork::send_app(NodeId from, NodeId to, Bytes payload) {
  if (trace_.on()) {
    trace_.line(events_.now(), std::to_string(from.value()),
                "-> " + std::to_string(to.value()) + " app message kind " +
                    std::to_string(payload.view().empty() ? 0 : int{payload.view().front()}) + ", " +
                    std::to_string(payload.size()) + " bytes");
  }
  if (links_[{from, to}].blocked) return;
  if (faults_.loss > 0 && rng_.unit() < faults_.loss) {
    ++counters_[Count::kLost];
    return;
  }
  if (faults_.duplicate > 0 && rng_.unit() < faults_.duplicate) {
    ++counters_[Count::kDuplicated];
    carry(from, to, [from, p = payload](Endpoint& e) { e.deliver_app(from, p); });
  }
  carry(from, to, [from, p = std::move(payload)](Endpoint& e) mutable { e.deliver_app(from, std::move(p)); });
}

void SimNetwork::send_snapshot(NodeId from, raft::Message message,
                               std::unique_ptr<raft::SnapshotSource> source) {
  auto s = std::make_shared<Stream>();
  s->from = from;
  s->to = message.to;
  s->message = std::move(message);
  s->source = std::move(source);
  s->from_life = endpoints_[from]->life();
  s->last_progress = events_.now();
  const bool busy = std::any_of(streams_.begin(), streams_.end(),
                                [&](const auto& o) { return !o->over && o->from == from && o->to == s->to; });
  if (trace_.on()) {
    trace_.line(events_.now(), std::to_string(from.value()),
                "-> " + std::to_string(s->to.value()) + " begins " + describe(s->message));
  }
  if (busy) {
    events_.after(10us, [this, s] { end_stream(s, false); });
    return;
  }
  streams_.push_back(s);
  events_.after(endpoints_[from]->ahead() + 500us, [this, s] { step_stream(s); });
}

void SimNetwork::end_stream(const std::shared_ptr<Stream>& s, bool delivered) {
  if (s->over) return;
  s->over = true;
  s->sink.reset();
  s->source.reset();
  std::erase(streams_, s);
  Endpoint* sender = alive(s->from);
  if (sender != nullptr && sender->life() == s->from_life) sender->snapshot_sent(s->to, delivered);
}

void SimNetwork::step_stream(const std::shared_ptr<Stream>& s) {
  if (s->over) return;
  Endpoint* sender = alive(s->from);
  if (sender == nullptr || sender->life() != s->from_life) return end_stream(s, false);
  Endpoint* receiver = alive(s->to);
  if (receiver == nullptr || !reachable(s->from, s->to) || !reachable(s->to, s->from)) {
    if (events_.now() - s->last_progress > kStreamTimeout) return end_stream(s, false);
    events_.after(50ms, [this, s] { step_stream(s); });
    return;
  }
  if (s->sink == nullptr || s->to_life != receiver->life()) {
    s->sink.reset();
    auto sink = receiver->receive_snapshot(s->message);
    if (!sink) return end_stream(s, false);
    s->sink = std::move(*sink);
    s->to_life = receiver->life();
  }
  s->last_progress = events_.now();
  // A stream breaks off now and then; the sender tries again, and goes on where it stopped.
  if (faults_.loss > 0 && rng_.unit() < faults_.loss) {
    ++counters_[Count::kLost];
    return end_stream(s, false);
  }
  auto piece = s->source->read(s->sink->received(), kPieceBytes);
  if (!piece) return end_stream(s, false);
  if (!piece->empty()) {
    if (!s->sink->write(*piece)) return end_stream(s, false);
    events_.after(200us + Duration(rng_.below(800'000)), [this, s] { step_stream(s); });
    return;
  }
  if (!s->sink->finish()) return end_stream(s, false);
  s->sink.reset();
  receiver->deliver(s->message);
  end_stream(s, true);
}

void SimNetwork::died(NodeId id) {
  for (auto& s : std::vector(streams_)) {
    if (s->to == id) s->sink.reset();
    if (s->from == id) end_stream(s, false);
  }
}

void SimTransport::send(std::vector<raft::Message> messages) {
  for (auto& m : messages) {
    if (admit && !admit(m)) continue;
    network_.send(self_, std::move(m));
  }
}

std::optional<MonoTime> SimTransport::active_since(NodeId id) const {
  if (network_.reachable(self_, id) && network_.reachable(id, self_)) return MonoTime{};
  return std::nullopt;
}

}  // namespace keelson::sim
