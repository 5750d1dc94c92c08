#include "net/h2_connection.h"
#include "net/home.h"

namespace keelson::net {
namespace {

Task<> wait_on(std::optional<AsyncEvent>& event) {
  if (!event) event.emplace();
  event->reset();
  co_await event->wait();
}

}  // namespace

Result<void> H2Exchange::check_unstarted() const {
  if (started_) return fail(Code::kFailedPrecondition, "the exchange was already answered");
  if (!stream_open_) return fail(Code::kCancelled, "the client is gone");
  return {};
}

std::string H2Exchange::take_body() {
  std::string out = std::exchange(body_, std::string());
  if (!out.empty() && !body_done_ && stream_open_) {
    nghttp2_session_consume_stream(c_->session_.get(), id_, out.size());
    c_->want_flush();
  }
  return out;
}

Task<Result<std::string>> H2Exchange::read_some() {
  GO_HOME(ex_);
  for (;;) {
    if (!body_.empty()) co_return take_body();
    if (body_done_) co_return std::string();
    if (!stream_open_) co_return fail(Code::kCancelled, "the client broke off its request");
    co_await wait_on(input_);
  }
}

std::optional<std::string> H2Exchange::read_now() {
  if (!at_home(ex_)) return std::nullopt;
  if (!body_.empty()) return take_body();
  if (body_done_) return std::string();
  return std::nullopt;
}

bool H2Exchange::respond_now(int status, const Headers& headers, Bytes body, Headers trailers) {
  if (!at_home(ex_) || head_ || !check_unstarted()) return false;
  started_ = finished_ = true;
  trailers_ = std::move(trailers);
  if (!body.empty()) queue_.append(std::move(body));
  return c_->submit(*this, status, headers, std::nullopt, true).has_value();
}

Task<Result<std::string>> H2Exchange::read_body(std::size_t max_bytes) {
  GO_HOME(ex_);
  std::string whole;
  for (;;) {
    if (whole.size() + body_.size() > max_bytes) {
      co_return fail(Code::kResourceExhausted, "the request body is too large");
    }
    if (whole.empty()) {
      whole = take_body();
    } else {
      whole += take_body();
    }
    if (body_done_) co_return whole;
    if (!stream_open_) co_return fail(Code::kCancelled, "the client broke off its request");
    co_await wait_on(input_);
  }
}

Result<void> H2Exchange::reply(int status, const Headers& headers, std::span<Bytes> body) {
  TRY(check_unstarted());
  started_ = finished_ = true;
  std::size_t size = 0;
  for (const Bytes& b : body) size += b.size();
  const bool bodiless = head_ || status == 204 || status == 304 || size == 0;
  if (!bodiless) {
    for (Bytes& b : body) queue_.append(std::move(b));
  }
  const bool no_length = status == 204 || status == 304;
  return c_->submit(*this, status, headers, no_length ? std::nullopt : std::optional(size), !bodiless);
}

Task<Result<void>> H2Exchange::start(int status, Headers headers) {
  GO_HOME(ex_);
  CO_TRY(check_unstarted());
  started_ = true;
  co_return c_->submit(*this, status, headers, std::nullopt, !head_);
}

void H2Exchange::resume_output() {
  if (!deferred_) return c_->want_flush();
  deferred_ = false;
  nghttp2_session_resume_data(c_->session_.get(), id_);
  c_->want_flush();
}

Task<Result<void>> H2Exchange::write(Bytes data) {
  GO_HOME(ex_);
  if (!started_ || finished_) co_return fail(Code::kFailedPrecondition, "write() outside start() … finish()");
  if (!stream_open_) co_return fail(Code::kCancelled, "the client is gone");
  if (data.empty() || head_) co_return Result<void>();
  queue_.append(std::move(data));
  resume_output();
  const std::size_t limit = c_->shared_->options.write_buffer_bytes;
  if (queue_.size() <= limit) co_return Result<void>();
  while (queue_.size() > limit / 2 && stream_open_) co_await wait_on(room_);
  if (!stream_open_) co_return fail(Code::kCancelled, "the client is gone");
  co_return Result<void>();
}

Task<Result<void>> H2Exchange::finish(Headers trailers) {
  GO_HOME(ex_);
  if (!started_ || finished_) co_return fail(Code::kFailedPrecondition, "finish() without start(), or twice");
  finished_ = true;
  if (!stream_open_) co_return fail(Code::kCancelled, "the client is gone");
  trailers_ = std::move(trailers);
  resume_output();
  co_return Result<void>();
}

Task<Result<std::unique_ptr<ByteStream>>> H2Exchange::upgrade(Headers) {
  co_return fail(Code::kFailedPrecondition, "HTTP/2 connections cannot be upgraded");
}

}  // namespace keelson::net
