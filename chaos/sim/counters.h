// Counters: what happened in a run, to show that a clean run was not an idle one. Thread rule: one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace keelson::sim {

enum class Count : std::uint8_t {
  // Work.
  kOpsInvoked,
  kOpsOk,
  kOpsFailed,
  kOpsUnknown,
  kOpsNoSpace,  // of those that failed
  kReadsOk,
  kWritesOk,
  kLeaseExpiries,
  kCompactions,
  kWatches,
  kWatchEvents,
  kWatchBookmarks,
  kWatchCompacted,
  kMessages,
  kLeaderChanges,
  kLeaderTransfers,
  kSnapshotInstalls,
  kMembershipChanges,
  kJointChanges,
  kRestarts,
  // Faults.
  kLost,
  kDuplicated,
  kReordered,
  kDelayed,
  kPartitions,
  kOneWayPartitions,
  kAsymmetricPartitions,
  kSwizzledClogs,
  kCrashes,
  kPowerCuts,
  kTornWrites,
  kMisdirectedWrites,
  kBitRot,
  kTruncations,
  kSyncErrors,
  kFullDisks,
  kSlowDisks,
  kPauses,
  kClockJumps,
  kClockSkews,
  kWipes,
  kDivergences,
  // What became of damage.
  kRefusedToOpen,
  kLogsRepaired,
  kCount,
};
inline constexpr std::size_t kCounts = static_cast<std::size_t>(Count::kCount);
inline constexpr Count kFirstFault = Count::kLost;
inline constexpr Count kLastFault = Count::kDivergences;

std::string_view count_name(Count c);
// What 2,000 seeds must at least have seen of it; 0: nothing is asked.
std::uint64_t count_least(Count c);

class Counters {
 public:
  std::uint64_t& operator[](Count c) { return values_[static_cast<std::size_t>(c)]; }
  std::uint64_t operator[](Count c) const { return values_[static_cast<std::size_t>(c)]; }
  void add(const Counters& o) {
    for (std::size_t i = 0; i < kCounts; ++i) values_[i] += o.values_[i];
  }

 private:
  std::array<std::uint64_t, kCounts> values_{};
};

}  // namespace keelson::sim
