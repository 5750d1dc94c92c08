#include "raft/core/node.h"

#include <algorithm>

#include "base/check.h"
#include "raft/core/node_impl.h"

namespace keelson::raft {

Node::Impl::Impl(NodeConfig c, Restored r, Rng& random)
    : config(c),
      rng(random),
      log(r.snapshot_index, r.snapshot_term, std::move(r.entries), std::max(r.hard_state.commit, r.applied),
          r.applied),
      membership(std::move(r.membership)),
      term(r.hard_state.term),
      vote(r.hard_state.vote),
      applied(r.applied),
      forward_number(random.next() << 32),
      read_forwards(random.next()),
      given(r.hard_state) {
  CHECK(config.id != NodeId());
  CHECK(config.heartbeat_ticks > 0 && config.election_ticks > config.heartbeat_ticks);
  CHECK(config.max_inflight > 0);
  CHECK(log.last_term() <= term);
  if (config.read_mode == ReadMode::kLease && term != Term()) {
    silent_until = static_cast<std::uint64_t>(config.election_ticks) + 1;
  }
  reset();
}

NodeStatus Node::Impl::status() const {
  NodeStatus s;
  s.id = config.id;
  s.role = role;
  s.leader = leader;
  s.transferee = transferee;
  s.hard_state = {term, vote, log.commit()};
  s.applied = applied;
  s.last_index = log.last();
  s.membership = membership;
  s.progress.assign(followers.begin(), followers.end());
  return s;
}

Node::Node(NodeConfig config, Restored restored, Rng& rng)
    : impl_(std::make_unique<Impl>(config, std::move(restored), rng)) {}
Node::~Node() = default;

void Node::tick() {
  impl_->tick();
}
void Node::step(Message message) {
  impl_->step(std::move(message));
}
Result<void> Node::propose(Bytes data) {
  return impl_->propose(std::move(data));
}
Result<void> Node::propose_conf_change(const ConfChange& change) {
  return impl_->propose_conf_change(change);
}
Result<void> Node::read_index(std::uint64_t context) {
  return impl_->read_index(context);
}
Result<void> Node::transfer_leadership(NodeId to) {
  return impl_->transfer_leadership(to);
}
void Node::campaign() {
  impl_->campaign();
}
bool Node::has_ready() const {
  return impl_->has_ready();
}
Ready Node::take_ready() {
  return impl_->take_ready();
}
void Node::persisted(std::uint64_t number) {
  impl_->persisted(number);
}
void Node::applied(Index index) {
  impl_->applied_to(index);
}
Membership Node::apply_conf_change(const Entry& entry) {
  return impl_->apply_conf_change(entry);
}
void Node::compact(Index index) {
  CHECK(index <= impl_->applied);
  impl_->log.compact(index);
}
void Node::report_unreachable(NodeId id) {
  impl_->report_unreachable(id);
}
void Node::report_snapshot(NodeId id, bool delivered) {
  impl_->report_snapshot(id, delivered);
}

NodeStatus Node::status() const {
  return impl_->status();
}
NodeId Node::id() const {
  return impl_->config.id;
}
Role Node::role() const {
  return impl_->role;
}
NodeId Node::leader() const {
  return impl_->leader;
}
Term Node::term() const {
  return impl_->term;
}
Index Node::commit() const {
  return impl_->log.commit();
}
Index Node::last_index() const {
  return impl_->log.last();
}
Index Node::first_index() const {
  return impl_->log.first();
}
Term Node::term_at(Index index) const {
  return impl_->log.term_at(index);
}
std::vector<Entry> Node::committed_entries(Index from, std::size_t max_bytes) const {
  const Log& log = impl_->log;
  if (from < log.first() || from > log.commit()) return {};
  auto out = log.slice(from, max_bytes);
  while (!out.empty() && out.back().index > log.commit()) out.pop_back();
  return out;
}
const Membership& Node::membership() const {
  return impl_->membership;
}

}  // namespace keelson::raft
