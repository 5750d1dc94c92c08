// EventList: events that many watches share, and their encoding, made once by the first who needs it.
//
// Thread rule: as a const object: any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kvstore/types.h"

namespace keelson::kvstore {

class EventList {
 public:
  explicit EventList(std::vector<Event> events) : events_(std::move(events)) {}

  const std::vector<Event>& events() const { return events_; }
  // What `encode(events(), std::string&)` appends; it is called at most once.
  template <class Encode>
  std::string_view encoded(Encode encode) const {
    std::call_once(once_, [&] { encode(events_, encoded_); });
    return encoded_;
  }

 private:
  friend struct SharedBatch;
  std::vector<Event> events_;
  mutable std::once_flag once_;
  mutable std::string encoded_;
};

// A WatchBatch whose events may be those of others too.
struct SharedBatch {
  Revision revision = 0;
  std::shared_ptr<EventList> events;  // null: none, a progress notification

  SharedBatch() = default;
  SharedBatch(Revision r, std::shared_ptr<EventList> e) : revision(r), events(std::move(e)) {}
  explicit SharedBatch(WatchBatch batch) : revision(batch.revision) {
    if (!batch.events.empty()) events = std::make_shared<EventList>(std::move(batch.events));
  }
  std::size_t size() const { return events ? events->events().size() : 0; }
  // The events are copied only if somebody else has them too.
  WatchBatch take() && {
    if (!events) return {revision, {}};
    if (events.use_count() == 1) return {revision, std::move(events->events_)};
    return {revision, events->events()};
  }
};

}  // namespace keelson::kvstore
