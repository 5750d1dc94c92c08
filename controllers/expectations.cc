#include "controllers/expectations.h"

#include <algorithm>

namespace keelson::controllers {

void Expectations::expect_creations(const std::string& key, int n) {
  std::lock_guard lock(mu_);
  open_[key] = Open{n, {}, clock_.now()};
}

void Expectations::expect_deletions(const std::string& key, std::set<std::string> pods) {
  std::lock_guard lock(mu_);
  open_[key] = Open{0, std::move(pods), clock_.now()};
}

void Expectations::creation_observed(const std::string& key, int n) {
  std::lock_guard lock(mu_);
  auto it = open_.find(key);
  if (it != open_.end()) it->second.creations -= n;
}

void Expectations::deletion_observed(const std::string& key, const std::string& pod) {
  std::lock_guard lock(mu_);
  auto it = open_.find(key);
  if (it != open_.end()) it->second.deletions.erase(pod);
}

bool Expectations::satisfied(const std::string& key) const {
  std::lock_guard lock(mu_);
  auto it = open_.find(key);
  if (it == open_.end()) return true;
  if (it->second.creations <= 0 && it->second.deletions.empty()) return true;
  return clock_.now() - it->second.since > kTimeout;
}

void Expectations::forget(const std::string& key) {
  std::lock_guard lock(mu_);
  open_.erase(key);
}

}  // namespace keelson::controllers
