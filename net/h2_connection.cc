#include "net/h2_connection.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace keelson::net {
namespace {

constexpr Duration kIdlePingInterval = std::chrono::hours(2);
constexpr int kPingStrikesMax = 2;
constexpr std::string_view kTooManyPings = "too_many_pings";

}  // namespace

// ---- nghttp2's callbacks

struct H2Connection::Callbacks {
  static H2Connection& self(void* user) { return *static_cast<H2Connection*>(user); }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    H2Connection& c = self(user);
    const std::int32_t id = frame->hd.stream_id;
    auto x = std::make_shared<H2Exchange>(std::static_pointer_cast<H2Connection>(c.shared_from_this()), id,
                                          c.shard_->ex);
    nghttp2_session_set_stream_user_data(session, id, x.get());
    c.streams_.emplace(id, std::move(x));
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_len, const std::uint8_t* value, std::size_t value_len, std::uint8_t,
                    void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    H2Connection& c = self(user);
    H2Exchange* x = c.find(frame->hd.stream_id);
    if (x == nullptr) return 0;
    x->header_bytes_ += name_len + value_len + 32;
    if (x->header_bytes_ > c.shared_->options.max_header_bytes) return 0;
    const std::string_view n = h2_text(name, name_len);
    const std::string_view v = h2_text(value, value_len);
    Request& r = x->request_;
    if (n.front() != ':') {
      if (n != "host" || !r.headers.get("host")) r.headers.add(std::string(n), std::string(v));
    } else if (n == ":method") {
      r.method = v;
    } else if (n == ":path") {
      r.target = v;
    } else if (n == ":authority") {
      r.headers.set("host", std::string(v));
    }
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self(user).note_ping();
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    H2Connection& c = self(user);
    H2Exchange* x = c.find(frame->hd.stream_id);
    if (x == nullptr) return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      x->body_done_ = true;
      wake(x->input_);
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      c.ready_.push_back(c.streams_.at(frame->hd.stream_id));
    }
    return 0;
  }

  static int data_chunk(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                        std::size_t n, void* user) {
    H2Connection& c = self(user);
    nghttp2_session_consume_connection(session, n);
    H2Exchange* x = c.find(id);
    if (x == nullptr || (x->launched_ && !x->running_)) {
      nghttp2_session_consume_stream(session, id, n);
      return 0;
    }
    x->body_.append(reinterpret_cast<const char*>(data), n);
    wake(x->input_);
    return 0;
  }

  static int stream_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    H2Connection& c = self(user);
    const auto it = c.streams_.find(id);
    if (it == c.streams_.end()) return 0;
    const std::shared_ptr<H2Exchange> x = it->second;
    x->stream_open_ = false;
    x->queue_.clear();
    x->mark_closed();
    wake(x->input_);
    wake(x->room_);
    if (!x->running_) c.streams_.erase(it);
    return 0;
  }

  // A reply that is complete before its request: the rest of the request is not wanted (RFC 9113 §8.1).
  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    self(user).ping_strikes_ = 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    const H2Exchange* x = self(user).find(frame->hd.stream_id);
    if (x != nullptr && !x->body_done_) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  // How many bytes of DATA there are; send_data() moves them.
  static ssize_t read_data(nghttp2_session* session, std::int32_t id, std::uint8_t*, std::size_t length,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& x = *static_cast<H2Exchange*>(source->ptr);
    const std::size_t n = std::min(length, x.queue_.size());
    if (n == 0 && !x.finished_) {
      x.deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (x.finished_ && n == x.queue_.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!x.trailers_.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        std::vector<nghttp2_nv> fields;
        h2_append(fields, x.trailers_);
        nghttp2_submit_trailer(session, id, fields.data(), fields.size());
      }
    }
    return static_cast<ssize_t>(n);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_header, std::size_t n,
                       nghttp2_data_source* source, void* user) {
    H2Connection& c = self(user);
    auto& x = *static_cast<H2Exchange*>(source->ptr);
    if (c.sending_->size() >= c.room_) return NGHTTP2_ERR_WOULDBLOCK;
    c.sending_->append(reinterpret_cast<const char*>(frame_header), 9);
    x.queue_.drain(*c.sending_, n);
    if (x.queue_.size() <= c.shared_->options.write_buffer_bytes / 2) wake(x.room_);
    return 0;
  }

  static const nghttp2_session_callbacks* table() {
    static const nghttp2_session_callbacks* const kTable = [] {
      nghttp2_session_callbacks* t = nullptr;
      CHECK(nghttp2_session_callbacks_new(&t) == 0);
      nghttp2_session_callbacks_set_on_begin_headers_callback(t, begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(t, header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(t, frame_received);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(t, data_chunk);
      nghttp2_session_callbacks_set_on_stream_close_callback(t, stream_close);
      nghttp2_session_callbacks_set_on_frame_send_callback(t, frame_sent);
      nghttp2_session_callbacks_set_send_data_callback(t, send_data);
      return t;
    }();
    return kTable;
  }

  static const nghttp2_option* option() {
    static const nghttp2_option* const kOption = [] {
      nghttp2_option* o = nullptr;
      CHECK(nghttp2_option_new(&o) == 0);
      nghttp2_option_set_no_auto_window_update(o, 1);
      nghttp2_option_set_no_closed_streams(o, 1);
      // Cancelled watches and long polls are ordinary here; a flood of resets still ends the connection.
      nghttp2_option_set_stream_reset_rate_limit(o, 10'000, 1'000);
      return o;
    }();
    return kOption;
  }
};

// ---- connection

H2Connection::H2Connection(std::shared_ptr<ServerShard> shard, std::shared_ptr<Wire> wire,
                           std::shared_ptr<const ConnectionInfo> info)
    : ServerConnection(std::move(shard), std::move(wire), std::move(info)) {
  nghttp2_session* session = nullptr;
  CHECK(nghttp2_session_server_new2(&session, Callbacks::table(), this, Callbacks::option()) == 0);
  session_.reset(session);
  const ServerOptions& o = shared_->options;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, o.max_concurrent_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(kH2StreamWindow)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(o.max_header_bytes)},
  };
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kH2ConnectionWindow);
}

bool H2Connection::consume(std::string_view data) {
  heard_ = shard_->now;
  ping_sent_ = {};
  const ssize_t n = nghttp2_session_mem_recv(session_.get(),
                                             reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  if (n < 0) {
    nghttp2_session_terminate_session(session_.get(), NGHTTP2_PROTOCOL_ERROR);
    broken_ = n != NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  while (!ready_.empty()) {
    const auto batch = std::exchange(ready_, {});
    for (const auto& x : batch) launch(x);
  }
  return n >= 0 && !too_many_pings_;
}

// What gRPC servers do against clients that ping too often (gRFC A8); the words are looked for by clients.
void H2Connection::note_ping() {
  const Duration least = shared_->options.ping_interval_min;
  if (least == Duration() || goaway_sent_) return;
  const MonoTime now = shared_->clock->now();
  const MonoTime last = std::exchange(ping_received_, now);
  if (now - last >= (streams_.empty() ? kIdlePingInterval : least)) return;
  if (++ping_strikes_ <= kPingStrikesMax) return;
  goaway_sent_ = too_many_pings_ = true;
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_ENHANCE_YOUR_CALM,
                        reinterpret_cast<const std::uint8_t*>(kTooManyPings.data()), kTooManyPings.size());
}

void H2Connection::on_tick() {
  const ServerOptions& o = shared_->options;
  if (o.ping_after == Duration() || heard_ == MonoTime()) return;
  if (ping_sent_ != MonoTime()) {
    if (shard_->now - ping_sent_ > o.ping_timeout) close_for("no answer to a ping");
  } else if (shard_->now - heard_ > o.ping_after) {
    ping_sent_ = shard_->now;
    nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
    want_flush();
  }
}

void H2Connection::launch(std::shared_ptr<H2Exchange> x) {
  if (!x->stream_open_) return;
  x->launched_ = true;
  x->request_.connection = info_;
  x->head_ = x->request_.method == "HEAD";
  if (x->header_bytes_ > shared_->options.max_header_bytes) {
    x->started_ = x->finished_ = true;
    (void)submit(*x, 431, {}, 0, false);
    return;
  }
  x->running_ = true;
  run_handler(std::move(x));
}

Result<void> H2Connection::submit(H2Exchange& x, int status, const Headers& headers,
                                  std::optional<std::size_t> length, bool body) {
  char status_text[12];
  char length_text[24];
  const auto digits = [](char* buf, std::size_t size, std::size_t n) {
    return std::string_view(buf, static_cast<std::size_t>(std::to_chars(buf, buf + size, n).ptr - buf));
  };
  thread_local std::vector<nghttp2_nv> fields;
  fields.clear();
  fields.push_back(
      h2_field(":status", digits(status_text, sizeof status_text, static_cast<std::size_t>(status))));
  h2_append(fields, headers);
  if (length && !headers.get("content-length")) {
    fields.push_back(h2_field("content-length", digits(length_text, sizeof length_text, *length)));
  }
  if (!headers.get("date")) fields.push_back(h2_field("date", shard_->date));
  nghttp2_data_provider provider;
  provider.source.ptr = &x;
  provider.read_callback = Callbacks::read_data;
  const int r = nghttp2_submit_response(session_.get(), x.id_, fields.data(), fields.size(),
                                        body ? &provider : nullptr);
  want_flush();
  if (r != 0) return fail(Code::kCancelled, nghttp2_strerror(r));
  return {};
}

void H2Connection::fill(std::string& out, std::size_t room) {
  sending_ = &out;
  room_ = room;
  if (!broken_ && !h2_fill(session_.get(), out, room)) broken_ = true;
  sending_ = nullptr;
}

bool H2Connection::finished() {
  return broken_ ||
         (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0);
}

void H2Connection::end_exchanges() {
  auto all = std::move(streams_);
  streams_.clear();
  for (auto& [id, x] : all) {
    x->stream_open_ = false;
    x->queue_.clear();
    x->mark_closed();
    wake(x->input_);
    wake(x->room_);
    if (x->running_) streams_.emplace(id, std::move(x));
  }
}

std::vector<ServerExchange*> H2Connection::running() {
  std::vector<ServerExchange*> out;
  for (const auto& [id, x] : streams_) {
    if (x->running_) out.push_back(x.get());
  }
  return out;
}

MonoTime H2Connection::deadline() const {
  if (!streams_.empty() && flushed()) return MonoTime::max();
  return last_active() + shared_->options.idle_timeout;
}

void H2Connection::on_drain() {
  for (auto& [id, x] : streams_) x->mark_closed();
  if (gone() || std::exchange(goaway_sent_, true)) return;
  // Requests that the client has already sent are refused as unprocessed: it may repeat them elsewhere.
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_NO_ERROR, nullptr,
                        0);
  want_flush();
}

void H2Connection::handler_ended(ServerExchange& exchange, bool failed) {
  auto& x = static_cast<H2Exchange&>(exchange);
  x.running_ = false;
  if (x.stream_open_ && !gone()) {
    if (!x.finished_) {
      if (failed && !x.started_) {
        x.started_ = x.finished_ = true;
        (void)submit(x, 500, {}, 0, false);
      } else {
        nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, x.id_, NGHTTP2_INTERNAL_ERROR);
        want_flush();
      }
    }
    if (!x.body_.empty()) {
      nghttp2_session_consume_stream(session_.get(), x.id_, x.body_.size());
      x.body_.clear();
      want_flush();
    }
    return;
  }
  streams_.erase(x.id_);
  if (shared_->draining) want_flush();
}

std::shared_ptr<ServerConnection> make_h2_connection(std::shared_ptr<ServerShard> shard,
                                                     std::shared_ptr<Wire> wire,
                                                     std::shared_ptr<const ConnectionInfo> info) {
  return std::make_shared<H2Connection>(std::move(shard), std::move(wire), std::move(info));
}

}  // namespace keelson::net
