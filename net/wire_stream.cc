#include "net/wire_stream.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstring>

#include "net/home.h"

namespace keelson::net {
namespace {

Task<Result<std::size_t>> read_wire(std::shared_ptr<Wire> wire, char* buf, std::size_t n) {
  for (;;) {
    const Wire::Io io = wire->read(buf, n);
    if (io.state == Wire::State::kOk) co_return io.n;
    if (io.state == Wire::State::kEnd) co_return 0;
    if (io.state == Wire::State::kFailed) co_return fail(Code::kUnavailable, "read: " + wire->failure());
    co_await wire->wait_readable();
  }
}

Task<Result<void>> write_wire(std::shared_ptr<Wire> wire, std::string_view data) {
  for (;;) {
    const Wire::Io io = wire->write(data);
    data.remove_prefix(io.n);
    if (io.state == Wire::State::kOk) co_return Result<void>();
    if (io.state != Wire::State::kAgain) co_return fail(Code::kUnavailable, "write: " + wire->failure());
    co_await wire->wait_writable();
  }
}

Task<Result<void>> end_wire(std::shared_ptr<Wire> wire) {
  wire->shutdown_write();
  co_return Result<void>();
}

class WireStream final : public ByteStream {
 public:
  WireStream(std::shared_ptr<Wire> wire, std::string read_ahead)
      : wire_(std::move(wire)), read_ahead_(std::move(read_ahead)) {}
  ~WireStream() override {
    boost::asio::post(wire_->executor(), [wire = wire_] {
      wire->shutdown_write();
      wire->close();
    });
  }

  Task<Result<std::size_t>> read_some(char* buf, std::size_t n) override {
    if (ahead_pos_ < read_ahead_.size()) {
      const std::size_t take = std::min(n, read_ahead_.size() - ahead_pos_);
      std::memcpy(buf, read_ahead_.data() + ahead_pos_, take);
      ahead_pos_ += take;
      co_return take;
    }
    co_return co_await run_home(wire_->executor(), read_wire(wire_, buf, n));
  }
  Task<Result<void>> write_all(std::string_view data) override {
    co_return co_await run_home(wire_->executor(), write_wire(wire_, data));
  }
  Task<Result<void>> shutdown_write() override {
    co_return co_await run_home(wire_->executor(), end_wire(wire_));
  }
  void close() override { wire_->abort(); }
  Executor executor() override { return wire_->executor(); }

 private:
  std::shared_ptr<Wire> wire_;
  std::string read_ahead_;
  std::size_t ahead_pos_ = 0;
};

}  // namespace

std::unique_ptr<ByteStream> make_wire_stream(std::shared_ptr<Wire> wire, std::string read_ahead) {
  return std::make_unique<WireStream>(std::move(wire), std::move(read_ahead));
}

}  // namespace keelson::net
