// HTTP/1.1 on the server: one exchange at a time; pipelined requests wait in the input buffer.
#include <algorithm>
#include <charconv>
#include <optional>

#include "base/check.h"
#include "net/h1_parser.h"
#include "net/home.h"
#include "net/out_queue.h"
#include "net/server_connection.h"
#include "net/wire_stream.h"

namespace keelson::net {
namespace {

constexpr std::size_t kBodyAhead = 256 * 1024;     // body bytes read before the handler takes them
constexpr std::size_t kPipelineAhead = 64 * 1024;  // bytes of later requests read ahead

class H1Connection;

class H1Exchange final : public ServerExchange {
 public:
  H1Exchange(std::shared_ptr<H1Connection> connection, Executor ex)
      : ServerExchange(std::move(ex)), c_(std::move(connection)) {}

  Task<Result<std::string>> read_body(std::size_t max_bytes) override;
  Task<Result<std::string>> read_some() override;
  Task<Result<void>> start(int status, Headers headers) override;
  Task<Result<void>> write(Bytes data) override;
  Task<Result<void>> finish(Headers trailers) override;
  Task<Result<std::unique_ptr<ByteStream>>> upgrade(Headers headers) override;

 private:
  friend class H1Connection;
  Result<void> reply(int status, const Headers& headers, std::span<Bytes> body) override;
  bool bodiless(int status) const { return head_ || status == 204 || status == 304 || status < 200; }
  Result<void> check_unstarted() const;

  const std::shared_ptr<H1Connection> c_;
  bool head_ = false;  // a HEAD request
  bool version_10_ = false;
  bool expects_continue_ = false;  // and 100 has not been sent
  bool body_failed_ = false;
  bool started_ = false;
  bool chunked_ = false;
  bool body_dropped_ = false;  // writes are not sent: HEAD, 204, 304
  bool finished_ = false;
  std::optional<AsyncEvent> input_;  // body arrived, or never will
  std::optional<AsyncEvent> room_;   // output drained
};

class H1Connection final : public ServerConnection {
 public:
  H1Connection(std::shared_ptr<ServerShard> shard, std::shared_ptr<Wire> wire,
               std::shared_ptr<const ConnectionInfo> info)
      : ServerConnection(std::move(shard), std::move(wire), std::move(info)),
        parser_(H1Parser::Kind::kRequest, shared_->options.max_header_bytes) {}

 protected:
  void on_drain() override;
  bool consume(std::string_view data) override;
  void on_peer_end() override;
  void fill(std::string& out, std::size_t room) override;
  bool finished() override;
  void end_exchanges() override;
  std::vector<ServerExchange*> running() override;
  bool wants_input() const override;
  MonoTime deadline() const override;
  void handler_ended(ServerExchange& exchange, bool failed) override;

 private:
  friend class H1Exchange;
  bool advance();
  bool begin_exchange();
  void refuse(int status);
  // Writes status line and headers with what framing and connection management need.
  void put_head(int status, const Headers& headers, std::optional<std::size_t> content_length, bool chunked);
  bool will_close() const { return !keep_ || shared_->draining || peer_ended(); }
  std::size_t waiting_input() const { return in_.size() - in_pos_; }

  H1Parser parser_;
  std::string in_;  // unparsed from in_pos_ on
  std::size_t in_pos_ = 0;
  OutQueue queue_;
  std::shared_ptr<H1Exchange> current_;
  MonoTime request_began_{};
  bool keep_ = true;      // the connection outlives the current exchange
  bool stop_ = false;     // end once everything is sent
  bool stalled_ = false;  // the next request waits for the output to drain
};

void wake(std::optional<AsyncEvent>& event) {
  if (event) event->set();
}

Task<> wait_on(std::optional<AsyncEvent>& event) {
  if (!event) event.emplace();
  event->reset();
  co_await event->wait();
}

// ---- connection

bool H1Connection::consume(std::string_view data) {
  if (in_pos_ == in_.size()) {
    in_.clear();
    in_pos_ = 0;
  }
  in_.append(data);
  return advance();
}

bool H1Connection::advance() {
  bool launch = false;
  while (!stop_ && !gone() && waiting_input() > 0) {
    if (current_ && parser_.done()) break;
    if (!current_ && queue_.size() > shared_->options.write_buffer_bytes) {
      stalled_ = true;
      break;
    }
    if (!parser_.started()) request_began_ = shard_->now;
    const auto taken = parser_.put(std::string_view(in_).substr(in_pos_));
    if (!taken) {
      if (current_) {
        current_->body_failed_ = true;
        keep_ = false;
        break;
      }
      refuse(taken.error().code == Code::kResourceExhausted ? 431 : 400);
      return false;
    }
    in_pos_ += *taken;
    if (!current_ && parser_.header_done()) {
      if (!begin_exchange()) return false;
      launch = true;
      continue;
    }
    if (*taken == 0) break;
  }
  if (in_pos_ > 0) {
    in_.erase(0, in_pos_);
    in_pos_ = 0;
  }
  if (launch) {
    run_handler(current_);
  } else if (current_) {
    wake(current_->input_);
  } else if (in_.size() > shared_->options.max_header_bytes) {
    refuse(431);
    return false;
  }
  return true;
}

bool H1Connection::begin_exchange() {
  H1Message& m = parser_.message();
  if (m.version == 11 && !m.headers.get("host")) {
    refuse(400);
    return false;
  }
  current_ =
      std::make_shared<H1Exchange>(std::static_pointer_cast<H1Connection>(shared_from_this()), shard_->ex);
  keep_ = parser_.keep_alive();
  current_->version_10_ = m.version == 10;
  current_->head_ = m.method == "HEAD";
  current_->expects_continue_ = m.headers.has_token("expect", "100-continue");
  Request& r = current_->request_;
  r.method = std::move(m.method);
  r.target = std::move(m.target);
  r.headers = std::move(m.headers);
  r.connection = info_;
  return true;
}

void H1Connection::refuse(int status) {
  keep_ = false;
  put_head(status, {}, 0, false);
}

void H1Connection::put_head(int status, const Headers& headers, std::optional<std::size_t> content_length,
                            bool chunked) {
  char number[24];
  const auto digits = [&number](std::size_t n) {
    return std::string_view(
        number, static_cast<std::size_t>(std::to_chars(number, number + sizeof number, n).ptr - number));
  };
  queue_.append(std::string_view("HTTP/1.1 "));
  queue_.append(digits(static_cast<std::size_t>(status)));
  queue_.append(std::string_view(" "));
  queue_.append(reason_phrase(status));
  queue_.append(std::string_view("\r\n"));
  bool has_date = false;
  for (const auto& [name, value] : headers.fields()) {
    if (name == "content-length") content_length.reset();
    has_date = has_date || name == "date";
    queue_.append(std::string_view(name));
    queue_.append(std::string_view(": "));
    queue_.append(std::string_view(value));
    queue_.append(std::string_view("\r\n"));
  }
  if (content_length) {
    queue_.append(std::string_view("content-length: "));
    queue_.append(digits(*content_length));
    queue_.append(std::string_view("\r\n"));
  }
  if (chunked) queue_.append(std::string_view("transfer-encoding: chunked\r\n"));
  if (!has_date) {
    queue_.append(std::string_view("date: "));
    queue_.append(std::string_view(shard_->date));
    queue_.append(std::string_view("\r\n"));
  }
  if (status != 101) {
    if (will_close()) {
      queue_.append(std::string_view("connection: close\r\n"));
    } else if (current_ && current_->version_10_) {
      queue_.append(std::string_view("connection: keep-alive\r\n"));
    }
  }
  queue_.append(std::string_view("\r\n"));
}

void H1Connection::on_peer_end() {
  if (!current_) {
    stop_ = true;
    return;
  }
  keep_ = false;
  if (!parser_.done()) current_->body_failed_ = true;
  current_->mark_closed();
  wake(current_->input_);
}

void H1Connection::on_drain() {
  if (!current_) {
    stop_ = true;
    want_flush();
  } else {
    current_->mark_closed();
  }
}

void H1Connection::fill(std::string& out, std::size_t room) {
  queue_.drain(out, std::min(room, queue_.size()));
  if (current_ && queue_.size() <= shared_->options.write_buffer_bytes / 2) wake(current_->room_);
}

bool H1Connection::finished() {
  if (current_) wake(current_->room_);
  if (stalled_) {
    stalled_ = false;
    if (!advance()) stop_ = true;
    want_flush();
    return false;
  }
  return stop_ && queue_.empty();
}

void H1Connection::end_exchanges() {
  queue_.clear();
  if (!current_) return;
  current_->body_failed_ = !parser_.done();
  current_->mark_closed();
  wake(current_->input_);
  wake(current_->room_);
}

std::vector<ServerExchange*> H1Connection::running() {
  return current_ ? std::vector<ServerExchange*>{current_.get()} : std::vector<ServerExchange*>();
}

bool H1Connection::wants_input() const {
  if (peer_ended() || stalled_) return false;
  if (!current_ || parser_.done()) return waiting_input() < kPipelineAhead;
  return const_cast<H1Parser&>(parser_).message().body.size() < kBodyAhead;
}

MonoTime H1Connection::deadline() const {
  const ServerOptions& o = shared_->options;
  if (!flushed() || !queue_.empty()) return last_active() + o.idle_timeout;
  if (current_) return parser_.done() ? MonoTime::max() : last_active() + o.idle_timeout;
  if (parser_.started()) return request_began_ + o.header_timeout;
  return last_active() + o.idle_timeout;
}

void H1Connection::handler_ended(ServerExchange& exchange, bool failed) {
  auto x = std::move(current_);
  CHECK(x.get() == &exchange);
  if (gone()) return;
  if (!x->finished_) {
    keep_ = false;
    if (failed && !x->started_) put_head(500, {}, 0, false);
  }
  if (!parser_.done()) keep_ = false;
  if (will_close()) {
    stop_ = true;
  } else {
    parser_.reset();
    if (!advance()) stop_ = true;
    read_more();
  }
  if (stop_ || !queue_.empty()) want_flush();
}

// ---- exchange

Result<void> H1Exchange::check_unstarted() const {
  if (started_) return fail(Code::kFailedPrecondition, "the exchange was already answered");
  if (c_->gone()) return fail(Code::kCancelled, "the client is gone");
  return {};
}

Task<Result<std::string>> H1Exchange::read_some() {
  GO_HOME(ex_);
  for (;;) {
    std::string& body = c_->parser_.message().body;
    if (!body.empty()) {
      std::string out = std::exchange(body, std::string());
      c_->advance();
      c_->read_more();
      co_return out;
    }
    if (c_->parser_.done()) co_return std::string();
    if (body_failed_ || c_->gone()) co_return fail(Code::kCancelled, "the client broke off its request");
    if (std::exchange(expects_continue_, false)) {
      c_->queue_.append(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"));
      c_->want_flush();
    }
    co_await wait_on(input_);
  }
}

Task<Result<std::string>> H1Exchange::read_body(std::size_t max_bytes) {
  GO_HOME(ex_);
  const auto length = c_->parser_.content_length();
  if (length && *length > max_bytes)
    co_return fail(Code::kResourceExhausted, "the request body is too large");
  std::string whole;
  for (;;) {
    std::string piece = CO_TRY(co_await read_some());
    if (piece.empty()) co_return whole;
    if (whole.size() + piece.size() > max_bytes) {
      co_return fail(Code::kResourceExhausted, "the request body is too large");
    }
    if (whole.empty()) {
      whole = std::move(piece);
    } else {
      whole += piece;
    }
  }
}

Result<void> H1Exchange::reply(int status, const Headers& headers, std::span<Bytes> body) {
  TRY(check_unstarted());
  started_ = finished_ = true;
  std::size_t size = 0;
  for (const Bytes& b : body) size += b.size();
  if (!c_->parser_.done()) c_->keep_ = false;
  const bool no_length = status == 204 || status == 304 || status < 200;
  c_->put_head(status, headers, no_length ? std::nullopt : std::optional(size), false);
  if (!bodiless(status)) {
    for (Bytes& b : body) c_->queue_.append(std::move(b));
  }
  c_->want_flush();
  return {};
}

Task<Result<void>> H1Exchange::start(int status, Headers headers) {
  GO_HOME(ex_);
  CO_TRY(check_unstarted());
  started_ = true;
  body_dropped_ = bodiless(status);
  const bool has_length = headers.get("content-length").has_value();
  chunked_ = !body_dropped_ && !has_length && !version_10_;
  if (!c_->parser_.done() || (!chunked_ && !has_length && !body_dropped_)) c_->keep_ = false;
  c_->put_head(status, headers, std::nullopt, chunked_);
  c_->want_flush();
  co_return Result<void>();
}

Task<Result<void>> H1Exchange::write(Bytes data) {
  GO_HOME(ex_);
  if (!started_ || finished_) co_return fail(Code::kFailedPrecondition, "write() outside start() … finish()");
  if (c_->gone()) co_return fail(Code::kCancelled, "the client is gone");
  if (data.empty() || body_dropped_) co_return Result<void>();
  if (chunked_) {
    char size[24];
    char* end = std::to_chars(size, size + sizeof size - 2, data.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    c_->queue_.append(std::string_view(size, static_cast<std::size_t>(end - size)));
  }
  c_->queue_.append(std::move(data));
  if (chunked_) c_->queue_.append(std::string_view("\r\n"));
  c_->want_flush();
  const std::size_t limit = c_->shared_->options.write_buffer_bytes;
  if (c_->queue_.size() <= limit) co_return Result<void>();
  while (c_->queue_.size() > limit / 2 && !c_->gone()) co_await wait_on(room_);
  if (c_->gone()) co_return fail(Code::kCancelled, "the client is gone");
  co_return Result<void>();
}

Task<Result<void>> H1Exchange::finish(Headers trailers) {
  GO_HOME(ex_);
  if (!started_ || finished_) co_return fail(Code::kFailedPrecondition, "finish() without start(), or twice");
  finished_ = true;
  if (c_->gone()) co_return fail(Code::kCancelled, "the client is gone");
  if (!chunked_) co_return Result<void>();
  c_->queue_.append(std::string_view("0\r\n"));
  for (const auto& [name, value] : trailers.fields()) {
    c_->queue_.append(std::string_view(name + ": " + value + "\r\n"));
  }
  c_->queue_.append(std::string_view("\r\n"));
  c_->want_flush();
  co_return Result<void>();
}

Task<Result<std::unique_ptr<ByteStream>>> H1Exchange::upgrade(Headers headers) {
  GO_HOME(ex_);
  CO_TRY(check_unstarted());
  started_ = true;
  c_->put_head(101, headers, std::nullopt, false);
  c_->want_flush();
  while (!c_->gone() && (!c_->queue_.empty() || !c_->flushed())) co_await wait_on(room_);
  if (c_->gone()) co_return fail(Code::kCancelled, "the client is gone");
  finished_ = true;
  auto wire = c_->detach();
  c_->shard_->upgraded.push_back(wire);
  std::string ahead = c_->parser_.message().body + c_->in_.substr(c_->in_pos_);
  c_->in_.clear();
  c_->in_pos_ = 0;
  co_return make_wire_stream(std::move(wire), std::move(ahead));
}

}  // namespace

std::shared_ptr<ServerConnection> make_h1_connection(std::shared_ptr<ServerShard> shard,
                                                     std::shared_ptr<Wire> wire,
                                                     std::shared_ptr<const ConnectionInfo> info) {
  return std::make_shared<H1Connection>(std::move(shard), std::move(wire), std::move(info));
}

}  // namespace keelson::net
