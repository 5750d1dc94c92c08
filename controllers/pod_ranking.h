// Which pods of a ReplicaSet or ReplicationController go first when there are too many. A pure order over
// plain facts.
//
// In order: without a node before placed ones; Pending before Unknown before Running; not ready before ready;
// the lower controller.kubernetes.io/pod-deletion-cost; more siblings on the same node; ready for less time
// (compared by powers of ten, so that not always the youngest goes); more restarts; younger.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace keelson::controllers {

struct PodRank {
  std::size_t index = 0;  // of the pod in the caller's list
  bool assigned = false;
  int phase = 0;  // 0 Pending, 1 Unknown, 2 Running
  bool ready = false;
  std::int64_t deletion_cost = 0;
  std::int64_t siblings_on_node = 0;
  std::int64_t ready_since_unix = 0;  // 0: unknown
  std::int64_t restarts = 0;
  std::int64_t created_unix = 0;
  std::string uid;
};

// True when `a` is to be deleted before `b`. A strict weak order for a fixed `now_unix`.
bool goes_first(const PodRank& a, const PodRank& b, std::int64_t now_unix);

// The indexes of the first `n` to go. REQUIRES: n <= pods.size().
std::vector<std::size_t> pick_for_deletion(std::vector<PodRank> pods, std::size_t n, std::int64_t now_unix);

}  // namespace keelson::controllers
