#include "client/event_recorder.h"

#include <fmt/format.h>

#include <boost/asio/strand.hpp>

#include "api/gen/core_v1.h"
#include "api/object.h"
#include "api/status.h"
#include "client/event_correlator.h"

namespace keelson::client {

namespace core = api::core_v1;

namespace {

constexpr std::size_t kQueueSize = 1000;
constexpr int kAttempts = 12;
constexpr Duration kRetryAfter = std::chrono::seconds(10);

void put_reference(core::ObjectReferenceMut out, const ObjectReference& in) {
  out.set_kind(in.kind);
  out.set_namespace(in.ns);
  out.set_name(in.name);
  out.set_uid(in.uid);
  out.set_api_version(in.api_version);
  out.set_resource_version(in.resource_version);
  out.set_field_path(in.field_path);
}

std::string event_namespace(const EventRecord& r) {
  return r.object.ns.empty() ? "default" : r.object.ns;
}

api::ObjectPtr make_event(const EventRecord& r, const std::string& host) {
  auto object = api::Object::make(core::Event::kind_info());
  auto e = core::EventMut::of(*object);
  const auto nanos = r.at.time_since_epoch().count();
  e.mutable_metadata().set_name(fmt::format("{}.{:x}", r.object.name, nanos));
  e.mutable_metadata().set_namespace(event_namespace(r));
  put_reference(e.mutable_involved_object(), r.object);
  e.set_type(r.type);
  e.set_reason(r.reason);
  e.set_message(r.message);
  e.set_reporting_component(r.component);
  if (r.new_style) {
    e.set_event_time(api::Time::from(r.at));
    e.set_action(r.action);
    e.set_reporting_instance(host.empty() ? r.component : r.component + "-" + host);
    if (r.related) put_reference(e.mutable_related(), *r.related);
  } else {
    const api::Time now{std::chrono::floor<std::chrono::seconds>(r.at).time_since_epoch().count(), 0};
    e.mutable_source().set_component(r.component);
    e.mutable_source().set_host(r.host);
    e.set_reporting_instance(r.host);
    e.set_first_timestamp(now);
    e.set_last_timestamp(now);
    e.set_count(1);
  }
  return api::freeze(std::move(object));
}

std::string repeat_patch(const EventRecord& r, std::int64_t count) {
  if (r.new_style) {
    return fmt::format(R"({{"series":{{"count":{},"lastObservedTime":"{}"}}}})", count,
                       api::format_micro_time(api::Time::from(r.at)));
  }
  std::string message;
  append_json_string(message, r.message);
  return fmt::format(R"({{"count":{},"lastTimestamp":"{}","message":{}}})", count,
                     api::format_time(api::Time::from(r.at)), message);
}

}  // namespace

ObjectReference reference_to(const api::Object& object) {
  ObjectReference ref;
  if (object.kind() != nullptr) {
    ref.api_version = object.kind()->api_version;
    ref.kind = object.kind()->kind;
  }
  ref.ns = object.namespace_();
  ref.name = object.name();
  ref.uid = object.uid();
  ref.resource_version = object.resource_version();
  return ref;
}

void EventRecorder::event(ObjectReference object, std::string_view type, std::string_view reason,
                          std::string message) {
  EventRecord r;
  r.object = std::move(object);
  r.component = component_;
  r.host = host_;
  r.type = type;
  r.reason = reason;
  r.message = std::move(message);
  r.at = broadcaster_.clock().wall();
  broadcaster_.record(std::move(r));
}

void EventRecorder::note(ObjectReference regarding, std::optional<ObjectReference> related,
                         std::string_view type, std::string_view reason, std::string_view action,
                         std::string message) {
  EventRecord r;
  r.object = std::move(regarding);
  r.related = std::move(related);
  r.component = component_;
  r.host = host_;
  r.type = type;
  r.reason = reason;
  r.action = action;
  r.message = std::move(message);
  r.new_style = true;
  r.at = broadcaster_.clock().wall();
  broadcaster_.record(std::move(r));
}

EventBroadcaster::EventBroadcaster(Transport& transport, Executor executor, Clock& clock, Rng rng,
                                   Logger logger)
    : transport_(transport),
      clock_(clock),
      logger_(logger.named("events")),
      executor_(boost::asio::make_strand(executor)),
      queue_(kQueueSize),
      correlator_(std::make_unique<EventCorrelator>()) {}

EventBroadcaster::~EventBroadcaster() = default;

void EventBroadcaster::start() {
  tasks_.spawn(executor_, run());
}

Task<> EventBroadcaster::stop() {
  queue_.close();
  co_await tasks_.stop();
}

void EventBroadcaster::record(EventRecord record) {
  if (!queue_.try_push(std::move(record))) logger_.debug("event dropped, the queue is full");
}

Task<> EventBroadcaster::run() {
  while (auto record = co_await queue_.pop()) co_await send(std::move(*record));
}

Task<> EventBroadcaster::send(EventRecord record) {
  CorrelatedEvent event = correlator_->correlate(std::move(record));
  if (event.drop) co_return;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<api::ObjectPtr> result = fail(Code::kUnavailable, "");
    if (event.known) {
      const std::int64_t count = event.known->count + 1;
      result = co_await transport_.patch(core::Event::kind_info(), event.known->ns, event.known->name,
                                         PatchType::kStrategicMerge, repeat_patch(event.record, count), {});
      if (result) {
        event.known->count = count;
        correlator_->remember(event.key, *event.known);
        co_return;
      }
      if (api::is_not_found(result.error())) {
        event.known.reset();
        continue;
      }
    } else {
      const std::string ns = event_namespace(event.record);
      auto wanted = make_event(event.record, event.record.host);
      result = co_await transport_.create(core::Event::kind_info(), ns, wanted, {});
      if (result) {
        correlator_->remember(event.key, {std::string(wanted->name()), ns,
                                          std::string((*result)->resource_version()), 1, event.record.at});
        co_return;
      }
    }
    // The server's answer is final; only silence is worth another try.
    if (result.error().code != Code::kUnavailable && result.error().code != Code::kDeadlineExceeded) {
      logger_.debug("event refused", {{"reason", event.record.reason}, {"error", result.error()}});
      co_return;
    }
    co_await clock_.sleep_for(kRetryAfter);
  }
}

}  // namespace keelson::client
