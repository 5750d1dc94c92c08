#include "net/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/base64.h"
#include "base/check.h"
#include "net/upgrade.h"

namespace keelson::net {
namespace {

constexpr std::size_t kQueueBytes = 256 * 1024;
constexpr std::size_t kPieceBytes = 32 * 1024;

// RFC 6455 §4.2.2: the proof that the server has understood the handshake.
std::string accept_key(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1);
  return base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string close_payload(std::uint16_t code, std::string_view reason) {
  std::string p{static_cast<char>(code >> 8), static_cast<char>(code)};
  p += reason.substr(0, 123);
  return p;
}

}  // namespace

Result<Headers> websocket_accept(const Request& request, std::string_view protocol) {
  const auto key = request.headers.get("sec-websocket-key");
  if (request.method != "GET" || !is_websocket_request(request)) {
    return fail(Code::kInvalidArgument, "not a WebSocket request");
  }
  if (!key || key->size() != 24) return fail(Code::kInvalidArgument, "bad Sec-WebSocket-Key");
  if (!request.headers.has_token("sec-websocket-version", "13")) {
    return fail(Code::kInvalidArgument, "Sec-WebSocket-Version must be 13");
  }
  Headers reply{
      {"upgrade", "websocket"}, {"connection", "Upgrade"}, {"sec-websocket-accept", accept_key(*key)}};
  if (!protocol.empty()) reply.add("sec-websocket-protocol", std::string(protocol));
  return reply;
}

Headers websocket_offer(Rng& rng, std::string_view protocols) {
  std::string nonce(16, '\0');
  for (auto& c : nonce) c = static_cast<char>(rng.next());
  Headers h{{"connection", "Upgrade"},
            {"upgrade", "websocket"},
            {"sec-websocket-version", "13"},
            {"sec-websocket-key", base64_encode(nonce)}};
  if (!protocols.empty()) h.add("sec-websocket-protocol", std::string(protocols));
  return h;
}

bool websocket_accepted(const Headers& request, const Headers& reply) {
  const auto key = request.get("sec-websocket-key");
  const auto accept = reply.get("sec-websocket-accept");
  return key && accept && *accept == accept_key(*key);
}

WebSocket::WebSocket(std::unique_ptr<ByteStream> stream, std::size_t max_message)
    : stream_(std::move(stream)),
      max_message_(max_message),
      decoder_(true, max_message),
      writer_(*stream_, kQueueBytes) {
  tasks_.spawn(stream_->executor(), writer_.run());
}

WebSocket::WebSocket(std::unique_ptr<ByteStream> stream, Rng rng, std::size_t max_message)
    : stream_(std::move(stream)),
      max_message_(max_message),
      mask_(rng),
      decoder_(false, max_message),
      writer_(*stream_, kQueueBytes) {
  tasks_.spawn(stream_->executor(), writer_.run());
}

WebSocket::~WebSocket() {
  CHECK(tasks_.size() == 0);
}

std::string WebSocket::encode(WsOpcode op, std::string_view payload) {
  std::string frame;
  std::optional<std::uint32_t> mask;
  if (mask_) mask = static_cast<std::uint32_t>(mask_->next());
  ws_encode(frame, op, true, payload, mask);
  return frame;
}

Task<Result<std::optional<WsFrame>>> WebSocket::read_frame() {
  std::vector<char> buf;
  for (;;) {
    auto frame = decoder_.next();
    if (!frame || *frame) co_return frame;
    if (buf.empty()) buf.resize(kPieceBytes);
    const std::size_t n = CO_TRY(co_await stream_->read_some(buf.data(), buf.size()));
    if (n == 0) co_return std::optional<WsFrame>();
    decoder_.feed({buf.data(), n});
  }
}

Task<Result<void>> WebSocket::give_up(Error why) {
  if (why.code == Code::kInvalidArgument) (void)co_await close(1002, why.message);
  if (why.code == Code::kResourceExhausted) (void)co_await close(1009, why.message);
  co_return std::unexpected(std::move(why));
}

Task<Result<std::optional<WebSocketMessage>>> WebSocket::read() {
  WebSocketMessage message;
  bool started = false;
  while (!close_received_) {
    auto got = co_await read_frame();
    if (!got) {
      CO_TRY(co_await give_up(std::move(got).error()));
      continue;
    }
    if (!*got) {
      if (close_sent_) co_return std::nullopt;
      co_return keelson::fail(Code::kUnavailable, "WebSocket: the connection ended without a Close frame");
    }
    WsFrame frame = std::move(**got);
    switch (frame.opcode) {
      case WsOpcode::kPing:
        if (!close_sent_) CO_TRY(writer_.push(encode(WsOpcode::kPong, frame.payload)));
        continue;
      case WsOpcode::kPong:
        continue;
      case WsOpcode::kClose:
        close_received_ = true;
        if (!close_sent_) {
          const auto& p = frame.payload;
          const std::uint16_t code =
              p.size() < 2
                  ? 1000
                  : std::uint16_t(static_cast<unsigned char>(p[0]) << 8 | static_cast<unsigned char>(p[1]));
          (void)co_await close(code, {});
        }
        continue;
      case WsOpcode::kText:
      case WsOpcode::kBinary:
      case WsOpcode::kContinuation:
        break;
    }
    if ((frame.opcode == WsOpcode::kContinuation) != started) {
      CO_TRY(co_await give_up(Error{Code::kInvalidArgument, "WebSocket: fragments out of order"}));
    }
    if (message.data.size() + frame.payload.size() > max_message_) {
      CO_TRY(co_await give_up(Error{Code::kResourceExhausted, "WebSocket: message is too big"}));
    }
    if (!started) message.binary = frame.opcode == WsOpcode::kBinary;
    started = true;
    message.data += frame.payload;
    if (frame.fin) co_return message;
  }
  co_return std::nullopt;
}

Task<Result<void>> WebSocket::write(bool binary, std::string_view data) {
  CO_TRY(co_await writer_.wait_room());
  if (close_sent_) co_return keelson::fail(Code::kUnavailable, "WebSocket: already closed");
  co_return writer_.push(encode(binary ? WsOpcode::kBinary : WsOpcode::kText, data));
}

Task<Result<void>> WebSocket::close(std::uint16_t code, std::string_view reason) {
  if (close_sent_) co_return Result<void>{};
  close_sent_ = true;
  CO_TRY(writer_.push(encode(WsOpcode::kClose, close_payload(code, reason))));
  writer_.finish();
  co_return co_await writer_.flush();
}

Task<> WebSocket::stop() {
  writer_.fail(Error{Code::kUnavailable, "WebSocket: closed"});
  stream_->close();
  co_await tasks_.stop();
}

namespace {

class WebSocketTunnel final : public ByteStream {
 public:
  explicit WebSocketTunnel(WebSocket& ws) : ws_(ws) {}

  Task<Result<std::size_t>> read_some(char* buf, std::size_t n) override {
    while (at_ == message_.size()) {
      auto next = CO_TRY(co_await ws_.read());
      if (!next) co_return std::size_t{0};
      message_ = std::move(next->data);
      at_ = 0;
    }
    const std::size_t got = std::min(n, message_.size() - at_);
    std::memcpy(buf, message_.data() + at_, got);
    at_ += got;
    co_return got;
  }
  Task<Result<void>> write_all(std::string_view data) override {
    while (!data.empty()) {
      const auto piece = data.substr(0, kPieceBytes);
      CO_TRY(co_await ws_.write(true, piece));
      data.remove_prefix(piece.size());
    }
    co_return Result<void>{};
  }
  Task<Result<void>> shutdown_write() override { return ws_.close(1000, {}); }
  void close() override { ws_.abort(); }
  Executor executor() override { return ws_.executor(); }

 private:
  WebSocket& ws_;
  std::string message_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<ByteStream> websocket_tunnel(WebSocket& ws) {
  return std::make_unique<WebSocketTunnel>(ws);
}

}  // namespace keelson::net
