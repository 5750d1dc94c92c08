#include <algorithm>

#include "apiserver/object_meta.h"
#include "apiserver/watch_cache.h"
#include "base/check.h"

namespace keelson::apiserver {

Watcher::Watcher(KindCache& cache, WatchScope scope, std::size_t capacity)
    : cache_(cache), scope_(std::move(scope)), capacity_(capacity) {}

Watcher::~Watcher() { cache_.unregister(*this); }

Watcher::Batch Watcher::take() {
  Batch batch;
  // Read before the queue: whatever is at or below it has been queued already (invariant 1).
  std::int64_t applied = cache_.applied_.load(std::memory_order_acquire);
  std::lock_guard lock(mu_);
  batch.events.swap(queue_);
  batch.ended = ended_ && batch.events.empty();
  if (batch.events.empty()) batch.progress = applied;
  if (!ended_) wake_.reset();
  return batch;
}

Task<> Watcher::wait(Clock& clock, MonoTime deadline) { co_await wake_.wait_until(clock, deadline); }

void Watcher::stop() {
  std::lock_guard lock(mu_);
  ended_ = true;
  wake_.set();
}

void Watcher::push(const CacheEventPtr& event) {
  std::lock_guard lock(mu_);
  if (ended_) return;
  if (queue_.size() >= capacity_) {
    ended_ = true;
  } else {
    queue_.push_back(event);
  }
  wake_.set();
}

KindCache::KindCache(const api::KindInfo& kind, std::string prefix, NodeNameOf node_name,
                     const std::atomic<std::int64_t>& applied, std::size_t window)
    : kind_(kind), prefix_(std::move(prefix)), node_name_(node_name), applied_(applied), window_(window) {}

VersionPtr KindCache::get(std::string_view key) const {
  std::lock_guard lock(mu_);
  auto it = items_.find(key);
  return it == items_.end() ? nullptr : it->second;
}

KindCache::Snapshot KindCache::list(std::string_view relative_prefix) const {
  Snapshot out;
  std::lock_guard lock(mu_);
  out.revision = std::max(applied_.load(std::memory_order_acquire), last_);
  if (relative_prefix.empty()) {
    out.items.reserve(items_.size());
    for (auto& [key, version] : items_) out.items.push_back(version);
    return out;
  }
  for (auto it = items_.lower_bound(relative_prefix); it != items_.end() && it->first.starts_with(relative_prefix); ++it)
    out.items.push_back(it->second);
  return out;
}

std::size_t KindCache::size() const {
  std::lock_guard lock(mu_);
  return items_.size();
}

std::int64_t KindCache::window_low() const {
  std::lock_guard lock(mu_);
  return window_low_;
}

std::size_t KindCache::watchers() const {
  std::lock_guard lock(mu_);
  return watchers_;
}

KindCache::WatcherList& KindCache::index_of(const WatchScope& scope) {
  if (!scope.name.empty()) return by_name_[scope.namespace_.empty() ? scope.name : scope.namespace_ + "/" + scope.name];
  if (!scope.node_name.empty() && node_name_) return by_node_[scope.node_name];
  if (!scope.namespace_.empty()) return by_namespace_[scope.namespace_];
  return all_;
}

std::unique_ptr<Watcher> KindCache::watch(WatchScope scope, std::int64_t revision, Snapshot* initial) {
  if (initial) {
    std::string prefix = scope.namespace_.empty() ? "" : scope.namespace_ + "/";
    auto watcher = std::make_unique<Watcher>(*this, std::move(scope), window_);
    std::lock_guard lock(mu_);
    initial->revision = std::max(applied_.load(std::memory_order_acquire), last_);
    for (auto it = items_.lower_bound(prefix); it != items_.end() && it->first.starts_with(prefix); ++it)
      initial->items.push_back(it->second);
    index_of(watcher->scope_).push_back(watcher.get());
    ++watchers_;
    return watcher;
  }
  auto watcher = std::make_unique<Watcher>(*this, std::move(scope), window_);
  std::lock_guard lock(mu_);
  ++watchers_;
  index_of(watcher->scope_).push_back(watcher.get());
  if (revision < window_low_) return nullptr;  // ~Watcher unregisters, but not under the lock: see below
  auto it = std::upper_bound(events_.begin(), events_.end(), revision,
                             [](std::int64_t r, const CacheEventPtr& e) { return r < e->revision; });
  std::lock_guard queue_lock(watcher->mu_);
  watcher->queue_.assign(it, events_.end());
  if (!watcher->queue_.empty()) watcher->wake_.set();
  return watcher;
}

void KindCache::unregister(Watcher& watcher) {
  std::lock_guard lock(mu_);
  auto erase_from = [&](WatcherList& list) {
    auto it = std::find(list.begin(), list.end(), &watcher);
    if (it == list.end()) return;
    *it = list.back();
    list.pop_back();
    --watchers_;
  };
  erase_from(index_of(watcher.scope_));
  auto drop_empty = [](auto& map, const std::string& key) {
    auto it = map.find(key);
    if (it != map.end() && it->second.empty()) map.erase(it);
  };
  const auto& s = watcher.scope_;
  if (!s.name.empty()) drop_empty(by_name_, s.namespace_.empty() ? s.name : s.namespace_ + "/" + s.name);
  else if (!s.node_name.empty() && node_name_) drop_empty(by_node_, s.node_name);
  else if (!s.namespace_.empty()) drop_empty(by_namespace_, s.namespace_);
}

void KindCache::publish(CacheEventPtr event) {
  last_ = std::max(last_, event->revision);
  const api::Object& object = *event->object->object();
  auto send = [&](const WatcherList& list) {
    for (auto* w : list) w->push(event);
  };
  auto send_to = [&](const std::unordered_map<std::string, WatcherList>& map, const std::string& key) {
    auto it = map.find(key);
    if (it != map.end()) send(it->second);
  };
  if (watchers_ != 0) {
    send(all_);
    std::string ns(object.namespace_()), name(object.name());
    if (!by_namespace_.empty()) send_to(by_namespace_, ns);
    if (!by_name_.empty()) {
      send_to(by_name_, name);
      if (!ns.empty()) send_to(by_name_, ns + "/" + name);
    }
    if (node_name_ && !by_node_.empty()) {
      std::string now(node_name_(object));
      std::string before(event->previous ? node_name_(*event->previous->object()) : std::string_view{});
      send_to(by_node_, now);
      if (before != now && !before.empty()) send_to(by_node_, before);
    }
  }
  events_.push_back(std::move(event));
  if (events_.size() > window_) {
    window_low_ = events_.front()->revision;
    events_.pop_front();
  }
}

void KindCache::load(std::map<std::string, VersionPtr, std::less<>> items, std::int64_t revision) {
  std::map<std::string, VersionPtr, std::less<>> old;
  std::lock_guard lock(mu_);
  old.swap(items_);
  items_ = std::move(items);
  events_.clear();
  window_low_ = revision;
  last_ = revision;
  auto end = [](const WatcherList& list) {
    for (auto* w : list) w->stop();
  };
  end(all_);
  for (auto* map : {&by_namespace_, &by_name_, &by_node_})
    for (auto& [key, list] : *map) end(list);
}

void KindCache::put(std::string_view key, VersionPtr version) {
  auto event = std::make_shared<CacheEvent>();
  event->revision = version->revision();
  event->object = version;
  std::lock_guard lock(mu_);
  auto it = items_.find(key);
  if (it == items_.end()) {
    event->type = CacheEvent::Type::kAdded;
    items_.emplace(std::string(key), std::move(version));
  } else {
    event->type = CacheEvent::Type::kModified;
    event->previous = std::exchange(it->second, std::move(version));
  }
  publish(std::move(event));
}

void KindCache::erase(std::string_view key, std::int64_t revision) {
  VersionPtr last = get(key);
  if (!last) return;
  auto event = std::make_shared<CacheEvent>();
  event->type = CacheEvent::Type::kDeleted;
  event->revision = revision;
  event->previous = last;
  event->object = with_revision(*last, revision);
  std::lock_guard lock(mu_);
  auto it = items_.find(key);
  CHECK(it != items_.end());  // one feeder
  items_.erase(it);
  publish(std::move(event));
}

}  // namespace keelson::apiserver
