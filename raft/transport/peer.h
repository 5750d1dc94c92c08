// Peer: the sending side towards one other member: its streams, probes, and a snapshot. Internal to
// raft/transport.
//
// Thread rule: any thread. Lifetime: shared by the transport and its coroutines.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/async.h"
#include "raft/transport/outbox.h"
#include "raft/transport/peer_shared.h"

namespace keelson::raft {

class Peer : public std::enable_shared_from_this<Peer> {
 public:
  Peer(std::shared_ptr<PeerShared> shared, NodeId id, std::vector<std::string> urls);
  ~Peer();
  void start();
  // False when it was dropped; the sink was told.
  void send(Message message);
  void send_app(Bytes payload);
  void send_snapshot(Message message, std::unique_ptr<SnapshotSource> source);
  const std::vector<std::string>& urls() const { return urls_; }
  std::optional<MonoTime> active_since() const;
  PeerMetrics& metrics() { return metrics_; }
  void cancel() { tasks_.cancel(); }
  Task<> join() { return tasks_.join(); }
  bool idle() const { return tasks_.size() == 0; }

 private:
  struct Link;
  struct SnapshotJob;
  static Task<> run_stream(std::shared_ptr<Peer> self, StreamKind kind);
  static Task<> run_probes(std::shared_ptr<Peer> self);
  static Task<> watch_end(std::shared_ptr<Peer> self, std::shared_ptr<Link> link, StreamKind kind);
  static Task<> run_snapshot(std::shared_ptr<Peer> self, std::shared_ptr<SnapshotJob> job);
  // One attempt; `progress` is set when the receiver has more than before.
  static Task<Result<void>> try_snapshot(std::shared_ptr<Peer> self, std::shared_ptr<SnapshotJob> job);
  static Task<Result<void>> stream_snapshot(std::shared_ptr<Peer> self, std::shared_ptr<SnapshotJob> job,
                                            std::shared_ptr<net::ClientStream> stream);
  Task<Result<void>> pump(std::shared_ptr<Link> link, StreamKind kind);

  Executor executor(StreamKind kind) const;
  std::shared_ptr<net::HttpClient> make_client(Executor ex) const;
  Task<Result<std::shared_ptr<net::ClientStream>>> open_stream(std::shared_ptr<net::HttpClient> http,
                                                               std::string path);
  void push(StreamKind kind, Outbox::Item item, std::size_t bytes);
  void connected(StreamKind kind);
  void disconnected(StreamKind kind, bool broke, const Error& why);
  void refused(int status, const std::string& body);

  const std::shared_ptr<PeerShared> shared_;
  const NodeId id_;
  const std::vector<std::string> urls_;
  PeerMetrics metrics_;
  Outbox control_;
  Outbox append_;
  Outbox app_;
  std::array<Outbox*, 3> outboxes_{&control_, &append_, &app_};
  std::array<std::atomic<bool>, 3> standing_{};
  std::atomic<std::size_t> url_ = 0;
  std::atomic<bool> snapshot_under_way_ = false;
  mutable std::mutex mu_;
  std::optional<MonoTime> active_since_;
  std::string last_trouble_;  // logged once
  TaskGroup tasks_;
};

}  // namespace keelson::raft
