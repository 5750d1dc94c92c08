// WireDriver: the read and write loops of an HTTP connection over a Wire, for server and client. Driven by
// readiness callbacks, not by a coroutine. All that becomes ready to send in one turn of the event loop
// leaves in one write.
//
//   socket readable → read_turn(): consume() … → flush(): fill() → one write       want_flush() → flush() at
//   the end of the turn
//
// Thread rule: home executor only. Lifetime: shared by its owner and its callbacks under way. Internal to
// net/.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/wire.h"

namespace keelson::net {

class WireDriver : public std::enable_shared_from_this<WireDriver> {
 public:
  virtual ~WireDriver() = default;
  WireDriver(const WireDriver&) = delete;
  WireDriver& operator=(const WireDriver&) = delete;

  // Takes `first` (bytes already read) and reads on.
  void run(std::string first);
  // Cuts the connection. Idempotent.
  void close() { close_for("closed"); }
  bool gone() const { return gone_; }

 protected:
  explicit WireDriver(std::shared_ptr<Wire> wire) : ex_(wire->executor()), wire_(std::move(wire)) {}

  // Takes bytes of the peer. False: end the connection once what is queued has been sent.
  virtual bool consume(std::string_view data) = 0;
  // The peer ended its sending side.
  virtual void on_peer_end() = 0;
  // Appends up to about `room` bytes to `out`; nothing when there is nothing to send.
  virtual void fill(std::string& out, std::size_t room) = 0;
  // After a flush that emptied the buffer. True: nothing more will come, end the connection.
  virtual bool finished() = 0;
  // The connection is gone; called once.
  virtual void on_gone(std::string_view why) = 0;
  // Whether reading should go on; false holds back a peer that sends faster than it is read.
  virtual bool wants_input() const = 0;
  // The time of activity, for last_active().
  virtual MonoTime coarse_now() const { return {}; }
  // Whether an ended connection may wait for the peer's end, so that the peer reads all before a reset.
  virtual bool may_linger() const { return false; }

  // Sends soon: at the end of this turn.
  void want_flush();
  // Sends now what fits.
  void flush();
  // Reads on if wants_input().
  void read_more();
  void close_for(std::string_view why);
  bool peer_ended() const { return peer_ended_; }
  bool lingering() const { return lingering_; }
  // REQUIRES: !gone().
  bool flushed() const { return out_pos_ == out_.size() && !wire_->blocked(); }
  MonoTime last_active() const { return last_active_; }
  // Stops all I/O and gives up the wire (upgrade). gone() afterwards; on_gone() is not called.
  std::shared_ptr<Wire> detach();

  const Executor ex_;
  std::shared_ptr<Wire> wire_;

 private:
  void on_readable(boost::system::error_code ec);
  void post_readable();
  bool read_turn();
  void end_gently();

  MonoTime last_active_{};  // of the last byte in or out
  std::string out_;         // filled, not yet written from out_pos_ on
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

}  // namespace keelson::net
