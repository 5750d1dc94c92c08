#include "client/informer.h"

#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>

#include "api/object.h"
#include "api/schema.h"
#include "base/check.h"

namespace keelson::client {

namespace {
// A watch that ends sooner than this without an event is answered with a back-off.
constexpr Duration kShortWatch = std::chrono::seconds(1);
}  // namespace

Informer::Informer(const api::KindInfo& kind, InformerOptions options, Transport& transport, Clock& clock,
                   Rng rng, Logger logger)
    : kind_(kind),
      options_(std::move(options)),
      transport_(transport),
      clock_(clock),
      logger_(std::move(logger)),
      backoff_(clock, rng.fork()),
      rng_(rng.fork()) {}

void Informer::add_handler(EventHandler handler) {
  std::lock_guard lock(dispatch_mu_);
  if (handler.on_add) {
    for (const auto& object : store_.list()) handler.on_add(object);
  }
  handlers_.push_back(std::move(handler));
}

std::string Informer::last_resource_version() const {
  std::lock_guard lock(rv_mu_);
  return resource_version_;
}

void Informer::set_resource_version(std::string rv) {
  if (rv.empty()) return;
  std::lock_guard lock(rv_mu_);
  resource_version_ = std::move(rv);
}

Task<> Informer::run() {
  for (;;) {
    if (!co_await list_once()) {
      co_await clock_.sleep_for(backoff_.next());
      continue;
    }
    co_await watch_until_expired();
  }
}

Task<bool> Informer::list_once() {
  ListOptions options;
  options.label_selector = options_.label_selector;
  options.field_selector = options_.field_selector;
  // "0" the first time (any state will do), "" after an expiry (the present state).
  options.resource_version = has_synced() ? "" : "0";
  auto result = co_await transport_.list(kind_, options_.ns, options);
  if (!result) {
    logger_.warn("list failed", {{"kind", kind_.kind}, {"error", result.error()}});
    co_return false;
  }
  replace(std::move(result->items), std::move(result->resource_version));
  co_return true;
}

Task<> Informer::watch_until_expired() {
  for (;;) {
    WatchOptions options;
    options.label_selector = options_.label_selector;
    options.field_selector = options_.field_selector;
    options.resource_version = last_resource_version();
    options.timeout_s = rng_.between(300, 600);
    const MonoTime began = clock_.now();
    auto stream = co_await transport_.watch(kind_, options_.ns, options);
    bool got_events = false;
    Error error = stream ? co_await read_stream(stream->get(), &got_events) : stream.error();
    if (error.code == Code::kOutOfRange) {
      logger_.info("watch expired, listing again", {{"kind", kind_.kind}});
      co_return;
    }
    logger_.debug("watch ended", {{"kind", kind_.kind}, {"error", error}});
    if (!got_events && clock_.now() - began < kShortWatch) {
      co_await clock_.sleep_for(backoff_.next());
    }
  }
}

Task<Error> Informer::read_stream(WatchStream* stream, bool* got_events) {
  for (;;) {
    auto event = co_await stream->next();
    if (!event) co_return event.error();
    *got_events = true;
    apply(std::move(*event));
  }
}

void Informer::apply(WatchEvent event) {
  if (!event.object) return;
  std::string rv(event.object->resource_version());
  if (event.type != WatchEvent::Type::kBookmark && event.type != WatchEvent::Type::kError) {
    std::lock_guard lock(dispatch_mu_);
    if (event.type == WatchEvent::Type::kDeleted) {
      if (auto old = store_.erase(object_key(*event.object))) notify(event.object, nullptr);
    } else {
      auto old = store_.upsert(event.object);
      notify(old, event.object);
    }
  }
  set_resource_version(std::move(rv));
}

void Informer::replace(std::vector<api::ObjectPtr> items, std::string resource_version) {
  {
    std::lock_guard lock(dispatch_mu_);
    std::set<std::string> keep;
    for (auto& item : items) {
      keep.insert(object_key(*item));
      auto old = store_.upsert(item);
      if (!old || old->resource_version() != item->resource_version()) notify(old, item);
    }
    for (const auto& object : store_.list()) {
      const std::string key = object_key(*object);
      if (keep.contains(key)) continue;
      store_.erase(key);
      notify(object, nullptr);
    }
  }
  set_resource_version(std::move(resource_version));
  synced_.set();
}

void Informer::notify(const api::ObjectPtr& old, const api::ObjectPtr& now) {
  if (old && now && old->uid() != now->uid()) {
    // Deleted and made anew while we were not looking: handlers see both.
    notify(old, nullptr);
    notify(nullptr, now);
    return;
  }
  for (const auto& h : handlers_) {
    if (!now) {
      if (h.on_delete) h.on_delete(old);
    } else if (!old) {
      if (h.on_add) h.on_add(now);
    } else if (h.on_update) {
      h.on_update(old, now);
    }
  }
}

InformerFactory::InformerFactory(Transport& transport, Executor executor, Clock& clock, Rng rng,
                                 Logger logger)
    : transport_(transport),
      executor_(std::move(executor)),
      clock_(clock),
      logger_(logger.named("informer")),
      rng_(rng) {}

InformerFactory::~InformerFactory() = default;

std::shared_ptr<Informer> InformerFactory::informer(const api::KindInfo& kind, InformerOptions options) {
  std::lock_guard lock(mu_);
  auto& entry = entries_[{&kind, options}];
  if (!entry.informer) {
    entry.informer = std::make_shared<Informer>(kind, options, transport_, clock_, rng_.fork(), logger_);
  }
  return entry.informer;
}

void InformerFactory::start() {
  std::lock_guard lock(mu_);
  for (auto& [key, entry] : entries_) {
    if (entry.started) continue;
    entry.started = true;
    tasks_.spawn(boost::asio::make_strand(executor_), entry.informer->run());
  }
}

Task<> InformerFactory::wait_for_sync() {
  std::vector<std::shared_ptr<Informer>> started;
  {
    std::lock_guard lock(mu_);
    for (auto& [key, entry] : entries_) {
      if (entry.started) started.push_back(entry.informer);
    }
  }
  for (auto& informer : started) co_await informer->wait_for_sync();
}

Task<> InformerFactory::stop() {
  co_await tasks_.stop();
}

}  // namespace keelson::client
