#include "chaos/sim/counters.h"

namespace keelson::sim {

std::string_view count_name(Count c) {
  static constexpr std::array<std::string_view, kCounts> kNames = {"operations invoked",
                                                                   "operations acknowledged",
                                                                   "operations failed",
                                                                   "operations unanswered",
                                                                   "operations without space",
                                                                   "reads",
                                                                   "writes",
                                                                   "leases expired",
                                                                   "compactions",
                                                                   "watches",
                                                                   "watch events",
                                                                   "watch bookmarks",
                                                                   "watches met compaction",
                                                                   "messages",
                                                                   "leader changes",
                                                                   "leadership transfers",
                                                                   "snapshot installs",
                                                                   "membership changes",
                                                                   "joint changes",
                                                                   "restarts",
                                                                   "messages lost",
                                                                   "messages duplicated",
                                                                   "messages reordered",
                                                                   "messages delayed",
                                                                   "partitions",
                                                                   "one-way partitions",
                                                                   "asymmetric partitions",
                                                                   "swizzled clogs",
                                                                   "crashes",
                                                                   "power cuts inside a step",
                                                                   "torn writes",
                                                                   "misdirected writes",
                                                                   "bit rot",
                                                                   "logs cut off",
                                                                   "fsync errors",
                                                                   "full disks",
                                                                   "slow disks",
                                                                   "pauses",
                                                                   "wall clock jumps",
                                                                   "clock skews",
                                                                   "disks wiped",
                                                                   "states diverged",
                                                                   "refused to open",
                                                                   "logs repaired"};
  return kNames[static_cast<std::size_t>(c)];
}

std::uint64_t count_least(Count c) {
  if (c == Count::kLeaderChanges) return 10'000;
  if (c == Count::kSnapshotInstalls || c == Count::kMembershipChanges) return 1'000;
  return c >= kFirstFault && c <= kLastFault ? 1'000 : 0;
}

}  // namespace keelson::sim
