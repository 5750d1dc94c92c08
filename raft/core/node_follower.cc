#include <algorithm>
#include <utility>

#include "raft/core/node_impl.h"

namespace keelson::raft {
namespace {

// Whether the entries of an append are what a correct leader sends: without a gap, terms never falling.
bool well_formed(const Message& m) {
  Index index = m.prev_index;
  Term newest = m.prev_term;
  for (const auto& e : m.entries) {
    index = index.next();
    if (e.index != index || e.term < newest) return false;
    newest = e.term;
  }
  return newest <= m.term;
}

}  // namespace

// Paper figure 2, AppendEntries.
void Node::Impl::on_append(Message& m) {
  if (!well_formed(m)) return;
  const Index commit = log.commit();
  const Index last(m.prev_index.value() + m.entries.size());
  Message reply{.type = MessageType::kAppendReply, .to = m.from};
  if (m.prev_index < commit) {
    if (last <= commit) {
      reply.index = reply.commit = commit;
      send(std::move(reply));
      return;
    }
    if (m.entries[commit.value() - m.prev_index.value() - 1].term != log.term_at(commit)) return;
  } else if (!log.matches(m.prev_index, m.prev_term)) {
    const auto [hint, hint_term] = log.newest_not_above(std::min(m.prev_index, log.last()), m.prev_term);
    reply.reject = true;
    reply.index = m.prev_index;
    reply.hint_index = hint;
    reply.hint_term = hint_term;
    send(std::move(reply));
    return;
  }
  if (!log.merge(std::move(m.entries), config.faults.keep_conflicting_suffix)) return;
  log.commit_to(std::min(m.commit, last));
  reply.index = last;
  reply.commit = log.commit();
  send(std::move(reply));
}

void Node::Impl::on_heartbeat(const Message& m) {
  // Beyond our log only where this disk has lost what it once acknowledged.
  if (m.commit <= log.last()) log.commit_to(m.commit);
  if (m.type == MessageType::kHeartbeat) {
    send({.type = MessageType::kHeartbeatReply, .to = m.from, .commit = log.commit(), .context = m.context});
  }
}

// Paper figure 13.
void Node::Impl::on_snapshot(const Message& m) {
  if (!m.snapshot || m.snapshot->term > m.term || m.snapshot->membership.voters.empty()) return;
  const SnapshotMeta& s = *m.snapshot;
  if (s.index.value() >= std::uint64_t{1} << 62) return;
  Message reply{.type = MessageType::kAppendReply, .to = m.from};
  if (s.index > log.commit()) {
    if (log.matches(s.index, s.term)) {
      log.commit_to(s.index);
    } else {
      log.restore(s.index, s.term);
      applied = s.index;
      membership = s.membership;
      snapshot = s;
    }
  }
  reply.index = reply.commit = log.commit();
  send(std::move(reply));
}

// Hands on to the leader what was proposed and asked here since the last Ready.
void Node::Impl::flush_forwards() {
  if (leader == NodeId()) return;
  for (auto it = forwards.begin(); it != forwards.end();) {
    Message m{.type = MessageType::kPropose, .to = leader, .context = forward_number++};
    for (std::size_t bytes = 0; it != forwards.end(); ++it) {
      bytes += it->data.size();
      if (bytes > config.max_append_bytes && !m.entries.empty()) break;
      m.entries.push_back(std::move(*it));
    }
    send(std::move(m));
  }
  forwards.clear();
  forward_bytes = 0;
  if (read_forwards.waiting()) {
    send({.type = MessageType::kReadIndex, .to = leader, .context = read_forwards.send(ticks)});
  }
}

void Node::Impl::return_forwards() {
  for (auto& e : std::exchange(forwards, {})) {
    if (e.type == EntryType::kNormal) returned.push_back({std::move(e.data)});
  }
  forward_bytes = 0;
}

// For the leader that this member was in the message's term: nobody has it.
void Node::Impl::on_forwarded_late(Message& m) {
  if (m.term != forward_term || m.entries.empty() || !forward_filter.fresh(m.from, m.context)) return;
  give_back(m, false);
}

void Node::Impl::on_returned(Message& m) {
  const bool of_this_start = m.context >> 32 == forward_number >> 32;
  if (!of_this_start || !returned_filter.fresh(config.id, m.context)) return;
  for (auto& e : m.entries) {
    if (e.type == EntryType::kNormal) returned.push_back({std::move(e.data), m.force});
  }
  // Who gives back leads no more in its term: it would give back the same again.
  if (m.force || m.from != leader || m.term != term) return;
  leader_gone = true;
  return_forwards();
}

}  // namespace keelson::raft
