#include "jepsen/watch_check.h"

#include <algorithm>
#include <set>

namespace keelson::jepsen {

using namespace kvstore;

namespace {

bool wanted(const WatchRequest& q, const Event& e) {
  if (e.type == Event::Type::kPut ? q.no_put : q.no_delete) return false;
  return in_range(e.kv.key, q.key, q.end);
}

bool same_event(const Event& a, const Event& b) {
  if (a.type != b.type || !(a.kv.key == b.kv.key) || a.kv.mod_revision != b.kv.mod_revision) return false;
  return a.type == Event::Type::kDelete ||
         (a.kv.value == b.kv.value && a.kv.create_revision == b.kv.create_revision &&
          a.kv.version == b.kv.version && a.kv.lease == b.kv.lease);
}

class WatchChecker {
 public:
  WatchChecker(const WatchRecord& watch, const Model& model, Revision compacted)
      : watch_(watch), model_(model), compacted_(compacted) {}

  Violations run() {
    for (const auto& batch : watch_.batches) {
      check_batch(batch);
      if (out_.size() > 10) return std::move(out_);
    }
    if (watch_.complete_to > 0 && started_) expect_nothing_missed(watch_.complete_to + 1, {});
    return std::move(out_);
  }

 private:
  void violation(const char* property, const std::string& text) {
    out_.push_back(
        {std::string("watch ") + property, "watch " + std::to_string(watch_.id) + " of [" +
                                               watch_.request.key + "," + watch_.request.end + ") from " +
                                               std::to_string(watch_.request.start_revision) + ": " + text});
  }

  void check_batch(const WatchBatch& batch) {
    if (batch.events.empty()) {  // a bookmark
      if (batch.revision < bookmark_)
        violation("Bookmarkable", "bookmarks went back to " + std::to_string(batch.revision));
      if (begin(batch.revision + 1)) expect_nothing_missed(batch.revision + 1, {});
      bookmark_ = std::max(bookmark_, batch.revision);
      next_ = std::max(next_, batch.revision + 1);
      return;
    }
    const Revision first = batch.events.front().kv.mod_revision;
    begin(first);
    for (const auto& e : batch.events) check_event(e, batch.revision);
    check_atomic(batch);
  }

  // False where this first sign of life tells where the watch began.
  bool begin(Revision first) {
    if (started_) return true;
    started_ = true;
    next_ = watch_.request.start_revision > 0 ? watch_.request.start_revision : first;
    return watch_.request.start_revision > 0;
  }

  void check_event(const Event& e, Revision batch_revision) {
    const Revision r = e.kv.mod_revision;
    if (!wanted(watch_.request, e)) return violation("Filter", "nobody wanted " + describe(e));
    if (r > batch_revision)
      violation("Bookmarkable", describe(e) + " in a batch of " + std::to_string(batch_revision));
    if (!seen_.emplace(r, std::string(e.kv.key.view())).second) {
      // A key may change twice in one revision: deleted, then put.
      const LoggedRevision* logged = model_.logged(r);
      const auto times = logged == nullptr
                             ? 0
                             : std::count_if(logged->events.begin(), logged->events.end(),
                                             [&](const Event& x) { return x.kv.key == e.kv.key; });
      if (times < 2) return violation("Unique", "delivered twice: " + describe(e));
    }
    if (r <= bookmark_)
      violation("Bookmarkable", describe(e) + " after the bookmark of " + std::to_string(bookmark_));
    if (r < last_) violation("Ordered", describe(e) + " after revision " + std::to_string(last_));
    if (r < watch_.request.start_revision) violation("Resumable", describe(e) + " is from before its start");
    last_ = std::max(last_, r);
    check_content(e);
  }

  void check_content(const Event& e) {
    const Revision r = e.kv.mod_revision;
    const LoggedRevision* logged = model_.logged(r);
    if (logged == nullptr || std::none_of(logged->events.begin(), logged->events.end(),
                                          [&](const Event& x) { return same_event(x, e); })) {
      return violation("Reliable", "never happened: " + describe(e));
    }
    const auto* before = model_.find(e.kv.key, r - 1);
    const bool changed_twice = std::count_if(logged->events.begin(), logged->events.end(),
                                             [&](const Event& x) { return x.kv.key == e.kv.key; }) > 1;
    if (changed_twice) return;
    if (e.type == Event::Type::kPut && (e.kv.create_revision == r) != (before == nullptr)) {
      violation("IsCreate", describe(e));
    }
    if (!watch_.request.prev_kv) {
      if (e.prev_kv) violation("PrevKV", "nobody asked for it: " + describe(e));
      return;
    }
    if (e.prev_kv && (before == nullptr || before->mod != e.prev_kv->mod_revision ||
                      !(before->value == e.prev_kv->value) || before->version != e.prev_kv->version)) {
      violation("PrevKV", "wrong one of " + describe(e));
    }
    if (!e.prev_kv && before != nullptr && r - 1 > compacted_)
      violation("PrevKV", "missing of " + describe(e));
  }

  // Whole revisions only, and none left out between the last batch and this one's end.
  void check_atomic(const WatchBatch& batch) {
    const Revision last = batch.events.back().kv.mod_revision;
    expect_nothing_missed(last + 1, batch.events);
    next_ = std::max(next_, last + 1);
  }

  // Everything wanted of [next_, until) is in `events`.
  void expect_nothing_missed(Revision until, const std::vector<Event>& events) {
    std::size_t at = 0;
    for (Revision r = next_; r < until; ++r) {
      const LoggedRevision* logged = model_.logged(r);
      if (logged == nullptr) continue;
      std::size_t want = 0;
      std::size_t got = 0;
      for (const auto& e : logged->events) want += wanted(watch_.request, e);
      while (at < events.size() && events[at].kv.mod_revision < r) ++at;
      for (; at < events.size() && events[at].kv.mod_revision == r; ++at) ++got;
      if (got == want) continue;
      if (got > 0) {
        violation("Atomic", "revision " + std::to_string(r) + " was split: " + std::to_string(got) + " of " +
                                std::to_string(want));
      } else if (last_seen_before(r)) {
        violation("Reliable", "lost revision " + std::to_string(r) + ": " + describe(logged->events.front()));
      } else {
        violation("Resumable", "the first delivery left out revision " + std::to_string(r));
      }
      if (out_.size() > 10) return;
    }
    next_ = std::max(next_, until);
  }
  bool last_seen_before(Revision r) const { return !seen_.empty() && seen_.begin()->first < r; }

  const WatchRecord& watch_;
  const Model& model_;
  const Revision compacted_;
  Violations out_;
  bool started_ = false;
  Revision next_ = 0;
  Revision last_ = 0;
  Revision bookmark_ = 0;
  std::set<std::pair<Revision, std::string>> seen_;
};

}  // namespace

Violations check_watch(const WatchRecord& watch, const Model& model, Revision compacted) {
  return WatchChecker(watch, model, compacted).run();
}

}  // namespace keelson::jepsen
