// EventCorrelator: decides, for each event about to be sent, whether it is new, a repetition of one already
// stored, part of a crowd of similar ones, or too many. Pure but for the clock's readings handed in; see
// client/event_recorder.h for the rules. Thread rule: one owner.
#pragma once

#include <set>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "client/event_recorder.h"

namespace keelson::client {

// What is known of an Event already written.
struct KnownEvent {
  std::string name;
  std::string ns;
  std::string resource_version;
  std::int64_t count = 0;
  WallTime first{};
};

struct CorrelatedEvent {
  bool drop = false;
  EventRecord record;  // the message may be the combined one
  std::string key;     // for remember()
  // Set: patch this Event (count, message, lastTimestamp or series) instead of creating one.
  std::optional<KnownEvent> known;
};

class EventCorrelator {
 public:
  CorrelatedEvent correlate(EventRecord record);
  // The Event under `key` is now stored like this.
  void remember(const std::string& key, KnownEvent event);
  void forget(const std::string& key) { known_.erase(key); }

 private:
  struct Bucket {
    double tokens = 25;
    WallTime last{};
  };
  struct Crowd {
    std::set<std::string> messages;
    WallTime last{};
  };
  bool spam(const EventRecord& record);
  void trim();

  std::unordered_map<std::string, KnownEvent> known_;
  std::unordered_map<std::string, Bucket> buckets_;
  std::unordered_map<std::string, Crowd> crowds_;
};

}  // namespace keelson::client
