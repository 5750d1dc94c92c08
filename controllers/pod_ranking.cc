#include "controllers/pod_ranking.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::controllers {

namespace {

// Ages in seconds fall into buckets 0, 1–9, 10–99, …; 0 when unknown comes as the youngest.
int age_bucket(std::int64_t since_unix, std::int64_t now_unix) {
  if (since_unix == 0) return -1;
  std::int64_t age = std::max<std::int64_t>(0, now_unix - since_unix);
  int bucket = 0;
  while (age > 0) {
    ++bucket;
    age /= 10;
  }
  return bucket;
}

}  // namespace

bool goes_first(const PodRank& a, const PodRank& b, std::int64_t now_unix) {
  if (a.assigned != b.assigned) return !a.assigned;
  if (a.phase != b.phase) return a.phase < b.phase;
  if (a.ready != b.ready) return !a.ready;
  if (a.deletion_cost != b.deletion_cost) return a.deletion_cost < b.deletion_cost;
  if (a.siblings_on_node != b.siblings_on_node) return a.siblings_on_node > b.siblings_on_node;
  if (a.ready) {
    const int ra = age_bucket(a.ready_since_unix, now_unix), rb = age_bucket(b.ready_since_unix, now_unix);
    if (ra != rb) return ra < rb;
  }
  if (a.restarts != b.restarts) return a.restarts > b.restarts;
  const int ca = age_bucket(a.created_unix, now_unix), cb = age_bucket(b.created_unix, now_unix);
  if (ca != cb) return ca < cb;
  return a.uid < b.uid;
}

std::vector<std::size_t> pick_for_deletion(std::vector<PodRank> pods, std::size_t n, std::int64_t now_unix) {
  CHECK(n <= pods.size());
  std::sort(pods.begin(), pods.end(),
            [&](const PodRank& a, const PodRank& b) { return goes_first(a, b, now_unix); });
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(pods[i].index);
  return out;
}

}  // namespace keelson::controllers
