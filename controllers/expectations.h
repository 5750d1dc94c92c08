// Expectations: what a replica controller has asked for and not yet seen in its cache.
//
// A controller that creates pods sees them only when the watch tells it. Until then its cache is old, and
// acting on it would create too many. So: before acting it notes how many creations (or which deletions) it
// expects, the informer's handlers tick them off, and sync does not act while some are open. Lost ones end
// after five minutes. Thread rule: thread-safe.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "base/clock.h"

namespace keelson::controllers {

class Expectations {
 public:
  static constexpr Duration kTimeout = std::chrono::minutes(5);
  explicit Expectations(Clock& clock) : clock_(clock) {}

  // Replaces what was expected for `key`.
  void expect_creations(const std::string& key, int n);
  // `pods` are "namespace/name" of the pods whose deletion was asked for.
  void expect_deletions(const std::string& key, std::set<std::string> pods);
  void creation_observed(const std::string& key, int n = 1);
  void deletion_observed(const std::string& key, const std::string& pod);
  // True when nothing is open for `key`, or what is open is older than kTimeout.
  bool satisfied(const std::string& key) const;
  void forget(const std::string& key);

 private:
  struct Open {
    int creations = 0;
    std::set<std::string> deletions;
    MonoTime since{};
  };
  Clock& clock_;
  mutable std::mutex mu_;
  std::unordered_map<std::string, Open> open_;
};

}  // namespace keelson::controllers
