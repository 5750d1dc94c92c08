#include "net/wire_driver.h"

#include <boost/asio/post.hpp>

namespace keelson::net {

namespace asio = boost::asio;

namespace {
constexpr std::size_t kReadBuffer = 64 * 1024;
constexpr std::size_t kOutBuffer = 64 * 1024;
// A larger buffer is given back to the allocator when it has drained.
constexpr std::size_t kKeepBuffer = 16 * 1024;
// Reads per turn before other connections of the executor get theirs.
constexpr int kReadsPerTurn = 8;
}  // namespace

void WireDriver::run(std::string first) {
  last_active_ = coarse_now();
  const auto self = shared_from_this();
  in_turn_ = true;
  if (!first.empty() && !consume(first)) ending_ = true;
  in_turn_ = false;
  flush();
  on_readable({});
}

void WireDriver::close_for(std::string_view why) {
  if (gone_) return;
  const auto self = shared_from_this();
  gone_ = true;
  if (wire_) wire_->close();
  on_gone(why);
}

std::shared_ptr<Wire> WireDriver::detach() {
  gone_ = true;
  wire_->cancel_waits();
  return std::move(wire_);
}

void WireDriver::post_readable() {
  reading_ = true;
  asio::post(ex_, [self = shared_from_this()] {
    self->reading_ = false;
    self->on_readable({});
  });
}

void WireDriver::read_more() {
  if (reading_ || gone_ || peer_ended_ || !(lingering_ || wants_input())) return;
  if (held_back_) {
    // TLS may hold bytes that the socket will not announce.
    held_back_ = false;
    return post_readable();
  }
  reading_ = true;
  wire_->async_readable([self = shared_from_this()](boost::system::error_code ec) {
    self->reading_ = false;
    self->on_readable(ec);
  });
}

void WireDriver::on_readable(boost::system::error_code ec) {
  if (gone_ || ec) return;
  const auto self = shared_from_this();
  in_turn_ = true;
  const bool more = read_turn();
  in_turn_ = false;
  flush();
  if (gone_) return;
  if (more) {
    post_readable();  // the rest after the others' turns
  } else {
    read_more();
  }
}

// True when the wire may have more.
bool WireDriver::read_turn() {
  thread_local std::unique_ptr<char[]> buffer(new char[kReadBuffer]);
  for (int i = 0; i < kReadsPerTurn; ++i) {
    if (gone_ || peer_ended_) return false;
    if (!lingering_ && !wants_input()) {
      held_back_ = true;
      return false;
    }
    const Wire::Io io = wire_->read(buffer.get(), kReadBuffer);
    if (io.state == Wire::State::kAgain) return false;
    if (io.state == Wire::State::kFailed) {
      close_for(wire_->failure());
      return false;
    }
    if (io.state == Wire::State::kEnd) {
      peer_ended_ = true;
      if (lingering_) {
        close();
      } else {
        on_peer_end();
      }
      return false;
    }
    if (lingering_) continue;
    last_active_ = coarse_now();
    if (!ending_ && !consume({buffer.get(), io.n})) ending_ = true;
  }
  return true;
}

void WireDriver::want_flush() {
  if (in_turn_ || flush_posted_ || writing_ || gone_) return;
  flush_posted_ = true;
  asio::post(ex_, [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void WireDriver::flush() {
  if (gone_ || writing_) return;
  const auto self = shared_from_this();
  for (;;) {
    if (out_.size() - out_pos_ < kOutBuffer) fill(out_, kOutBuffer);
    if (gone_) return;
    if (out_.size() == out_pos_ && !wire_->blocked()) break;
    const Wire::Io io = wire_->write(std::string_view(out_).substr(out_pos_));
    out_pos_ += io.n;
    if (io.n > 0) last_active_ = coarse_now();
    if (out_pos_ == out_.size()) {
      out_pos_ = 0;
      out_.clear();
      if (out_.capacity() > kKeepBuffer) out_.shrink_to_fit();
    }
    if (io.state == Wire::State::kOk) continue;
    if (io.state != Wire::State::kAgain) return close_for(wire_->failure());
    if (out_pos_ > 0) {
      out_.erase(0, out_pos_);
      out_pos_ = 0;
    }
    writing_ = true;
    wire_->async_writable([self](boost::system::error_code) {
      self->writing_ = false;
      self->flush();
    });
    return;
  }
  if (!lingering_ && (finished() || ending_)) end_gently();
}

void WireDriver::end_gently() {
  if (gone_) return;
  wire_->shutdown_write();
  if (peer_ended_ || !may_linger()) return close();
  lingering_ = true;
  read_more();
}

}  // namespace keelson::net
