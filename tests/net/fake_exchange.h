// An Exchange without a server: takes what is answered, and hands out one end of a pipe on upgrade().
#pragma once

#include <optional>

#include "base/async.h"
#include "net/pipe.h"

namespace keelson::net {

class FakeExchange final : public Exchange {
 public:
  FakeExchange(Executor ex, Request request) : ex_(std::move(ex)), request_(std::move(request)) {
    std::tie(near_, client) = make_pipe(ex_);
  }
  const Request& request() const override { return request_; }
  Executor executor() override { return ex_; }
  Task<Result<std::string>> read_body(std::size_t) override { co_return std::string(); }
  Task<Result<std::string>> read_some() override { co_return std::string(); }
  Task<Result<void>> respond(int s, Headers h, Bytes b) override {
    status = s;
    headers = std::move(h);
    body = b.view();
    co_return Result<void>{};
  }
  Task<Result<void>> respond(int s, Headers h, std::vector<Bytes> parts) override {
    status = s;
    headers = std::move(h);
    for (const auto& p : parts) body += p.view();
    co_return Result<void>{};
  }
  Task<Result<void>> start(int s, Headers h) override {
    status = s;
    headers = std::move(h);
    co_return Result<void>{};
  }
  Task<Result<void>> write(Bytes data) override {
    body += data.view();
    wrote.set();
    co_return Result<void>{};
  }
  Task<Result<void>> finish(Headers) override {
    finished = true;
    co_return Result<void>{};
  }
  Task<> closed() override { return gone.wait(); }
  bool is_closed() const override { return gone.is_set(); }
  Task<Result<std::unique_ptr<ByteStream>>> upgrade(Headers h) override {
    status = 101;
    headers = std::move(h);
    upgraded.set();
    co_return std::move(near_);
  }

  std::unique_ptr<ByteStream> client;  // the client's end of the connection
  int status = 0;
  Headers headers;
  std::string body;
  bool finished = false;
  AsyncEvent gone, upgraded, wrote;

 private:
  Executor ex_;
  Request request_;
  std::unique_ptr<ByteStream> near_;
};

}  // namespace keelson::net
