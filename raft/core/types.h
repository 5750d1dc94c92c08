// The nouns of consensus, named as in the Raft paper. Pure values.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/strong.h"

namespace keelson::raft {

using Term = Strong<struct TermTag>;
using Index = Strong<struct IndexTag>;  // of the log; the first entry is 1
using NodeId = Strong<struct NodeIdTag>;

enum class EntryType : std::uint8_t {
  kNormal = 0,      // a command of the state machine; empty: the entry of a new leader
  kConfChange = 1,  // data: an encoded ConfChange (raft/core/membership.h)
};

struct Entry {
  Term term;
  Index index;
  Bytes data;
  EntryType type = EntryType::kNormal;
};

// What must survive a crash besides the entries.
struct HardState {
  Term term;
  NodeId vote;  // 0: none in this term
  Index commit;
  bool operator==(const HardState&) const = default;
};

}  // namespace keelson::raft
