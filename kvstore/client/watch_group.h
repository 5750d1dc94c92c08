// WatchGroup: one gRPC Watch stream and its watches; see watch_mux.h. Thread rule: home only.
#pragma once

#include "kvstore/client/watch_mux.h"

namespace keelson::kvstore {

class WatchGroup : public std::enable_shared_from_this<WatchGroup> {
 public:
  explicit WatchGroup(WatchMux& mux) : mux_(mux) {}

  bool takes_more() const { return !sealed_ && watches_.size() < kWatchesMax; }
  bool has(const RemoteWatchPtr& watch) const;
  void add(RemoteWatchPtr watch);
  void remove(const RemoteWatchPtr& watch);
  void request_progress();
  // Keeps a stream open as long as there are watches.
  static Task<> run(std::shared_ptr<WatchGroup> self);
  void end_all(const Error& why);

 private:
  static constexpr std::size_t kWatchesMax = 1000;
  // One stream. Outlives the group's interest in it while its writer still waits.
  struct Link {
    net::Headers metadata;  // that it was opened with
    std::unique_ptr<net::GrpcClientStream> stream;
    std::deque<Bytes> out;
    AsyncEvent wake;
    bool closed = false;
  };
  enum class Progress { kIdle, kWanted, kAsked, kAskedAndWanted };

  Task<Error> serve(std::shared_ptr<Link> link);
  static Task<> write(std::shared_ptr<WatchGroup> self, std::shared_ptr<Link> link);
  Task<> take(rpc::WatchReply reply);
  Task<> give(RemoteWatchPtr watch, WatchBatch batch);
  void created(const RemoteWatchPtr& watch, const rpc::WatchReply& reply);
  void canceled(const RemoteWatchPtr& watch, const rpc::WatchReply& reply);
  Task<> progressed(RemoteWatchPtr watch, Revision revision);
  void send_create(const RemoteWatchPtr& watch);
  void send(const rpc::WatchCall& call);
  void forget(const RemoteWatchPtr& watch);

  WatchMux& mux_;
  std::vector<RemoteWatchPtr> watches_;
  std::shared_ptr<Link> link_;                              // null between streams
  std::unordered_map<std::int64_t, RemoteWatchPtr> by_id_;  // of the present stream
  std::deque<RemoteWatchPtr> creating_;                     // sent, not yet answered
  std::int64_t last_id_ = 0;
  bool sealed_ = false;
  bool answered_ = false;  // the present stream has brought something
  Progress progress_ = Progress::kIdle;
  MonoTime asked_at_{};
};

}  // namespace keelson::kvstore
