// Events: what a component tells people about an object. Fire and forget: recording never blocks and never
// fails the caller; a full queue drops events.
//
//   recorder.event(…) ──► bounded queue ──► correlate (aggregate, dedup, spam filter) ──► create or patch
//
// Two styles, as upstream's components use them:
//   - core/v1 (controllers, kubelet): EventRecorder::event(). A repeated event bumps `count` by PATCH; from
//   the tenth
//     similar event (same but for the message) within ten minutes on, one Event "(combined from similar
//     events): …" takes them; a source may write 25 events about an object at once, then one in five minutes.
//   - events.k8s.io/v1 (scheduler): EventRecorder::note(). Has an action and a related object; a repetition
//   becomes a series.
// Thread rule: recorders may be used from any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "client/transport.h"

namespace keelson::client {

struct ObjectReference {
  std::string api_version;
  std::string kind;
  std::string ns;
  std::string name;
  std::string uid;
  std::string resource_version;
  std::string field_path;
};
ObjectReference reference_to(const api::Object& object);

struct EventRecord {
  ObjectReference object;
  std::optional<ObjectReference> related;
  std::string component;  // source.component / reportingController
  std::string host;       // source.host
  std::string type;       // "Normal" or "Warning"
  std::string reason;
  std::string message;
  std::string action;  // of the new style only
  bool new_style = false;
  WallTime at{};
};

class EventBroadcaster;

class EventRecorder {
 public:
  // REQUIRES: the broadcaster outlives the recorder.
  EventRecorder(EventBroadcaster& broadcaster, std::string component, std::string host = "")
      : broadcaster_(broadcaster), component_(std::move(component)), host_(std::move(host)) {}

  void event(ObjectReference object, std::string_view type, std::string_view reason, std::string message);
  void event(const api::Object& object, std::string_view type, std::string_view reason, std::string message) {
    event(reference_to(object), type, reason, std::move(message));
  }
  // New style. `host` of the constructor becomes part of reportingInstance.
  void note(ObjectReference regarding, std::optional<ObjectReference> related, std::string_view type,
            std::string_view reason, std::string_view action, std::string message);

 private:
  EventBroadcaster& broadcaster_;
  std::string component_;
  std::string host_;
};

class EventCorrelator;

class EventBroadcaster {
 public:
  // Everything referenced outlives the broadcaster.
  EventBroadcaster(Transport& transport, Executor executor, Clock& clock, Rng rng, Logger logger);
  ~EventBroadcaster();  // REQUIRES: stop() has returned, or start() was never called.

  void start();
  Task<> stop();
  // Drops the event when the queue is full.
  void record(EventRecord record);
  Clock& clock() { return clock_; }

 private:
  Task<> run();
  Task<> send(EventRecord record);

  Transport& transport_;
  Clock& clock_;
  Logger logger_;
  Executor executor_;
  Channel<EventRecord> queue_;
  std::unique_ptr<EventCorrelator> correlator_;
  TaskGroup tasks_;
};

}  // namespace keelson::client
