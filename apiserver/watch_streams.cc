#include "apiserver/watch_streams.h"

#include <fmt/format.h>

#include <atomic>

#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/stored_form.h"

namespace keelson::apiserver {
namespace {

constexpr Duration kBookmarkEvery = std::chrono::seconds(60);
constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

// What every stream of one watch needs.
struct WatchContext {
  const Resource* resource;
  Filter filter;
  Clock* clock;
  bool bookmarks = false;
  MonoTime end{};
  MonoTime next_bookmark{};

  VersionPtr served(const VersionPtr& stored) const {
    if (!stored || !resource->from_stored) return stored;
    return make_version(api::freeze(resource->from_stored(*stored->object(), *resource->kind)), stored->revision());
  }
  WatchEvent bookmark(std::int64_t revision, bool initial_end) const {
    auto object = api::Object::make(*resource->kind);
    set_resource_version(*object, revision);
    if (initial_end) object->mutable_meta().mutable_annotations().set(kInitialEventsEnd, "true");
    return {WatchEvent::Type::kBookmark, make_version(api::freeze(std::move(object)), revision)};
  }
  // The event as this watcher sees it; nothing where it does not concern it.
  void translate(CacheEvent::Type type, const VersionPtr& object, const VersionPtr& previous, std::int64_t revision,
                 std::vector<WatchEvent>& out) const {
    VersionPtr now = served(object), before = served(previous);
    const bool matches = type != CacheEvent::Type::kDeleted && filter.matches(*now->object());
    const bool matched = before && filter.matches(*before->object());
    if (matches) out.push_back({matched ? WatchEvent::Type::kModified : WatchEvent::Type::kAdded, now});
    else if (matched)
      out.push_back({WatchEvent::Type::kDeleted,
                     type == CacheEvent::Type::kDeleted ? now : with_revision(*before, revision)});
  }
};

Error ended() { return Error{Code::kUnavailable, "watch ended", nullptr}; }

class CacheWatch final : public WatchStream {
 public:
  CacheWatch(WatchContext context, std::unique_ptr<Watcher> watcher, std::vector<VersionPtr> initial,
             std::int64_t initial_revision, bool announce_end)
      : context_(std::move(context)), watcher_(std::move(watcher)), initial_(std::move(initial)),
        initial_revision_(initial_revision), announce_end_(announce_end) {}

  Task<Result<std::vector<WatchEvent>>> next() override {
    std::vector<WatchEvent> out;
    if (!begun_) {
      begun_ = true;
      for (auto& version : initial_) {
        VersionPtr object = context_.served(version);
        if (context_.filter.matches(*object->object())) out.push_back({WatchEvent::Type::kAdded, std::move(object)});
      }
      initial_.clear();
      if (announce_end_) out.push_back(context_.bookmark(initial_revision_, true));
      if (!out.empty()) co_return out;
    }
    for (;;) {
      auto batch = watcher_->take();
      for (auto& event : batch.events)
        if (event->revision > initial_revision_)
          context_.translate(event->type, event->object, event->previous, event->revision, out);
      if (!out.empty()) co_return out;
      if (batch.ended) co_return fail(ended());
      const MonoTime now = context_.clock->now();
      if (now >= context_.end) co_return fail(ended());
      if (context_.bookmarks && now >= context_.next_bookmark && batch.progress > 0) {
        context_.next_bookmark = now + kBookmarkEvery;
        out.push_back(context_.bookmark(std::max(batch.progress, initial_revision_), false));
        co_return out;
      }
      if (!batch.events.empty()) continue;
      co_await watcher_->wait(*context_.clock,
                              context_.bookmarks ? std::min(context_.end, context_.next_bookmark) : context_.end);
    }
  }
  void stop() override { watcher_->stop(); }

 private:
  WatchContext context_;
  std::unique_ptr<Watcher> watcher_;
  std::vector<VersionPtr> initial_;
  std::int64_t initial_revision_;  // events up to here are in initial_
  bool announce_end_;
  bool begun_ = false;
};

// Replays from the store; slower, and one store watch per watcher, but reaches back to the last compaction.
class StoreWatch final : public WatchStream {
 public:
  StoreWatch(WatchContext context, std::unique_ptr<kvstore::WatchStream> stream, std::int64_t from)
      : context_(std::move(context)), stream_(std::move(stream)), from_(from) {}

  Task<Result<std::vector<WatchEvent>>> next() override {
    std::vector<WatchEvent> out;
    while (!stopped_ && context_.clock->now() < context_.end) {
      auto batch = co_await stream_->next();
      if (!batch) {
        if (batch.error().code != Code::kOutOfRange) break;
        co_return fail(errors::expired(fmt::format("too old resource version: {} ({})", from_, stream_->compacted())));
      }
      for (auto& event : batch->events)
        if (auto ok = translate(event, out); !ok) co_return std::unexpected(ok.error());
      if (out.empty() && batch->events.empty() && context_.bookmarks) out.push_back(context_.bookmark(batch->revision, false));
      if (!out.empty()) co_return out;
    }
    co_return fail(ended());
  }
  // Takes effect with the next batch; who cannot wait cancels next().
  void stop() override { stopped_ = true; }

 private:
  Result<void> translate(const kvstore::Event& event, std::vector<WatchEvent>& out) {
    VersionPtr before;
    if (event.prev_kv)
      before = TRY(decode_stored(*context_.resource->stored, event.prev_kv->value, event.prev_kv->mod_revision));
    if (event.type == kvstore::Event::Type::kDelete) {
      if (before)
        context_.translate(CacheEvent::Type::kDeleted, with_revision(*before, event.kv.mod_revision), before,
                           event.kv.mod_revision, out);
      return {};
    }
    auto now = TRY(decode_stored(*context_.resource->stored, event.kv.value, event.kv.mod_revision));
    context_.translate(before ? CacheEvent::Type::kModified : CacheEvent::Type::kAdded, now, before,
                       event.kv.mod_revision, out);
    return {};
  }

  WatchContext context_;
  std::unique_ptr<kvstore::WatchStream> stream_;
  const std::int64_t from_;
  std::atomic<bool> stopped_{false};
};

// One ERROR event: what is wrong with a watch that HTTP has already answered with 200.
class FailedWatch final : public WatchStream {
 public:
  explicit FailedWatch(Error error) : error_(std::move(error)) {}
  Task<Result<std::vector<WatchEvent>>> next() override { co_return fail(error_); }
  void stop() override {}

 private:
  Error error_;
};

}  // namespace

Task<Result<std::unique_ptr<WatchStream>>> open_watch(Registry& registry, const Resource& resource, std::string ns,
                                                      std::string name, ListOptions options, Clock& clock,
                                                      Duration default_timeout) {
  auto filter = CO_TRY(Filter::make(*resource.kind, ns, name, options));
  auto revision = parse_resource_version(options.resource_version);
  if (!revision)
    co_return fail(errors::plain_internal(fmt::format("resourceVersion: Invalid value: \"{}\": {}",
                                                      options.resource_version, revision.error().message)));
  WatchCache& cache = registry.storage().cache();
  WatchContext context{&resource, filter, &clock, options.allow_bookmarks};
  const Duration timeout =
      options.timeout_s && *options.timeout_s > 0 ? std::chrono::seconds(*options.timeout_s) : default_timeout;
  context.end = clock.now() + timeout;
  context.next_bookmark = clock.now() + kBookmarkEvery;
  // Without a resourceVersion, with 0, and with sendInitialEvents the present state comes first.
  const bool initial_events = options.send_initial_events.value_or(false);
  const bool initial = initial_events || *revision == 0;
  if (initial) {
    if (*revision > 0) {
      if (auto ok = co_await cache.wait_for(*revision, std::chrono::seconds(3)); !ok)
        co_return fail(errors::too_large_resource_version(*revision, cache.applied()));
    } else if (options.resource_version.empty()) {
      if (auto ok = co_await registry.storage().catch_up(); !ok) co_return fail(errors::from_store(ok.error()));
    }
    KindCache::Snapshot snapshot;
    auto watcher = resource.cache->watch(context.filter.scope(), 0, &snapshot);
    const bool announce = initial_events && options.allow_bookmarks;
    std::unique_ptr<WatchStream> out = std::make_unique<CacheWatch>(std::move(context), std::move(watcher),
                                                                    std::move(snapshot.items), snapshot.revision, announce);
    co_return out;
  }
  if (auto watcher = resource.cache->watch(context.filter.scope(), *revision, nullptr)) {
    std::unique_ptr<WatchStream> out =
        std::make_unique<CacheWatch>(std::move(context), std::move(watcher), std::vector<VersionPtr>{}, *revision, false);
    co_return out;
  }
  kvstore::WatchRequest request;
  request.key = resource.cache->prefix() + (ns.empty() ? "" : ns + "/");
  request.end = prefix_end(request.key);
  request.start_revision = *revision + 1;
  request.prev_kv = true;
  request.progress_notify = true;
  auto stream = co_await registry.storage().store().watch(std::move(request));
  std::unique_ptr<WatchStream> out;
  if (stream) {
    out = std::make_unique<StoreWatch>(std::move(context), std::move(*stream), *revision);
  } else if (stream.error().code == Code::kOutOfRange) {
    out = std::make_unique<FailedWatch>(errors::expired(fmt::format("too old resource version: {} ({})", *revision,
                                                                    resource.cache->window_low())));
  } else {
    co_return fail(errors::from_store(stream.error()));
  }
  co_return out;
}

}  // namespace keelson::apiserver
