#include "client/event_correlator.h"

#include <algorithm>

namespace keelson::client {

namespace {

constexpr std::size_t kCacheSize = 4096;
constexpr std::size_t kMaxSimilar = 10;
constexpr Duration kCrowdInterval = std::chrono::minutes(10);
constexpr Duration kSeriesInterval = std::chrono::minutes(6);
constexpr double kBurst = 25;
constexpr double kTokensPerSecond = 1.0 / 300.0;

void append_part(std::string& key, std::string_view part) {
  key += std::to_string(part.size());
  key += ':';
  key += part;
}

std::string object_part(const EventRecord& r) {
  std::string key;
  for (std::string_view part :
       {std::string_view(r.component), std::string_view(r.host), std::string_view(r.object.kind),
        std::string_view(r.object.ns), std::string_view(r.object.name), std::string_view(r.object.uid),
        std::string_view(r.object.api_version)}) {
    append_part(key, part);
  }
  return key;
}

// Without the message.
std::string aggregate_key(const EventRecord& r) {
  std::string key = object_part(r);
  append_part(key, r.object.field_path);
  append_part(key, r.type);
  append_part(key, r.reason);
  append_part(key, r.action);
  if (r.related) append_part(key, r.related->uid + "/" + r.related->name);
  return key;
}

// When a cache is full, everything is forgotten: the next events are merely written anew.
template <class Map>
void bound(Map& map) {
  if (map.size() > kCacheSize) map.clear();
}

}  // namespace

bool EventCorrelator::spam(const EventRecord& record) {
  Bucket& b = buckets_[object_part(record)];
  if (b.last != WallTime{}) {
    const double elapsed = std::chrono::duration<double>(record.at - b.last).count();
    b.tokens = std::min(kBurst, b.tokens + std::max(0.0, elapsed) * kTokensPerSecond);
  }
  b.last = record.at;
  if (b.tokens < 1) return true;
  b.tokens -= 1;
  return false;
}

void EventCorrelator::trim() {
  bound(known_);
  bound(buckets_);
  bound(crowds_);
}

CorrelatedEvent EventCorrelator::correlate(EventRecord record) {
  trim();
  CorrelatedEvent out;
  std::string key = aggregate_key(record);
  if (record.new_style) {
    append_part(key, "series");
    append_part(key, record.message);
    auto it = known_.find(key);
    if (it != known_.end() && record.at - it->second.first <= kSeriesInterval) {
      out.known = it->second;
    }
  } else {
    Crowd& crowd = crowds_[key];
    if (record.at - crowd.last > kCrowdInterval) crowd.messages.clear();
    crowd.last = record.at;
    crowd.messages.insert(record.message);
    if (crowd.messages.size() < kMaxSimilar) {
      append_part(key, record.message);
    } else {
      crowd.messages.erase(crowd.messages.begin());
      record.message = "(combined from similar events): " + record.message;
    }
    if (auto it = known_.find(key); it != known_.end()) out.known = it->second;
    out.drop = spam(record);
  }
  out.key = std::move(key);
  out.record = std::move(record);
  return out;
}

void EventCorrelator::remember(const std::string& key, KnownEvent event) {
  known_[key] = std::move(event);
}

}  // namespace keelson::client
