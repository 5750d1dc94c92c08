// WatchHub: tells each watcher of the changes it asked for. A hash for exact keys, an interval tree for
// ranges: the cost of an event grows with those who match it, not with those who watch. Watchers of the same
// key or range share one list of events.
//
// A watcher is added with the first revision it wants; changes before that are not delivered, so it may be
// added at any moment: history up to a Snapshot's revision comes from the Snapshot (read.h), everything later
// from here, nothing twice.
//
// Thread rule: any thread. Sinks are called under the hub's lock: they must be short and not call back.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "kvstore/event_list.h"
#include "kvstore/mvcc/interval_tree.h"
#include "kvstore/mvcc/state.h"

namespace keelson::kvstore {

class WatchHub {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void deliver(SharedBatch batch) = 0;
    // The state was replaced by a newer one: what lies between was not delivered, nor will be.
    virtual void resync() {}
    // The store ends: nothing more will come.
    virtual void cancel(const Error& why) = 0;
  };
  using Id = std::uint64_t;

  // `sink` lives until remove() returned. start_revision of `request` is not looked at: `from` is.
  Id add(const WatchRequest& request, Revision from, Sink* sink);
  void remove(Id id);
  // Changes before `from` are not delivered to it from now on.
  void set_from(Id id, Revision from);
  // Delivers the changes of whole transactions, in order. `revision`: everything up to it is now dispatched.
  void dispatch(const std::vector<Change>& changes, Revision revision);
  // A progress notification to all who asked for them regularly.
  void progress();
  // One to this watcher, at once.
  void progress(Id id);
  void cancel_all(const Error& why);
  // The state was replaced (by a snapshot) by that of `revision`. Everybody must read up from where it is, or,
  // without `tell`, goes on behind it (a planted bug of the simulator).
  void resync(Revision revision, bool tell);
  std::size_t watchers() const;
  // Everything up to it has been delivered.
  Revision dispatched() const;

 private:
  struct Watcher {
    Id id = 0;
    std::string key;
    std::string end;
    Revision from = 0;
    bool prev_kv = false;
    bool no_put = false;
    bool no_delete = false;
    bool notify = false;
    Sink* sink = nullptr;
    std::vector<std::uint32_t> wanted;  // places in dispatch()'s changes
  };
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  void offer(Watcher* w, const std::vector<Change>& changes, std::size_t at);
  // The events that `w` wants: those of the watcher before it, where they are the same.
  std::shared_ptr<EventList> events_for(const Watcher& w, const std::vector<Change>& changes);
  void notify(const Watcher& w) const;

  mutable std::mutex mu_;
  Id next_id_ = 1;
  Revision dispatched_ = 0;
  std::unordered_map<Id, std::unique_ptr<Watcher>> all_;
  std::unordered_map<std::string, std::vector<Watcher*>, KeyHash, std::equal_to<>> exact_;
  IntervalTree ranges_;
  std::vector<Watcher*> touched_;
  struct Last {
    std::vector<std::uint32_t> wanted;
    bool prev_kv = false;
    std::shared_ptr<EventList> events;
  } last_;  // of events_for()
};

}  // namespace keelson::kvstore
