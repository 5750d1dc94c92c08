#include "net/pipe.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace keelson::net {

Task<Result<std::size_t>> BytePipe::read_some(char* buf, std::size_t n) {
  CHECK(n > 0);
  for (;;) {
    {
      std::lock_guard lock(mu_);
      if (read_closed_) co_return keelson::fail(Code::kCancelled, "the stream is closed");
      const std::size_t have = buffer_.size() - start_;
      if (have > 0) {
        const std::size_t got = std::min(n, have);
        std::memcpy(buf, buffer_.data() + start_, got);
        start_ += got;
        if (start_ == buffer_.size()) {
          buffer_.clear();
          start_ = 0;
        }
        writable_.set();
        co_return got;
      }
      if (error_) co_return std::unexpected(*error_);
      if (finished_) co_return std::size_t{0};
      readable_.reset();
    }
    co_await readable_.wait();
  }
}

Task<Result<void>> BytePipe::write_all(std::string_view data) {
  for (;;) {
    {
      std::lock_guard lock(mu_);
      if (finished_ || error_) co_return keelson::fail(Code::kUnavailable, "write on a closed stream");
      if (read_closed_) co_return Result<void>{};
      const std::size_t have = buffer_.size() - start_;
      const std::size_t take = std::min(data.size(), capacity_ - std::min(capacity_, have));
      if (take > 0) {
        if (start_ > 0) {
          buffer_.erase(0, start_);
          start_ = 0;
        }
        buffer_.append(data.substr(0, take));
        data.remove_prefix(take);
        readable_.set();
      }
      if (data.empty()) co_return Result<void>{};
      writable_.reset();
    }
    co_await writable_.wait();
  }
}

void BytePipe::finish() {
  std::lock_guard lock(mu_);
  finished_ = true;
  readable_.set();
  writable_.set();
}

void BytePipe::fail(Error error) {
  std::lock_guard lock(mu_);
  if (!finished_ && !error_) error_ = std::move(error);
  readable_.set();
  writable_.set();
}

void BytePipe::close_read() {
  std::lock_guard lock(mu_);
  read_closed_ = true;
  buffer_.clear();
  start_ = 0;
  readable_.set();
  writable_.set();
}

bool BytePipe::read_closed() const {
  std::lock_guard lock(mu_);
  return read_closed_;
}

namespace {

// One end: reads `in`, writes `out`, both shared with the other end.
class PipeEnd final : public ByteStream {
 public:
  PipeEnd(Executor ex, std::shared_ptr<BytePipe> in, std::shared_ptr<BytePipe> out)
      : ex_(std::move(ex)), in_(std::move(in)), out_(std::move(out)) {}
  ~PipeEnd() override { PipeEnd::close(); }

  Task<Result<std::size_t>> read_some(char* buf, std::size_t n) override { return in_->read_some(buf, n); }
  Task<Result<void>> write_all(std::string_view data) override { return out_->write_all(data); }
  Task<Result<void>> shutdown_write() override {
    out_->finish();
    co_return Result<void>{};
  }
  void close() override {
    out_->finish();
    in_->finish();
    in_->close_read();
  }
  Executor executor() override { return ex_; }

 private:
  Executor ex_;
  std::shared_ptr<BytePipe> in_;
  std::shared_ptr<BytePipe> out_;
};

}  // namespace

std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_pipe(Executor ex,
                                                                              std::size_t capacity) {
  auto ab = std::make_shared<BytePipe>(capacity);
  auto ba = std::make_shared<BytePipe>(capacity);
  return {std::make_unique<PipeEnd>(ex, ba, ab), std::make_unique<PipeEnd>(ex, ab, ba)};
}

}  // namespace keelson::net
