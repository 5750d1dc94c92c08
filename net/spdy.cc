#include "net/spdy.h"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <map>
#include <vector>

#include "base/async.h"
#include "base/check.h"
#include "net/frame_writer.h"
#include "net/pipe.h"
#include "net/spdy_frame.h"

namespace keelson::net {
namespace {

constexpr std::size_t kQueueBytes = 256 * 1024;
constexpr std::size_t kPieceBytes = 32 * 1024;
constexpr std::size_t kAcceptQueue = 128;
constexpr std::size_t kMaxStreams = 4096;
constexpr std::uint32_t kMaxStreamId = 0x7fffffff;

// What the session knows of a stream; its owner's handle is a SpdyStream.
struct StreamState {
  explicit StreamState(std::uint32_t i, Headers h) : id(i), headers(std::move(h)) {}
  const std::uint32_t id;
  const Headers headers;
  BytePipe in{SpdyStream::kReceiveBuffer};
  bool local_closed = false;   // we sent FIN, or the stream was reset
  bool remote_closed = false;  // the peer sent FIN, or the stream was reset
  bool refused = false;        // reset before the reply
  AsyncEvent replied;          // also set by the end of the stream
};
using StreamStatePtr = std::shared_ptr<StreamState>;

}  // namespace

struct SpdySession::State : std::enable_shared_from_this<State> {
  State(std::unique_ptr<ByteStream> t, Role r)
      : transport(std::move(t)),
        role(r),
        writer(*transport, kQueueBytes),
        next_id(r == Role::kServer ? 2 : 1),
        next_remote_id(r == Role::kServer ? 1 : 2) {}

  const std::unique_ptr<ByteStream> transport;
  const Role role;
  SpdyDecoder decoder;
  SpdyEncoder encoder;
  FrameWriter writer;
  std::map<std::uint32_t, StreamStatePtr> streams;
  std::uint32_t next_id;
  std::uint32_t next_remote_id;
  Channel<StreamStatePtr> accepted{kAcceptQueue};
  bool going_away = false;
  bool has_ended = false;
  AsyncEvent ended;
  TaskGroup tasks;

  static Task<> read_loop(std::shared_ptr<State> self);
  static Task<> write_loop(std::shared_ptr<State> self);
  Task<Result<void>> read_frames();
  Task<Result<void>> on_frame(SpdyFrame frame);
  Task<Result<void>> on_data(SpdyFrame frame);
  Result<void> on_syn_stream(SpdyFrame frame);
  void on_reset(std::uint32_t id);
  void on_remote_fin(const StreamStatePtr& stream);
  void end(Result<void> how);

  StreamStatePtr find(std::uint32_t id) const {
    const auto it = streams.find(id);
    return it == streams.end() ? nullptr : it->second;
  }
  void forget_if_done(const StreamState& s) {
    if (s.local_closed && s.remote_closed) streams.erase(s.id);
  }
  Result<void> send_reset(std::uint32_t id, SpdyReset status) {
    std::string frame;
    SpdyEncoder::rst_stream(frame, id, status);
    return writer.push(frame);
  }
  Result<void> send_fin(StreamState& s) {
    if (s.local_closed) return {};
    std::string frame;
    SpdyEncoder::data(frame, s.id, {}, true);
    s.local_closed = true;
    forget_if_done(s);
    return writer.push(frame);
  }
  // The owner's close().
  void abandon(StreamState& s) {
    const bool open = !s.local_closed;
    s.local_closed = s.remote_closed = true;
    s.in.close_read();
    s.replied.set();
    if (streams.erase(s.id) > 0 && open && !has_ended) (void)send_reset(s.id, SpdyReset::kCancel);
  }
};

namespace {

// The owner's handle on a stream.
template <class Session>
class StreamHandle final : public SpdyStream {
 public:
  StreamHandle(std::shared_ptr<Session> session, StreamStatePtr stream)
      : session_(std::move(session)), stream_(std::move(stream)) {}
  ~StreamHandle() override { StreamHandle::close(); }

  std::uint32_t id() const override { return stream_->id; }
  const Headers& headers() const override { return stream_->headers; }
  Executor executor() override { return session_->transport->executor(); }

  Task<Result<std::size_t>> read_some(char* buf, std::size_t n) override {
    return stream_->in.read_some(buf, n);
  }

  Task<Result<void>> write_all(std::string_view data) override {
    while (!data.empty()) {
      CO_TRY(co_await session_->writer.wait_room());
      if (stream_->local_closed) co_return keelson::fail(Code::kUnavailable, "write on a closed SPDY stream");
      const auto piece = data.substr(0, kPieceBytes);
      std::string frame;
      SpdyEncoder::data(frame, stream_->id, piece, false);
      CO_TRY(session_->writer.push(frame));
      data.remove_prefix(piece.size());
    }
    co_return Result<void>{};
  }
  Task<Result<void>> shutdown_write() override { co_return session_->send_fin(*stream_); }
  void close() override {
    boost::asio::dispatch(executor(), [session = session_, stream = stream_] { session->abandon(*stream); });
  }

 private:
  std::shared_ptr<Session> session_;
  StreamStatePtr stream_;
};

}  // namespace

Task<> SpdySession::State::read_loop(std::shared_ptr<State> self) {
  auto how = co_await self->read_frames();
  if (!how && how.error().code == Code::kInvalidArgument) {
    std::string frame;
    SpdyEncoder::goaway(frame, self->next_remote_id > 2 ? self->next_remote_id - 2 : 0, 1);
    (void)self->writer.push(frame);
    (void)co_await self->writer.flush();
  }
  self->end(std::move(how));
}

Task<> SpdySession::State::write_loop(std::shared_ptr<State> self) {
  co_await self->writer.run();
}

Task<Result<void>> SpdySession::State::read_frames() {
  std::vector<char> buf(kPieceBytes);
  for (;;) {
    const std::size_t n = CO_TRY(co_await transport->read_some(buf.data(), buf.size()));
    if (n == 0) co_return Result<void>{};
    decoder.feed({buf.data(), n});
    while (auto frame = CO_TRY(decoder.next())) CO_TRY(co_await on_frame(std::move(*frame)));
  }
}

Task<Result<void>> SpdySession::State::on_frame(SpdyFrame frame) {
  switch (frame.type) {
    case SpdyType::kData:
      co_return co_await on_data(std::move(frame));
    case SpdyType::kSynStream:
      co_return on_syn_stream(std::move(frame));
    case SpdyType::kSynReply:
    case SpdyType::kHeaders:
      if (auto s = find(frame.stream_id)) {
        s->replied.set();
        if (frame.fin) on_remote_fin(s);
      }
      break;
    case SpdyType::kRstStream:
      on_reset(frame.stream_id);
      break;
    case SpdyType::kPing:
      // Even ids are the server's pings, odd ones the client's: answer the peer's, our own are answers.
      if ((frame.value % 2 == 1) == (role == Role::kServer)) {
        std::string pong;
        SpdyEncoder::ping(pong, frame.value);
        co_return writer.push(pong);
      }
      break;
    case SpdyType::kGoAway:
      going_away = true;
      break;
    case SpdyType::kSettings:
    case SpdyType::kWindowUpdate:
      break;
  }
  co_return Result<void>{};
}

Task<Result<void>> SpdySession::State::on_data(SpdyFrame frame) {
  const auto s = find(frame.stream_id);
  if (s == nullptr || s->remote_closed) co_return Result<void>{};
  // Fails only when the stream has just been ended on our side: then nobody wants the bytes.
  (void)co_await s->in.write_all(frame.data);
  if (frame.fin) on_remote_fin(s);
  co_return Result<void>{};
}

Result<void> SpdySession::State::on_syn_stream(SpdyFrame frame) {
  const std::uint32_t id = frame.stream_id;
  if (id == 0 || id < next_remote_id || id % 2 != next_remote_id % 2)
    return send_reset(id, SpdyReset::kProtocolError);
  next_remote_id = id + 2;
  auto s = std::make_shared<StreamState>(id, std::move(frame.headers));
  s->replied.set();
  if (going_away || streams.size() >= kMaxStreams || !accepted.try_push(StreamStatePtr(s))) {
    return send_reset(id, SpdyReset::kRefusedStream);
  }
  streams.emplace(id, s);
  if (frame.fin) on_remote_fin(s);
  std::string reply;
  encoder.syn_reply(reply, id, {}, false);
  return writer.push(reply);
}

void SpdySession::State::on_remote_fin(const StreamStatePtr& s) {
  s->remote_closed = true;
  s->in.finish();
  forget_if_done(*s);
}

void SpdySession::State::on_reset(std::uint32_t id) {
  const auto s = find(id);
  if (s == nullptr) return;
  s->refused = !s->replied.is_set();
  s->local_closed = true;
  on_remote_fin(s);
  s->replied.set();
}

void SpdySession::State::end(Result<void> how) {
  if (has_ended) return;
  has_ended = going_away = true;
  for (const auto& [id, s] : streams) {
    if (how) {
      s->in.finish();
    } else {
      s->in.fail(how.error());
    }
    s->refused = !s->replied.is_set();
    s->local_closed = s->remote_closed = true;
    s->replied.set();
  }
  streams.clear();
  accepted.close();
  writer.fail(how ? Error{Code::kUnavailable, "the SPDY connection is closed"} : how.error());
  transport->close();
  ended.set();
}

SpdySession::SpdySession(std::unique_ptr<ByteStream> transport, Role role)
    : state_(std::make_shared<State>(std::move(transport), role)) {
  const auto ex = state_->transport->executor();
  state_->tasks.spawn(ex, State::read_loop(state_));
  state_->tasks.spawn(ex, State::write_loop(state_));
}

SpdySession::~SpdySession() {
  CHECK(state_->tasks.size() == 0);
}

Task<Result<std::unique_ptr<SpdyStream>>> SpdySession::create_stream(Headers headers) {
  auto& st = *state_;
  if (st.going_away || st.next_id > kMaxStreamId) {
    co_return keelson::fail(Code::kUnavailable, "the SPDY connection takes no more streams");
  }
  auto s = std::make_shared<StreamState>(st.next_id, headers);
  st.next_id += 2;
  std::string frame;
  st.encoder.syn_stream(frame, s->id, headers, false);
  CO_TRY(st.writer.push(frame));
  st.streams.emplace(s->id, s);
  auto handle = std::make_unique<StreamHandle<State>>(state_, s);
  co_await s->replied.wait();
  if (s->refused) co_return keelson::fail(Code::kUnavailable, "the peer refused the SPDY stream");
  co_return std::unique_ptr<SpdyStream>(std::move(handle));
}

Task<Result<std::unique_ptr<SpdyStream>>> SpdySession::accept_stream() {
  auto s = co_await state_->accepted.pop();
  if (!s) co_return keelson::fail(Code::kUnavailable, "the SPDY connection is closed");
  co_return std::unique_ptr<SpdyStream>(std::make_unique<StreamHandle<State>>(state_, std::move(*s)));
}

Task<> SpdySession::closed() {
  return state_->ended.wait();
}
Task<bool> SpdySession::closed_until(Clock& clock, MonoTime deadline) {
  return state_->ended.wait_until(clock, deadline);
}
void SpdySession::abort(Error why) { state_->end(std::unexpected(std::move(why))); }
bool SpdySession::is_closed() const {
  return state_->has_ended;
}

Task<Result<void>> SpdySession::shutdown() {
  auto& st = *state_;
  std::string frame;
  SpdyEncoder::goaway(frame, st.next_remote_id > 2 ? st.next_remote_id - 2 : 0, 0);
  st.going_away = true;
  CO_TRY(st.writer.push(frame));
  CO_TRY(co_await st.writer.flush());
  co_return co_await st.transport->shutdown_write();
}

Task<> SpdySession::stop() {
  state_->end({});
  co_await state_->tasks.stop();
}

}  // namespace keelson::net
