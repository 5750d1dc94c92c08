// ForwardFilter: lets a forwarded proposal through once, whatever the network repeats or reorders. Senders
// number their messages, the upper half drawn at random at each start; the newest 256 numbers of each start
// are remembered, older ones are taken for repeated. A leader keeps one for its term: proposals of another
// term do not count.
//
// Thread rule: one thread.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <utility>

#include "raft/core/types.h"

namespace keelson::raft {

class ForwardFilter {
 public:
  bool fresh(NodeId from, std::uint64_t number);
  void clear() { windows_.clear(); }

 private:
  static constexpr std::uint32_t kSpan = 256;
  static constexpr std::size_t kStartsMax = 4096;
  struct Window {
    std::uint32_t newest = 0;
    std::bitset<kSpan> seen;  // by number % kSpan, of (newest - kSpan, newest]
  };
  std::map<std::pair<NodeId, std::uint32_t>, Window> windows_;
};

}  // namespace keelson::raft
