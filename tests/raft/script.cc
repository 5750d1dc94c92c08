#include "tests/raft/script.h"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::raft {
namespace {

const char* role_name(Role r) {
  static constexpr const char* kNames[] = {"follower", "pre-candidate", "candidate", "leader"};
  return kNames[static_cast<int>(r)];
}

std::string type_name(MessageType t) {
  static constexpr const char* kNames[] = {
      "?",           "PreVote",        "PreVoteReply",   "Vote",     "VoteReply",  "Append",
      "AppendReply", "Heartbeat",      "HeartbeatReply", "Snapshot", "TimeoutNow", "Propose",
      "ReadIndex",   "ReadIndexReply", "TransferLeader", "Commit"};
  return kNames[static_cast<int>(t)];
}

std::string ids(const std::vector<NodeId>& set) {
  std::string s;
  for (const NodeId id : set) s += (s.empty() ? "" : " ") + std::to_string(id.value());
  return s;
}

std::string membership_text(const Membership& m) {
  std::string s = "(" + ids(m.voters) + ")";
  if (m.joint()) s += "&&(" + ids(m.voters_old) + ")";
  if (!m.learners.empty()) s += " learners (" + ids(m.learners) + ")";
  if (!m.learners_next.empty()) s += " learners next (" + ids(m.learners_next) + ")";
  return s;
}

std::string describe(const Message& m) {
  std::string s =
      fmt::format("{}->{} {} term {}", m.from.value(), m.to.value(), type_name(m.type), m.term.value());
  switch (m.type) {
    case MessageType::kVote:
    case MessageType::kPreVote:
      s += fmt::format(" last {}/{}", m.prev_index.value(), m.prev_term.value());
      break;
    case MessageType::kAppend:
      s += fmt::format(" prev {}/{} commit {} entries [", m.prev_index.value(), m.prev_term.value(),
                       m.commit.value());
      for (const auto& e : m.entries)
        s += fmt::format("{}{}/{}", &e == &m.entries[0] ? "" : " ", e.index.value(), e.term.value());
      s += "]";
      break;
    case MessageType::kAppendReply:
      s += m.reject ? fmt::format(" refused {}, hint {}/{}", m.index.value(), m.hint_index.value(),
                                  m.hint_term.value())
                    : fmt::format(" match {}", m.index.value());
      break;
    case MessageType::kVoteReply:
    case MessageType::kPreVoteReply:
      s += m.reject ? " refused" : " granted";
      break;
    case MessageType::kHeartbeat:
    case MessageType::kCommit:
      s += fmt::format(" commit {}", m.commit.value());
      break;
    case MessageType::kSnapshot:
      s += fmt::format(" of {}/{} {}", m.snapshot->index.value(), m.snapshot->term.value(),
                       membership_text(m.snapshot->membership));
      break;
    default:
      break;
  }
  return s;
}

}  // namespace

void Script::start(NodeId id) {
  Member& m = members_[id];
  Restored r{m.hard_state, m.membership, m.snapshot_index, m.snapshot_term, m.entries, m.snapshot_index};
  m.writing.clear();
  m.node = std::make_unique<Node>(NodeConfig{.id = id, .read_mode = mode_}, std::move(r), rng_);
}

void Script::make(std::istringstream& in) {
  Membership m;
  auto* set = &m.voters;
  for (std::string word; in >> word;) {
    if (word == "learners") {
      set = &m.learners;
    } else {
      set->push_back(NodeId(std::stoull(word)));
    }
  }
  for (const auto* all : {&m.voters, &m.learners}) {
    for (const NodeId id : *all) {
      members_[id].membership = m;
      start(id);
    }
  }
}

void Script::set_log(std::istringstream& in) {
  std::uint64_t id = 0;
  std::string word;
  in >> id >> word;
  Member& m = at(id);
  m.entries.clear();
  while (in >> word && word != "commit") {
    m.entries.push_back(
        {Term(std::stoull(word)), Index(m.entries.size() + 1), Bytes::literal("x"), EntryType::kNormal});
  }
  std::uint64_t commit = 0;
  in >> commit;
  m.hard_state = {m.entries.empty() ? Term() : m.entries.back().term, NodeId(), Index(commit)};
  start(NodeId(id));
}

void Script::change(std::istringstream& in) {
  std::uint64_t id = 0;
  in >> id;
  ConfChange c;
  for (std::string word; in >> word;) {
    const auto op = word[0] == '+'   ? ConfChange::Op::kAddVoter
                    : word[0] == '-' ? ConfChange::Op::kRemove
                    : word[0] == 'l' ? ConfChange::Op::kAddLearner
                                     : ConfChange::Op::kPromote;
    c.steps.push_back({op, NodeId(std::stoull(word.substr(1)))});
  }
  report(at(id).node->propose_conf_change(c));
}

void Script::report(const Result<void>& result) {
  if (!result) *out_ += result.error().message + "\n";
}

void Script::run(const std::string& line, std::string& out) {
  out_ = &out;
  std::istringstream in(line);
  std::string command;
  in >> command;
  if (command == "nodes") return make(in);
  if (command == "log") return set_log(in);
  if (command == "change") return change(in);
  if (command == "stabilize") return stabilize();
  if (command == "status") return print_status();
  if (command == "logs") return print_logs();
  if (command == "heal") return cut_.clear();
  std::uint64_t id = 0;
  std::uint64_t n = 0;
  in >> id;
  if (command == "joining") return start(NodeId(id));
  Member& m = at(id);
  if (command == "propose") {
    std::string data;
    in >> data;
    return report(m.node->propose(Bytes(data)));
  }
  in >> n;
  if (command == "campaign") {
    m.node->campaign();
  } else if (command == "term") {
    m.hard_state.term = Term(n);
    m.hard_state.vote = NodeId();
    start(NodeId(id));
  } else if (command == "restart") {
    start(NodeId(id));
  } else if (command == "read") {
    report(m.node->read_index(n));
  } else if (command == "transfer") {
    report(m.node->transfer_leadership(NodeId(n)));
  } else if (command == "unreachable") {
    m.node->report_unreachable(NodeId(n));
  } else if (command == "tick") {
    for (; n > 0; --n) m.node->tick();
  } else if (command == "compact") {
    m.node->compact(Index(n));
  } else if (command == "hold" || command == "release") {
    m.held = command == "hold";
  } else if (command == "cut") {
    for (const auto& [other, unused] : members_) {
      if (n != 0 && other != NodeId(n)) continue;
      cut_.insert({NodeId(id), other});
      cut_.insert({other, NodeId(id)});
    }
  } else if (command == "deliver") {
    for (const auto& [other, unused] : members_) work(other);
    deliver(NodeId(id), true);
  } else if (command == "lose") {
    for (const auto& [other, unused] : members_) work(other);
    std::erase_if(network_, [&](const Message& msg) { return msg.to == NodeId(id); });
  } else {
    out += "unknown command: " + line + "\n";
  }
}

void Script::send(std::vector<Message>& messages) {
  for (auto& msg : messages) network_.push_back(std::move(msg));
  messages.clear();
}

void Script::write(Member& m, const Ready& r) {
  if (r.snapshot) {
    m.snapshot_index = r.snapshot->index;
    m.snapshot_term = r.snapshot->term;
    m.membership = r.snapshot->membership;
    m.entries.clear();
  }
  for (const auto& e : r.entries) {
    m.entries.resize(e.index.value() - m.snapshot_index.value() - 1);
    m.entries.push_back(e);
  }
  if (r.hard_state) m.hard_state = *r.hard_state;
}

// Everything a member can do without a message. False: nothing.
bool Script::work(NodeId id) {
  Member& m = members_.at(id);
  bool did = false;
  for (;; did = true) {
    if (m.node->has_ready()) {
      Ready r = m.node->take_ready();
      if (r.role)
        *out_ += fmt::format("{} is {} of term {}\n", id.value(), role_name(*r.role), m.node->term().value());
      send(r.messages);
      for (const auto& s : r.reads) {
        *out_ += s.aborted
                     ? fmt::format("{} gives up read {}\n", id.value(), s.context)
                     : fmt::format("{} may answer read {} at {}\n", id.value(), s.context, s.index.value());
      }
      if (r.snapshot) {
        *out_ += fmt::format("{} installs the snapshot of {}/{}\n", id.value(), r.snapshot->index.value(),
                             r.snapshot->term.value());
      }
      for (const auto& e : r.committed) {
        *out_ += fmt::format("{} applies {}/{}", id.value(), e.index.value(), e.term.value());
        if (e.type == EntryType::kConfChange) {
          *out_ += " " + membership_text(m.node->apply_conf_change(e));
        } else if (!e.data.empty()) {
          *out_ += " " + std::string(e.data.view());
        }
        *out_ += "\n";
        m.node->applied(e.index);
      }
      m.writing.push_back(std::move(r));
    } else if (!m.held && !m.writing.empty()) {
      write(m, m.writing.front());
      m.node->persisted(m.writing.front().number);
      send(m.writing.front().messages_after_persist);
      m.writing.pop_front();
    } else {
      return did;
    }
  }
}

void Script::deliver(NodeId to, bool print) {
  for (std::size_t n = network_.size(); n > 0; --n) {
    Message msg = std::move(network_.front());
    network_.pop_front();
    if (msg.to != to) {
      network_.push_back(std::move(msg));
      continue;
    }
    const bool lost = cut_.contains({msg.from, to}) || !members_.contains(to);
    if (print && !lost) *out_ += describe(msg) + "\n";
    if (msg.type == MessageType::kSnapshot) members_.at(msg.from).node->report_snapshot(to, !lost);
    if (!lost) members_.at(to).node->step(std::move(msg));
  }
}

void Script::stabilize() {
  for (bool busy = true; busy;) {
    busy = false;
    for (const auto& [id, m] : members_) busy = work(id) || busy;
    busy = busy || !network_.empty();
    for (const auto& [id, m] : members_) deliver(id, false);
    std::erase_if(network_, [this](const Message& msg) { return !members_.contains(msg.to); });
  }
}

void Script::print_status() {
  for (const auto& [id, m] : members_) {
    const auto s = m.node->status();
    *out_ += fmt::format("{}: {} of term {}, leader {}, commit {}, last {}, {}\n", id.value(),
                         role_name(s.role), s.hard_state.term.value(), s.leader.value(),
                         s.hard_state.commit.value(), s.last_index.value(), membership_text(s.membership));
  }
}

void Script::print_logs() {
  for (const auto& [id, m] : members_) {
    *out_ += std::to_string(id.value()) + ":";
    if (m.node->first_index() != Index(1)) *out_ += fmt::format(" [..{}]", m.node->first_index().value() - 1);
    for (Index i = m.node->first_index(); i <= m.node->last_index(); i = i.next()) {
      *out_ += fmt::format(" {}", m.node->term_at(i).value());
    }
    *out_ += "\n";
  }
}

}  // namespace keelson::raft
