#include "kvstore/mvcc/watch_hub.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::kvstore {

WatchHub::Id WatchHub::add(const WatchRequest& request, Revision from, Sink* sink) {
  auto w = std::make_unique<Watcher>();
  w->key = request.key;
  w->end = request.end;
  w->from = from;
  w->prev_kv = request.prev_kv;
  w->no_put = request.no_put;
  w->no_delete = request.no_delete;
  w->notify = request.progress_notify;
  w->sink = sink;
  std::lock_guard lock(mu_);
  w->id = next_id_++;
  const KeyRange range{w->key, w->end};
  if (range.single()) {
    exact_[w->key].push_back(w.get());
  } else {
    ranges_.add(w->id, w->key, range.unbounded() ? "" : w->end, w.get());
  }
  const Id id = w->id;
  all_.emplace(id, std::move(w));
  return id;
}

void WatchHub::remove(Id id) {
  std::lock_guard lock(mu_);
  auto it = all_.find(id);
  CHECK(it != all_.end());
  Watcher* w = it->second.get();
  if (w->end.empty()) {
    auto at = exact_.find(w->key);
    std::erase(at->second, w);
    if (at->second.empty()) exact_.erase(at);
  } else {
    ranges_.remove(id, w->key);
  }
  all_.erase(it);
}

void WatchHub::set_from(Id id, Revision from) {
  std::lock_guard lock(mu_);
  all_.at(id)->from = from;
}

void WatchHub::offer(Watcher* w, const std::vector<Change>& changes, std::size_t at) {
  const Item& now = *changes[at].now;
  if (now.rev().main < w->from) return;
  if (now.tombstone() ? w->no_delete : w->no_put) return;
  if (w->wanted.empty()) touched_.push_back(w);
  w->wanted.push_back(static_cast<std::uint32_t>(at));
}

std::shared_ptr<EventList> WatchHub::events_for(const Watcher& w, const std::vector<Change>& changes) {
  if (last_.events && last_.prev_kv == w.prev_kv && last_.wanted == w.wanted) return last_.events;
  std::vector<Event> events;
  events.reserve(w.wanted.size());
  for (const std::uint32_t at : w.wanted) {
    const Change& change = changes[at];
    Event& e = events.emplace_back();
    if (change.now->tombstone()) e.type = Event::Type::kDelete;
    e.kv = Item::to_key_value(change.now);
    if (w.prev_kv && change.prev && !change.prev->tombstone()) e.prev_kv = Item::to_key_value(change.prev);
  }
  last_.wanted = w.wanted;
  last_.prev_kv = w.prev_kv;
  last_.events = std::make_shared<EventList>(std::move(events));
  return last_.events;
}

void WatchHub::dispatch(const std::vector<Change>& changes, Revision revision) {
  std::lock_guard lock(mu_);
  for (std::size_t at = 0; !all_.empty() && at < changes.size(); ++at) {
    const std::string_view key = changes[at].now->key();
    if (auto it = exact_.find(key); it != exact_.end()) {
      for (Watcher* w : it->second) offer(w, changes, at);
    }
    ranges_.stab(key, [&](void* w) { offer(static_cast<Watcher*>(w), changes, at); });
  }
  dispatched_ = revision;
  for (Watcher* w : touched_) {
    w->sink->deliver({revision, events_for(*w, changes)});
    w->wanted.clear();
  }
  touched_.clear();
  last_.events.reset();
}

void WatchHub::notify(const Watcher& w) const {
  w.sink->deliver({std::max(dispatched_, w.from - 1), nullptr});
}

void WatchHub::progress() {
  std::lock_guard lock(mu_);
  for (auto& [id, w] : all_) {
    if (w->notify) notify(*w);
  }
}

void WatchHub::progress(Id id) {
  std::lock_guard lock(mu_);
  notify(*all_.at(id));
}

void WatchHub::resync(Revision revision, bool tell) {
  std::lock_guard lock(mu_);
  dispatched_ = revision;
  for (auto& [id, w] : all_) {
    if (tell) w->sink->resync();
  }
}

void WatchHub::cancel_all(const Error& why) {
  std::lock_guard lock(mu_);
  for (auto& [id, w] : all_) w->sink->cancel(why);
}

Revision WatchHub::dispatched() const {
  std::lock_guard lock(mu_);
  return dispatched_;
}

std::size_t WatchHub::watchers() const {
  std::lock_guard lock(mu_);
  return all_.size();
}

}  // namespace keelson::kvstore
