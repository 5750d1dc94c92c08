// WatchMux: the watches of a RemoteStore on few gRPC streams.
//
// A WatchGroup is one stream and its watches. When the stream breaks, a new one is opened (at another member
// when the old one failed) and every watch is created again from the revision after the last it was given, so
// nothing is lost or repeated. A group that was asked for progress takes no more watches: a progress reply
// speaks for all watches of its stream, and one that joined meanwhile would be spoken for too early.
// Fragments are put together again.
//
// Thread rule: everything runs on `home`, but for watch() and what RemoteWatch says is shared.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "kvstore/client/endpoints.h"
#include "kvstore/client/remote_store.h"
#include "kvstore/rpc/codec.h"
#include "kvstore/store.h"

namespace keelson::kvstore {

inline void raise_revision(std::atomic<Revision>& newest, Revision seen) {
  Revision old = newest.load(std::memory_order_relaxed);
  while (old < seen && !newest.compare_exchange_weak(old, seen, std::memory_order_acq_rel)) {
  }
}

// One watch, between its stream (home) and its reader.
struct RemoteWatch {
  WatchRequest request;

  // Home only.
  std::int64_t id = 0;  // on the present stream
  Revision next = 0;    // the first revision not given yet; 0: not known, the watch begins with "now"
  std::vector<Event> fragments;

  AsyncEvent known;  // the server has the watch, or it ended

  std::mutex mu;
  std::deque<WatchBatch> queue;
  std::size_t queued_events = 0;
  std::optional<Error> ended;
  Revision compacted = 0;
  bool dropped = false;
  AsyncEvent ready;  // queue or ended
  AsyncEvent room;   // the reader took something, or is gone

  void end(Error why, Revision compacted_at = 0);
};
using RemoteWatchPtr = std::shared_ptr<RemoteWatch>;

class WatchGroup;

class WatchMux : public std::enable_shared_from_this<WatchMux> {
 public:
  // All references outlive stop(). `newest` is raised to every revision seen.
  WatchMux(Endpoints& endpoints, const RemoteStoreOptions& options, Executor home, Clock& clock,
           Logger logger, std::atomic<Revision>& newest);
  ~WatchMux();

  // Any thread.
  static Task<Result<std::unique_ptr<WatchStream>>> watch(std::shared_ptr<WatchMux> mux,
                                                          WatchRequest request);
  // Any thread. Every watch ends with kUnavailable, later ones too.
  Task<> stop();

 private:
  friend class WatchGroup;
  friend class RemoteWatchStream;
  void add(RemoteWatchPtr watch);
  void remove(const RemoteWatchPtr& watch);
  void request_progress(const RemoteWatchPtr& watch);

  Endpoints& endpoints_;
  const RemoteStoreOptions& options_;
  const Executor home_;
  Clock& clock_;
  const Logger logger_;
  std::atomic<Revision>& newest_;
  std::vector<std::shared_ptr<WatchGroup>> groups_;
  bool stopped_ = false;
  TaskGroup tasks_;
};

}  // namespace keelson::kvstore
