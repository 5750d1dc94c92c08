// HTTP/2 on the client, over nghttp2: many exchanges at once.
#include <algorithm>
#include <unordered_map>

#include "base/check.h"
#include "net/client_connection.h"
#include "net/h2_session.h"

namespace keelson::net {
namespace {

constexpr Duration kSilence = std::chrono::seconds(15);      // before a PING
constexpr Duration kPingTimeout = std::chrono::seconds(15);  // until its answer, or anything else
constexpr std::uint32_t kMaxCalls = 1000;  // per connection, even if the server would take more

Error reset_error(std::uint32_t code) {
  const std::string name = nghttp2_http2_strerror(code);
  switch (code) {
    case NGHTTP2_CANCEL:
      return {Code::kCancelled, "the server cancelled the stream"};
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return {Code::kResourceExhausted, "the server reset the stream: " + name};
    default:
      return {Code::kUnavailable, "the server reset the stream: " + name};
  }
}

class H2Client final : public ClientConnection {
 public:
  H2Client(std::shared_ptr<Wire> wire, std::string authority, bool tls, bool pings);

  void begin(std::shared_ptr<ClientCall> call, ClientRequest request, bool streaming) override;
  void resume(ClientCall& call) override;
  void taken(ClientCall& call, std::size_t n) override;
  void abandon(ClientCall& call, Error why) override;
  bool usable() const override;
  bool is_h2() const override { return true; }
  bool expire(MonoTime now) override;
  void check_health(MonoTime now) override;
  void retire() override {
    retired_ = true;
    want_flush();
  }
  std::pair<std::shared_ptr<Wire>, std::string> take_upgraded() override {
    CHECK(false);
    return {};
  }

 protected:
  bool consume(std::string_view data) override;
  void on_peer_end() override { close_for("the server closed the connection"); }
  void fill(std::string& out, std::size_t room) override;
  bool finished() override;
  void on_gone(std::string_view why) override;
  bool wants_input() const override { return true; }

 private:
  struct Callbacks;
  ClientCall* find(std::int32_t id) const {
    const auto it = calls_.find(id);
    return it == calls_.end() ? nullptr : it->second.get();
  }

  const std::string authority_;
  const std::string_view scheme_;
  H2SessionPtr session_;
  std::unordered_map<std::int32_t, std::shared_ptr<ClientCall>> calls_;  // whose streams nghttp2 knows
  std::string* sending_ = nullptr;                                       // fill()'s buffer, for DATA
  std::size_t room_ = 0;  // and how far it may grow: one mem_send() would take all that the window allows
  const bool pings_;
  bool heard_ = true;  // since the last check_health()
  MonoTime silent_since_{};
  bool pinged_ = false;
  bool broken_ = false;
  bool retired_ = false;
};

struct H2Client::Callbacks {
  static H2Client& self(void* user) { return *static_cast<H2Client*>(user); }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_len, const std::uint8_t* value, std::size_t value_len, std::uint8_t,
                    void* user) {
    ClientCall* c = frame->hd.type == NGHTTP2_HEADERS ? self(user).find(frame->hd.stream_id) : nullptr;
    if (c == nullptr) return 0;
    const std::string_view n = h2_text(name, name_len);
    const std::string_view v = h2_text(value, value_len);
    if (c->headers_done) {
      c->trailers.add(std::string(n), std::string(v));
    } else if (n == ":status") {
      c->status = 0;
      for (const char digit : v) c->status = c->status * 10 + (digit - '0');
    } else {
      c->headers.add(std::string(n), std::string(v));
    }
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    ClientCall* c = self(user).find(frame->hd.stream_id);
    if (c == nullptr) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !c->headers_done) {
      if (c->status >= 200) {
        c->headers_done = true;
      } else {
        c->headers = Headers();  // an interim reply
      }
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && !c->over()) c->body_done = true;
    c->wake_input();
    return 0;
  }

  static int data_chunk(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                        std::size_t n, void* user) {
    nghttp2_session_consume_connection(session, n);
    ClientCall* c = self(user).find(id);
    if (c == nullptr || c->abandoned) {
      nghttp2_session_consume_stream(session, id, n);
      return 0;
    }
    c->body.append(reinterpret_cast<const char*>(data), n);
    c->wake_input();
    return 0;
  }

  static int stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    auto& calls = self(user).calls_;
    const auto it = calls.find(id);
    if (it == calls.end()) return 0;
    const auto c = std::move(it->second);
    calls.erase(it);
    if (!c->over()) c->unprocessed = code == NGHTTP2_REFUSED_STREAM;
    c->end_with(reset_error(code));
    return 0;
  }

  static ssize_t read_data(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& c = *static_cast<ClientCall*>(source->ptr);
    const std::size_t n = std::min(length, c.queue.size());
    if (n == 0 && !c.sent_all) return NGHTTP2_ERR_DEFERRED;
    if (n > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (c.sent_all && n == c.queue.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_header, std::size_t n,
                       nghttp2_data_source* source, void* user) {
    auto& c = *static_cast<ClientCall*>(source->ptr);
    std::string& out = *self(user).sending_;
    if (out.size() >= self(user).room_) return NGHTTP2_ERR_WOULDBLOCK;
    out.append(reinterpret_cast<const char*>(frame_header), 9);
    c.queue.drain(out, n);
    if (c.queue.size() <= kWriteAhead / 2) c.wake_room();
    return 0;
  }

  static const nghttp2_session_callbacks* table() {
    static const nghttp2_session_callbacks* const kTable = [] {
      nghttp2_session_callbacks* t = nullptr;
      CHECK(nghttp2_session_callbacks_new(&t) == 0);
      nghttp2_session_callbacks_set_on_header_callback(t, header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(t, frame_received);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(t, data_chunk);
      nghttp2_session_callbacks_set_on_stream_close_callback(t, stream_close);
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
      return o;
    }();
    return kOption;
  }
};

H2Client::H2Client(std::shared_ptr<Wire> wire, std::string authority, bool tls, bool pings)
    : ClientConnection(std::move(wire)),
      authority_(std::move(authority)),
      scheme_(tls ? "https" : "http"),
      pings_(pings) {
  nghttp2_session* session = nullptr;
  CHECK(nghttp2_session_client_new2(&session, Callbacks::table(), this, Callbacks::option()) == 0);
  session_.reset(session);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(kReadAhead)},
  };
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 4 * kH2ConnectionWindow);
}

void H2Client::begin(std::shared_ptr<ClientCall> call, ClientRequest request, bool streaming) {
  std::vector<nghttp2_nv> fields;
  const auto host = request.headers.get("host");
  fields.push_back(h2_field(":method", request.method));
  fields.push_back(h2_field(":scheme", scheme_));
  fields.push_back(h2_field(":authority", host ? *host : std::string_view(authority_)));
  fields.push_back(h2_field(":path", request.target));
  h2_append(fields, request.headers);
  const bool body = streaming || !request.body.empty();
  const std::string length = std::to_string(request.body.size());
  if (!streaming && body && !request.headers.get("content-length")) {
    fields.push_back(h2_field("content-length", length));
  }
  if (!request.body.empty()) call->queue.append(std::move(request.body));
  call->sent_all = !streaming;
  nghttp2_data_provider provider;
  provider.source.ptr = call.get();
  provider.read_callback = Callbacks::read_data;
  const std::int32_t id = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(),
                                                 body ? &provider : nullptr, nullptr);
  if (id < 0) {
    call->unprocessed = true;
    call->end_with(Error{Code::kUnavailable, nghttp2_strerror(id)});
    retire();  // out of stream ids
    return;
  }
  call->stream_id = id;
  calls_.emplace(id, std::move(call));
  want_flush();
}

void H2Client::resume(ClientCall& call) {
  if (gone() || find(call.stream_id) == nullptr) return;
  nghttp2_session_resume_data(session_.get(), call.stream_id);
  want_flush();
}

void H2Client::taken(ClientCall& call, std::size_t n) {
  if (n == 0 || gone() || call.over() || find(call.stream_id) == nullptr) return;
  nghttp2_session_consume_stream(session_.get(), call.stream_id, n);
  want_flush();
}

void H2Client::abandon(ClientCall& call, Error why) {
  const bool known = !gone() && find(call.stream_id) == &call;
  call.abandoned = true;
  call.end_with(std::move(why));
  if (!known) return;
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, call.stream_id, NGHTTP2_CANCEL);
  want_flush();
}

bool H2Client::usable() const {
  if (gone() || retired_ || broken_ || nghttp2_session_check_request_allowed(session_.get()) == 0)
    return false;
  const std::uint32_t limit =
      nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return calls_.size() < std::min(limit, kMaxCalls);
}

bool H2Client::expire(MonoTime now) {
  bool more = false;
  std::vector<std::shared_ptr<ClientCall>> late;
  for (const auto& [id, c] : calls_) {
    if (c->over() || c->deadline == MonoTime::max()) continue;
    if (now < c->deadline) {
      more = true;
    } else {
      late.push_back(c);
    }
  }
  for (const auto& c : late) abandon(*c, Error{Code::kDeadlineExceeded, "no reply in time"});
  return more;
}

void H2Client::check_health(MonoTime now) {
  if (!pings_ || gone()) return;
  if (std::exchange(heard_, false) || calls_.empty()) {
    silent_since_ = now;
    pinged_ = false;
  } else if (now - silent_since_ > kSilence + kPingTimeout) {
    close_for("the server is silent");
  } else if (!pinged_ && now - silent_since_ > kSilence) {
    pinged_ = true;
    nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
    want_flush();
  }
}

bool H2Client::consume(std::string_view data) {
  heard_ = true;
  const ssize_t n = nghttp2_session_mem_recv(session_.get(),
                                             reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  if (n >= 0) return true;
  nghttp2_session_terminate_session(session_.get(), NGHTTP2_PROTOCOL_ERROR);
  broken_ = true;
  return false;
}

void H2Client::fill(std::string& out, std::size_t room) {
  sending_ = &out;
  room_ = room;
  if (!h2_fill(session_.get(), out, room)) broken_ = true;
  sending_ = nullptr;
}

bool H2Client::finished() {
  return broken_ || (retired_ && calls_.empty()) ||
         (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0);
}

void H2Client::on_gone(std::string_view why) {
  const auto all = std::exchange(calls_, {});
  for (const auto& [id, c] : all)
    c->end_with(Error{Code::kUnavailable, "connection lost: " + std::string(why)});
}

}  // namespace

std::shared_ptr<ClientConnection> make_h2_client(std::shared_ptr<Wire> wire, std::string authority, bool tls,
                                                 bool pings) {
  return std::make_shared<H2Client>(std::move(wire), std::move(authority), tls, pings);
}

}  // namespace keelson::net
