// Backoff: per-key delays that double, as upstream's flowcontrol.Backoff: first `initial`, at most `max`,
// forgotten when the key was quiet for `reset_after`. For CrashLoopBackOff (10 s … 5 min, 10 min) and
// ImagePullBackOff. Pure; thread rule: not thread-safe.
#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "base/clock.h"

namespace keelson::kubelet {

class Backoff {
 public:
  Backoff(Duration initial, Duration max, Duration reset_after)
      : initial_(initial), max_(max), reset_after_(reset_after) {}

  // Notes the failure that happened at `event`: the delay is doubled, or `initial` the first time and after a
  // quiet time.
  void next(const std::string& key, MonoTime event, MonoTime now) {
    auto [it, fresh] = entries_.try_emplace(key, Entry{initial_, now});
    if (fresh) return;
    Entry& e = it->second;
    e.delay = event - e.last > reset_after_ ? initial_ : std::min(e.delay * 2, max_);
    e.last = now;
  }
  // When what failed at `event` may be tried again; not after `event` when it may be at once.
  MonoTime retry_at(const std::string& key, MonoTime event) const {
    auto it = entries_.find(key);
    if (it == entries_.end() || event - it->second.last > reset_after_) return event;
    return event + it->second.delay;
  }
  Duration delay(const std::string& key) const {
    auto it = entries_.find(key);
    return it == entries_.end() ? Duration(0) : it->second.delay;
  }
  void forget(const std::string& key) { entries_.erase(key); }
  // Forgets all keys that begin with `prefix` (a pod's uid).
  void forget_prefix(const std::string& prefix) {
    for (auto it = entries_.lower_bound(prefix); it != entries_.end() && it->first.starts_with(prefix);) {
      it = entries_.erase(it);
    }
  }

 private:
  struct Entry {
    Duration delay;
    MonoTime last;
  };
  const Duration initial_, max_, reset_after_;
  std::map<std::string, Entry> entries_;
};

// "10s", "1m20s", "5m0s": Go's Duration text for whole seconds, as kubelet messages show it.
std::string go_duration(Duration d);

}  // namespace keelson::kubelet
