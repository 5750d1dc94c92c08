// Outbox: what waits to be sent on one stream to one peer. Bounded: what does not fit is refused, not waited
// for. Internal to raft/transport.
//
// Thread rule: push(): any thread. The rest: the stream's coroutine.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "base/async.h"
#include "base/bytes.h"
#include "raft/core/message.h"

namespace keelson::raft {

class Outbox {
 public:
  using Item = std::variant<Message, Bytes>;

  Outbox(std::size_t max_items, std::size_t max_bytes) : max_items_(max_items), max_bytes_(max_bytes) {}

  // False: full, nothing was taken. One item is taken however large it is.
  bool push(Item&& item, std::size_t bytes) {
    std::lock_guard lock(mu_);
    if (items_.size() >= max_items_ || (bytes_ > 0 && bytes_ + bytes > max_bytes_)) return false;
    items_.push_back({std::move(item), bytes});
    bytes_ += bytes;
    if (items_.size() == 1) ready_.set();
    return true;
  }
  // Moves items of about `bytes` in all to `out`.
  void take(std::vector<Item>& out, std::size_t bytes) {
    std::lock_guard lock(mu_);
    std::size_t taken = 0;
    while (!items_.empty() && taken < bytes) {
      taken += items_.front().bytes;
      bytes_ -= items_.front().bytes;
      out.push_back(std::move(items_.front().item));
      items_.pop_front();
    }
    if (items_.empty()) ready_.reset();
  }
  // True when something was dropped.
  bool clear() {
    std::lock_guard lock(mu_);
    const bool any = !items_.empty();
    items_.clear();
    bytes_ = 0;
    ready_.reset();
    return any;
  }
  // Set while something waits, or after wake().
  Task<> wait() { return ready_.wait(); }
  void wake() { ready_.set(); }

 private:
  struct Queued {
    Item item;
    std::size_t bytes = 0;
  };
  const std::size_t max_items_;
  const std::size_t max_bytes_;
  std::mutex mu_;
  std::deque<Queued> items_;
  std::size_t bytes_ = 0;
  AsyncEvent ready_;
};

// As the frames of one piece (frame.h).
std::string encode_frames(const std::vector<Outbox::Item>& items);

}  // namespace keelson::raft
