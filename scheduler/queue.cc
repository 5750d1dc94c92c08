#include "scheduler/queue.h"

#include <algorithm>
#include <vector>

namespace keelson::scheduler {

void SchedulingQueue::activate(PodInfoPtr pod) {
  const std::string uid(pod->object->uid());
  const Order order{pod->priority, arrivals_++};
  active_by_uid_[uid] = order;
  active_.emplace(order, std::move(pod));
}

Duration SchedulingQueue::backoff(const std::string& uid) const {
  const auto it = attempts_.find(uid);
  Duration d = o_.first_backoff;
  for (int i = 1; it != attempts_.end() && i < it->second && d < o_.max_backoff; ++i) d *= 2;
  return std::min(d, o_.max_backoff);
}

void SchedulingQueue::add(PodInfoPtr pod, MonoTime) {
  const std::string uid(pod->object->uid());
  if (const auto it = active_by_uid_.find(uid); it != active_by_uid_.end()) {
    active_[it->second] = std::move(pod);
    return;
  }
  waiting_.erase(uid);
  activate(std::move(pod));
}

void SchedulingQueue::remove(const std::string& uid) {
  if (const auto it = active_by_uid_.find(uid); it != active_by_uid_.end()) {
    active_.erase(it->second);
    active_by_uid_.erase(it);
  }
  waiting_.erase(uid);
  attempts_.erase(uid);
}

std::optional<PodInfoPtr> SchedulingQueue::pop(MonoTime now) {
  std::vector<PodInfoPtr> due;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->second.due > now) {
      ++it;
      continue;
    }
    due.push_back(std::move(it->second.pod));
    it = waiting_.erase(it);
  }
  std::ranges::sort(due, {}, [](const PodInfoPtr& p) { return p->key(); });
  for (auto& p : due) activate(std::move(p));
  if (active_.empty()) return std::nullopt;
  PodInfoPtr pod = std::move(active_.begin()->second);
  active_.erase(active_.begin());
  const std::string uid(pod->object->uid());
  active_by_uid_.erase(uid);
  ++attempts_[uid];
  return pod;
}

void SchedulingQueue::unschedulable(PodInfoPtr pod, std::uint64_t cycle, MonoTime now) {
  const std::string uid(pod->object->uid());
  const Duration wait = cycle == cycle_ ? o_.max_unschedulable : backoff(uid);
  waiting_[uid] = {std::move(pod), now + wait};
}

void SchedulingQueue::retry(PodInfoPtr pod, MonoTime now) {
  const std::string uid(pod->object->uid());
  waiting_[uid] = {std::move(pod), now + backoff(uid)};
}

void SchedulingQueue::move_all(MonoTime now) {
  ++cycle_;
  for (auto& [uid, entry] : waiting_) {
    // The back-off counts from the attempt, which was max_unschedulable before the due time at the earliest.
    const MonoTime since_attempt = entry.due - o_.max_unschedulable + backoff(uid);
    entry.due = std::min(entry.due, std::max(now, since_attempt));
  }
}

std::optional<MonoTime> SchedulingQueue::next_due() const {
  if (waiting_.empty()) return std::nullopt;
  return std::ranges::min_element(waiting_, {}, [](const auto& w) { return w.second.due; })->second.due;
}

}  // namespace keelson::scheduler
