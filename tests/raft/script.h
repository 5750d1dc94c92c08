// Script: a group of nodes driven by lines of text, for scenarios that are told step by step (tests/testdata/
// raft/*.txt). A block of commands, `----`, what they print, an empty line. Lines that begin with # are
// comments.
//
//   nodes 1 2 3 [learners 4 5]     makes members, each with all of them as membership
//   joining 4                      makes a member that knows nothing
//   log 2 terms 1 1 4 commit 2     gives a member this log and restarts it; its term is that of the last
//   entry term 2 7                       raises the term it has on disk and restarts it restart 2 as its disk
//   has it: what was not persisted is lost campaign 1 · propose 1 x · read 1 7 · transfer 1 2 · change 1 +4
//   -3 l5 p4 · tick 1 10 · compact 1 4 hold 1 / release 1             the member's disk stands still / goes
//   on cut 1 2 / heal                 no message between these two (`cut 1`: with anybody) / all do again
//   unreachable 1 2                member 1's connection to member 2 broke
//   deliver 2                      what is under way to it, printed
//   lose 2                         what is under way to it is lost
//   stabilize                      until nothing is left to do
//   status · logs                  roles, terms, commit, membership; terms of the entries
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/rng.h"
#include "raft/core/node.h"

namespace keelson::raft {

class Script {
 public:
  explicit Script(ReadMode mode = ReadMode::kQuorum) : mode_(mode) {}
  // Runs one command; what it prints is appended to `out`.
  void run(const std::string& line, std::string& out);

 private:
  struct Member {
    HardState hard_state;
    Membership membership;
    Index snapshot_index;
    Term snapshot_term;
    std::vector<Entry> entries;
    std::unique_ptr<Node> node;
    std::deque<Ready> writing;
    bool held = false;
  };

  Member& at(std::uint64_t id) { return members_.at(NodeId(id)); }
  void start(NodeId id);
  void make(std::istringstream& in);
  void set_log(std::istringstream& in);
  void change(std::istringstream& in);
  void report(const Result<void>& result);
  void deliver(NodeId to, bool print);
  void stabilize();
  bool work(NodeId id);
  void write(Member& m, const Ready& r);
  void send(std::vector<Message>& messages);
  void print_status();
  void print_logs();

  const ReadMode mode_;
  Rng rng_{1};
  std::map<NodeId, Member> members_;
  std::deque<Message> network_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::string* out_ = nullptr;
};

}  // namespace keelson::raft
