#include "apiserver/watch_cache.h"

#include <boost/asio/this_coro.hpp>

#include "apiserver/stored_form.h"
#include "base/check.h"

namespace keelson::apiserver {
namespace {
constexpr std::string_view kRoot = "/registry/";
constexpr std::string_view kRootEnd = "/registry0";
constexpr std::int64_t kPage = 2000;
}  // namespace

WatchCache::WatchCache(kvstore::Store& store, Clock& clock, Logger logger, WriteIntents& intents, Options options)
    : store_(store), clock_(clock), logger_(std::move(logger)), intents_(intents), options_(options) {}

WatchCache::~WatchCache() = default;

KindCache& WatchCache::add_kind(const api::KindInfo& kind, std::string prefix, KindCache::NodeNameOf node_name) {
  auto cache = std::make_unique<KindCache>(kind, prefix, node_name, applied_, options_.window);
  auto [it, fresh] = kinds_.emplace(std::move(prefix), std::move(cache));
  CHECK(fresh);
  return *it->second;
}

KindCache* WatchCache::kind_of(std::string_view key, std::string_view* relative) {
  // Prefixes never nest, so the candidate is the greatest prefix that is not after the key.
  auto it = kinds_.upper_bound(key);
  if (it == kinds_.begin()) return nullptr;
  --it;
  if (!key.starts_with(it->first)) return nullptr;
  *relative = key.substr(it->first.size());
  return it->second.get();
}

Task<Result<std::int64_t>> WatchCache::load_all() {
  std::map<KindCache*, std::map<std::string, VersionPtr, std::less<>>> loaded;
  std::int64_t revision = 0;
  std::string from(kRoot);
  for (;;) {
    kvstore::RangeRequest request;
    request.key = from;
    request.end = std::string(kRootEnd);
    request.limit = kPage;
    request.revision = revision;
    auto page = CO_TRY(co_await store_.range(std::move(request)));
    if (revision == 0) revision = page.revision;
    for (auto& kv : page.kvs) {
      std::string_view relative;
      KindCache* cache = kind_of(kv.key, &relative);
      if (!cache) continue;
      auto object = decode_stored(cache->kind(), kv.value, kv.mod_revision);
      if (!object) {
        logger_.error("stored object cannot be decoded", {{"key", kv.key.view()}, {"error", object.error()}});
        continue;
      }
      loaded[cache].emplace(std::string(relative), std::move(*object));
    }
    if (!page.more || page.kvs.empty()) break;
    from = std::string(page.kvs.back().key.view()) + '\0';
  }
  intents_.clear();
  for (auto& [prefix, cache] : kinds_) cache->load(std::move(loaded[cache.get()]), revision);
  co_return revision;
}

Task<Result<void>> WatchCache::start(Executor ex) {
  next_revision_ = CO_TRY(co_await load_all()) + 1;
  advance(next_revision_ - 1);
  ready_ = true;
  tasks_.spawn(ex, follow());
  co_return Result<void>{};
}

Task<> WatchCache::stop() {
  co_await tasks_.stop();
  ready_ = false;
  for (auto& [prefix, cache] : kinds_) cache->load({}, applied());
}

Task<> WatchCache::follow() {
  for (;;) {
    kvstore::WatchRequest request;
    request.key = std::string(kRoot);
    request.end = std::string(kRootEnd);
    request.start_revision = next_revision_;
    request.progress_notify = true;
    auto stream = co_await store_.watch(std::move(request));
    Error why;
    if (stream) {
      {
        std::lock_guard lock(stream_mu_);
        stream_ = stream->get();
      }
      struct Clear {
        WatchCache* self;
        ~Clear() {
          std::lock_guard lock(self->stream_mu_);
          self->stream_ = nullptr;
        }
      } clear{this};
      for (;;) {
        auto batch = co_await (*stream)->next();
        if (!batch) {
          why = batch.error();
          break;
        }
        for (auto& event : batch->events) apply(event);
        if (batch->revision >= next_revision_) {
          next_revision_ = batch->revision + 1;
          advance(batch->revision);
        }
      }
    } else {
      why = stream.error();
    }
    if (why.code == Code::kUnavailable || why.code == Code::kCancelled) {
      co_await clock_.sleep_for(std::chrono::milliseconds(200));
      continue;
    }
    // Compacted, or too slow to follow: begin anew; all watchers end and resume on their own.
    logger_.warn("watch cache reloads", {{"reason", why}});
    auto revision = co_await load_all();
    if (!revision) {
      logger_.error("watch cache cannot load", {{"error", revision.error()}});
      co_await clock_.sleep_for(std::chrono::seconds(1));
      continue;
    }
    next_revision_ = *revision + 1;
    advance(*revision);
  }
}

void WatchCache::apply(const kvstore::Event& event) {
  std::string_view relative;
  KindCache* cache = kind_of(event.kv.key, &relative);
  if (!cache) return;
  if (event.type == kvstore::Event::Type::kDelete) {
    cache->erase(relative, event.kv.mod_revision);
    return;
  }
  if (auto intent = intents_.claim(event.kv.key.view(), event.kv.value.view())) {
    cache->put(relative, intent->resolve(event.kv.mod_revision));
    return;
  }
  auto version = decode_stored(cache->kind(), event.kv.value, event.kv.mod_revision);
  if (!version) {
    logger_.error("stored object cannot be decoded", {{"key", event.kv.key.view()}, {"error", version.error()}});
    return;
  }
  cache->put(relative, std::move(*version));
}

void WatchCache::advance(std::int64_t revision) {
  applied_.store(revision, std::memory_order_seq_cst);
  if (!has_waiters_.load(std::memory_order_seq_cst)) return;
  std::vector<std::shared_ptr<AsyncEvent>> woken;
  {
    std::lock_guard lock(waiters_mu_);
    auto end = waiters_.upper_bound(revision);
    for (auto it = waiters_.begin(); it != end; ++it) woken.push_back(it->second);
    waiters_.erase(waiters_.begin(), end);
    has_waiters_ = !waiters_.empty();
  }
  for (auto& event : woken) event->set();
}

Task<Result<void>> WatchCache::wait_for(std::int64_t revision, Duration timeout) {
  if (fresh(revision)) co_return Result<void>{};
  auto event = std::make_shared<AsyncEvent>();
  {
    std::lock_guard lock(waiters_mu_);
    waiters_.emplace(revision, event);
    has_waiters_.store(true, std::memory_order_seq_cst);
  }
  // The feeder may have passed between the look and the registration.
  if (applied_.load(std::memory_order_seq_cst) >= revision) advance(applied());
  const MonoTime end = clock_.now() + timeout;
  for (MonoTime next = clock_.now() + std::chrono::milliseconds(20);;) {
    if (co_await event->wait_until(clock_, std::min(next, end))) co_return Result<void>{};
    if (fresh(revision)) co_return Result<void>{};
    if (clock_.now() >= end) break;
    {
      // Writes outside of /registry/ move the store's revision without an event here: ask how far the watch is.
      std::lock_guard lock(stream_mu_);
      if (stream_) stream_->request_progress();
    }
    next = clock_.now() + std::chrono::milliseconds(100);
  }
  std::lock_guard lock(waiters_mu_);
  std::erase_if(waiters_, [&](auto& entry) { return entry.second == event; });
  has_waiters_ = !waiters_.empty();
  co_return fail(Code::kDeadlineExceeded, "watch cache did not reach the revision in time");
}

}  // namespace keelson::apiserver
