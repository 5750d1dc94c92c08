#include "net/frame_writer.h"

namespace keelson::net {

Task<> FrameWriter::run() {
  while (!error_) {
    if (queue_.empty()) {
      if (finished_) break;
      wake_.reset();
      co_await wake_.wait();
      continue;
    }
    writing_.clear();
    writing_.swap(queue_);
    moved_.set();
    auto written = co_await out_.write_all(writing_);
    writing_.clear();
    if (!written && !error_) error_ = std::move(written).error();
    moved_.set();
  }
  moved_.set();
}

Result<void> FrameWriter::state() const {
  if (error_) return std::unexpected(*error_);
  if (finished_) return keelson::fail(Code::kUnavailable, "the connection is closing");
  return {};
}

Task<Result<void>> FrameWriter::wait_room() {
  for (;;) {
    if (auto s = state(); !s) co_return s;
    if (queue_.size() < limit_) co_return Result<void>{};
    moved_.reset();
    co_await moved_.wait();
  }
}

Result<void> FrameWriter::push(std::string_view frame) {
  if (auto s = state(); !s) return s;
  if (queue_.size() > 2 * limit_) {
    fail(Error{Code::kResourceExhausted, "the peer does not read"});
    return state();
  }
  queue_ += frame;
  wake_.set();
  return {};
}

Task<Result<void>> FrameWriter::flush() {
  while (!error_ && !(queue_.empty() && writing_.empty())) {
    moved_.reset();
    co_await moved_.wait();
  }
  if (error_) co_return std::unexpected(*error_);
  co_return Result<void>{};
}

void FrameWriter::finish() {
  finished_ = true;
  wake_.set();
  moved_.set();
}

void FrameWriter::fail(Error error) {
  if (!error_) error_ = std::move(error);
  wake_.set();
  moved_.set();
}

}  // namespace keelson::net
