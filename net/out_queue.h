// OutQueue: bytes on their way out. Small pieces are copied together, large ones shared.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace keelson::net {

class OutQueue {
 public:
  void append(std::string_view small) {
    tail_.append(small);
    size_ += small.size();
  }
  // Shares `piece` from 2 KiB on, copies it below.
  void append(Bytes piece) {
    if (piece.size() < kShareFrom) return append(piece.view());
    if (!tail_.empty()) {
      pieces_.push_back(Bytes(std::exchange(tail_, std::string())).slice(tail_pos_));
      tail_pos_ = 0;
    }
    size_ += piece.size();
    pieces_.push_back(std::move(piece));
  }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Moves the next `n` bytes to the end of `out`. REQUIRES: n <= size().
  void drain(std::string& out, std::size_t n) {
    size_ -= n;
    while (n > 0 && head_ < pieces_.size()) {
      const std::string_view rest = pieces_[head_].view().substr(head_pos_);
      const std::size_t take = std::min(n, rest.size());
      out.append(rest.substr(0, take));
      head_pos_ += take;
      n -= take;
      if (take < rest.size()) continue;
      pieces_[head_++] = Bytes();
      head_pos_ = 0;
    }
    if (head_ == pieces_.size() && head_ > 0) {
      pieces_.clear();
      head_ = 0;
    }
    if (n == 0) return;
    out.append(tail_, tail_pos_, n);
    tail_pos_ += n;
    if (tail_pos_ == tail_.size()) {
      tail_.clear();
      tail_pos_ = 0;
    }
  }
  void clear() { *this = OutQueue(); }

 private:
  static constexpr std::size_t kShareFrom = 2048;
  std::vector<Bytes> pieces_;  // first, from head_ on
  std::size_t head_ = 0;
  std::size_t head_pos_ = 0;
  std::string tail_;  // then this, from tail_pos_ on
  std::size_t tail_pos_ = 0;
  std::size_t size_ = 0;
};

}  // namespace keelson::net
