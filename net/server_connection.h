// ServerConnection: what HTTP/1.1 and HTTP/2 connections of a server share: the read and write loops over a
// Wire, timeouts, start and end of handlers. A connection is driven by readiness callbacks, not by a
// coroutine; each request's handler is one. All frames ready in one turn of the event loop leave in one
// write.
//
// Thread rule: home executor only. Lifetime: shared by its shard, its callbacks under way and its exchanges.
// Internal to net/.
#pragma once

#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/async.h"
#include "net/http.h"
#include "net/server.h"
#include "net/wire.h"

namespace keelson::net {

class ServerConnection;

// What all connections of one server share. Immutable but for the atomics and the event.
struct ServerShared {
  ServerOptions options;
  Handler* handler = nullptr;
  Clock* clock = nullptr;
  Logger logger;
  std::atomic<bool> draining = false;
  std::atomic<std::size_t> live = 0;  // connections not yet destroyed
  AsyncEvent quiet;                   // set when draining and live is 0
  std::atomic<std::uint64_t> next_id = 1;

  void leave();
};

// The part of a server on one executor. Home executor only.
struct ServerShard {
  Executor ex;
  std::shared_ptr<ServerShared> shared;
  MonoTime now{};    // of the last tick
  std::string date;  // the Date header's value, of the last tick
  std::unordered_set<std::shared_ptr<ServerConnection>> connections;
  std::unordered_map<Wire*, MonoTime> handshakes;  // and when they began
  std::vector<std::weak_ptr<Wire>> upgraded;

  // Renews now and date, ends what has timed out.
  void tick();
};

// The part of an exchange that the connection's base deals with.
class ServerExchange : public Exchange {
 public:
  explicit ServerExchange(Executor ex) : ex_(std::move(ex)) {}
  const Request& request() const final { return request_; }
  Executor executor() final { return ex_; }
  Task<> closed() final;
  bool is_closed() const final { return closed_.load(std::memory_order_acquire); }
  Task<Result<void>> respond(int status, Headers headers, Bytes body) final;
  Task<Result<void>> respond(int status, Headers headers, std::vector<Bytes> body) final;

  // Ends closed(). Wakes no reader or writer.
  void mark_closed();

  Request request_;
  boost::asio::cancellation_signal cancel_;

 protected:
  // Completes the reply; the exchange fails by itself when the client is gone.
  virtual Result<void> reply(int status, const Headers& headers, std::span<Bytes> body) = 0;
  const Executor ex_;

 private:
  std::atomic<bool> closed_ = false;
  std::mutex event_mu_;
  std::unique_ptr<AsyncEvent> closed_event_;
};

class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(std::shared_ptr<ServerShard> shard, std::shared_ptr<Wire> wire,
                   std::shared_ptr<const ConnectionInfo> info);
  virtual ~ServerConnection();

  // Joins the shard, takes `first` (bytes read while the protocol was found out) and reads on.
  void start(std::string first);
  // Ends what has timed out at shard.now.
  void tick();
  // No further requests; ends once the exchanges under way have ended.
  virtual void drain() = 0;
  // Cuts the connection and cancels its handlers.
  void abort();

 protected:
  // Takes bytes of the peer. False: end the connection once what is queued has been sent.
  virtual bool consume(std::string_view data) = 0;
  // The peer ended its sending side.
  virtual void on_peer_end() = 0;
  // Appends up to about `room` bytes to `out`; nothing when there is nothing to send.
  virtual void fill(std::string& out, std::size_t room) = 0;
  // After a flush that emptied the buffer. True: nothing more will come, end the connection.
  virtual bool finished() = 0;
  // The connection is gone: exchanges are marked closed, their waits are woken.
  virtual void on_gone() = 0;
  // Exchanges whose handlers run.
  virtual std::vector<ServerExchange*> running() = 0;
  // Whether reading should go on; false holds back a peer that sends faster than handlers read.
  virtual bool wants_input() const = 0;
  // When nothing else happens, the connection ends at this point in time.
  virtual MonoTime deadline() const = 0;
  virtual void handler_ended(ServerExchange& exchange, bool failed) = 0;

  // Runs the handler inline up to its first suspension. Keeps `exchange` and the connection alive until it
  // ends.
  void run_handler(std::shared_ptr<ServerExchange> exchange);
  // Sends soon: at the end of this turn.
  void want_flush();
  // Sends now what fits.
  void flush();
  // Reads on if wants_input().
  void read_more();
  void close();
  bool gone() const { return gone_; }
  bool peer_ended() const { return peer_ended_; }
  bool flushed() const { return out_pos_ == out_.size() && !wire_->blocked(); }
  // Stops all I/O and gives up the wire (upgrade).
  std::shared_ptr<Wire> detach();

  const std::shared_ptr<ServerShard> shard_;
  const std::shared_ptr<ServerShared> shared_;
  std::shared_ptr<Wire> wire_;
  const std::shared_ptr<const ConnectionInfo> info_;
  MonoTime last_active_{};  // of the last byte in or out

 private:
  void on_readable(boost::system::error_code ec);
  bool read_turn();
  void fail_with(std::string why);
  void end_gently();
  // Once gone and without handlers.
  void leave_shard();

  std::string out_;  // filled, not yet written from out_pos_ on
  std::size_t out_pos_ = 0;
  bool reading_ = false;  // an async_readable is under way
  bool writing_ = false;  // an async_writable is under way
  bool flush_posted_ = false;
  bool in_turn_ = false;  // inside read_turn(): the flush comes at its end
  bool ending_ = false;   // consume() said false
  bool gone_ = false;
  bool peer_ended_ = false;
  bool held_back_ = false;  // read_turn() stopped because !wants_input()
  bool lingering_ = false;  // our side has ended; the peer's bytes are discarded until it ends too
};

std::shared_ptr<ServerConnection> make_h1_connection(std::shared_ptr<ServerShard> shard,
                                                     std::shared_ptr<Wire> wire,
                                                     std::shared_ptr<const ConnectionInfo> info);
std::shared_ptr<ServerConnection> make_h2_connection(std::shared_ptr<ServerShard> shard,
                                                     std::shared_ptr<Wire> wire,
                                                     std::shared_ptr<const ConnectionInfo> info);

// "Not Found" for 404; "Unknown" where there is none.
std::string_view reason_phrase(int status);

}  // namespace keelson::net
