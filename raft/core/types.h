// The nouns of consensus, named as in the Raft paper. Pure values.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/strong.h"

namespace keelson::raft {

using Term = Strong<struct TermTag>;
using Index = Strong<struct IndexTag>;  // of the log; the first entry is 1
using NodeId = Strong<struct NodeIdTag>;

struct Entry {
  Term term;
  Index index;
  Bytes data;
};

// What must survive a crash besides the entries.
struct HardState {
  Term term;
  NodeId vote;  // 0: none in this term
  Index commit;
  bool operator==(const HardState&) const = default;
};

}  // namespace keelson::raft
