// HashRing: the always-on proof of agreement (DESIGN.md §4). Members tell one another the hash of their state
// at the same applied indexes; here they are compared.
//
//   own: note(index, hash)      others: report(member, index, hash)      verdict(voters)
//
// A member that differs from a quorum with one hash at some index is the wrong one: it fences itself. Where
// no hash has, or can still get, a quorum, nobody knows who is right: the cluster is corrupt.
//
// Thread rule: one thread. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "raft/core/membership.h"
#include "raft/core/types.h"

namespace keelson::kvstore {

struct IndexHash {
  raft::Index index;
  std::uint64_t hash = 0;
  bool operator==(const IndexHash&) const = default;
};

class HashRing {
 public:
  enum class Verdict : std::uint8_t {
    kAgreed,     // nothing known to the contrary
    kWeDiffer,   // a quorum of voters has one hash, ours is another
    kNoQuorum,   // hashes differ so that none has or can get a quorum
    kTheyDiffer  // some differ from us, we are with a quorum
  };
  struct Finding {
    Verdict verdict = Verdict::kAgreed;
    raft::Index index;
    std::vector<raft::NodeId> differing;  // from the quorum; kNoQuorum: from us
  };

  explicit HashRing(raft::NodeId self) : self_(self) {}
  // Ours at `index`. REQUIRES: rising indexes, unless reset() came between.
  void note(raft::Index index, std::uint64_t hash);
  void report(raft::NodeId from, const IndexHash& hash);
  // Hashes of ours newer than `after`, oldest first, at most `max` of the newest.
  std::vector<IndexHash> since(raft::Index after, std::size_t max) const;
  // Looks at all indexes that we and somebody else know. Once a quorum had our hash, an older index is no
  // matter of a quorum any more: who differed there may have got a snapshot since, who agreed may have left.
  Finding verdict(const raft::Membership& membership);
  // Forgets everything: our state was replaced by a snapshot.
  void reset();

 private:
  static constexpr std::size_t kIndexesMax = 256;
  void trim();
  raft::NodeId self_;
  raft::Index settled_;  // the newest at which a quorum had our hash
  std::map<raft::Index, std::map<raft::NodeId, std::uint64_t>> hashes_;
};

}  // namespace keelson::kvstore
