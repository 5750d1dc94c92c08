// WatchSession: one Watch stream of a client and the watches on it.
//
//   client ─▶ receive() ─▶ create / cancel / progress ─▶ control ┐
//                              store ─ wake ─▶ ready list ───────┴▶ pump() ─▶ client
//
// One coroutine takes requests, one sends for all watches of the stream. The store's thread only puts a
// watch's id on the ready list; events wait in the watch (bounded, then read again from history: a stalled
// client costs the buffer of its connection and nobody's time). An answer to a request precedes the events
// that follow from it.
//
// Thread rule: the executor of the call; only Ready is shared with the store's thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/async.h"
#include "kvstore/rpc/codec.h"
#include "kvstore/server/etcd/context.h"

namespace keelson::kvstore::etcd {

class WatchSession {
 public:
  WatchSession(ServiceContext& context, net::GrpcCall& call);

  // Serves until the client is gone, a request is malformed, or stop() is called. Its result is the call's.
  Task<Result<void>> run();
  // Ends the stream with `why`. Any thread.
  void stop(Error why);

 private:
  struct Watch {
    std::int64_t id = 0;
    std::unique_ptr<WatchStream> stream;
    Revision start_revision = 0;
    bool notify = false;
    bool quiet = true;  // nothing was sent since the last tick
    bool fragment = false;
  };
  // What wakes the pump.
  struct Ready {
    std::mutex mu;
    std::vector<std::int64_t> ids;
    std::optional<Error> stopped;
    AsyncEvent event;

    void add(std::int64_t id);
    void poke() { event.set(); }
  };

  Task<> receive();
  Task<> pump();
  Task<> watch_closing();
  Task<> tick();
  void end(Result<void> result);

  Task<Result<void>> handle(rpc::WatchCall m);
  Task<Result<void>> create(rpc::WatchCall call);
  Result<void> permit(const WatchRequest& request) const;
  void cancel(std::int64_t id);
  void refuse(std::string reason);
  void answer(rpc::WatchReply reply, Revision revision);
  // One gRPC message with its prefix: `reply`, `revision` in its header, and events that are encoded.
  void append(std::string& out, rpc::WatchReply reply, Revision revision, std::string_view events = {});

  // One batch of `id`, if there is any; true: there may be more.
  bool take(std::int64_t id);
  void append_events(const Watch& w, Revision revision, const EventList& list);
  void append_progress();
  void append_ticks();
  Task<Result<void>> flush();

  ServiceContext& c_;
  net::GrpcCall& call_;
  const std::shared_ptr<Ready> ready_ = std::make_shared<Ready>();
  std::map<std::int64_t, Watch> watches_;
  std::int64_t next_id_ = 0;
  std::string control_;  // answers to requests, framed
  std::size_t control_count_ = 0;
  std::string out_;  // framed messages on their way
  std::size_t out_count_ = 0;
  bool progress_wanted_ = false;
  bool tick_due_ = false;
  bool ticking_ = false;
  AsyncEvent room_;  // control_ was taken
  AsyncEvent done_;
  Result<void> result_;
  TaskGroup group_;
};

}  // namespace keelson::kvstore::etcd
