// HTTP/1.1 on the client: one exchange at a time, kept alive between them.
#include <charconv>

#include "net/client_connection.h"
#include "net/h1_parser.h"

namespace keelson::net {
namespace {

constexpr std::size_t kMaxHeader = 256 * 1024;

std::string hex_size(std::size_t n) {
  char text[24];
  return std::string(text, std::to_chars(text, text + sizeof text, n, 16).ptr) + "\r\n";
}

class H1Client final : public ClientConnection {
 public:
  H1Client(std::shared_ptr<Wire> wire, std::string authority)
      : ClientConnection(std::move(wire)),
        authority_(std::move(authority)),
        parser_(H1Parser::Kind::kResponse, kMaxHeader) {}

  void begin(std::shared_ptr<ClientCall> call, ClientRequest request, bool streaming) override;
  void resume(ClientCall&) override {
    move_body();
    want_flush();
  }
  void taken(ClientCall&, std::size_t) override { read_more(); }
  void abandon(ClientCall& call, Error why) override {
    call.abandoned = true;
    call.end_with(std::move(why));
    if (current_.get() == &call) close();
  }
  bool usable() const override { return !gone() && !retired_ && !current_; }
  bool is_h2() const override { return false; }
  bool expire(MonoTime now) override;
  void retire() override {
    retired_ = true;
    if (!current_) close();
  }
  std::pair<std::shared_ptr<Wire>, std::string> take_upgraded() override;

 protected:
  bool consume(std::string_view data) override;
  void on_peer_end() override;
  void fill(std::string& out, std::size_t room) override;
  bool finished() override { return false; }
  void on_gone(std::string_view why) override;
  bool wants_input() const override { return !current_ || current_->body.size() < kReadAhead; }

 private:
  void put_head(const ClientRequest& request, bool streaming);
  // Frames what the call has queued.
  void move_body();
  bool deliver();
  void end_reply();

  const std::string authority_;
  H1Parser parser_;
  OutQueue out_;
  std::shared_ptr<ClientCall> current_;
  std::string ahead_;  // after 101
  bool chunked_ = false;
  bool ended_body_ = true;  // the request is complete in out_
  bool reused_ = false;
  bool retired_ = false;
};

void H1Client::put_head(const ClientRequest& r, bool streaming) {
  std::string head = r.method + " " + r.target + " HTTP/1.1\r\n";
  if (!r.headers.get("host")) head += "host: " + authority_ + "\r\n";
  for (const auto& [name, value] : r.headers.fields()) head += name + ": " + value + "\r\n";
  const bool wants_length = !r.body.empty() || r.method == "POST" || r.method == "PUT" || r.method == "PATCH";
  const bool has_length = r.headers.get("content-length").has_value();
  chunked_ = streaming && !has_length;
  if (chunked_) {
    head += "transfer-encoding: chunked\r\n";
  } else if (!has_length && wants_length) {
    head += "content-length: " + std::to_string(r.body.size()) + "\r\n";
  }
  head += "\r\n";
  out_.append(std::string_view(head));
}

void H1Client::begin(std::shared_ptr<ClientCall> call, ClientRequest request, bool streaming) {
  current_ = std::move(call);
  put_head(request, streaming);
  if (current_->head) parser_.expect_no_body();
  ended_body_ = !streaming;
  current_->sent_all = !streaming;
  if (!request.body.empty()) out_.append(std::move(request.body));
  want_flush();
  read_more();
}

void H1Client::move_body() {
  if (!current_ || ended_body_) return;
  ClientCall& c = *current_;
  const std::size_t n = c.queue.size();
  if (n > 0 && out_.size() < kWriteAhead) {
    std::string piece;
    c.queue.drain(piece, n);
    if (chunked_) out_.append(std::string_view(hex_size(n)));
    out_.append(Bytes(std::move(piece)));
    if (chunked_) out_.append(std::string_view("\r\n"));
    c.wake_room();
  }
  if (c.sent_all && c.queue.empty()) {
    if (chunked_) out_.append(std::string_view("0\r\n\r\n"));
    ended_body_ = true;
  }
}

void H1Client::fill(std::string& out, std::size_t room) {
  if (out_.size() < room) move_body();
  out_.drain(out, std::min(room, out_.size()));
}

bool H1Client::consume(std::string_view data) {
  if (!current_) return false;  // nobody asked
  ahead_.append(data);
  return deliver();
}

bool H1Client::deliver() {
  std::size_t pos = 0;
  while (current_ && pos < ahead_.size() && !parser_.done()) {
    const auto n = parser_.put(std::string_view(ahead_).substr(pos));
    if (!n) {
      current_->end_with(Error{Code::kUnavailable, "bad reply: " + n.error().message});
      close();
      return false;
    }
    pos += *n;
    ClientCall& c = *current_;
    H1Message& m = parser_.message();
    if (!c.headers_done && parser_.header_done()) {
      if (m.status >= 100 && m.status < 200 && m.status != 101) {
        parser_.reset();
        if (c.head) parser_.expect_no_body();
        continue;
      }
      c.status = m.status;
      c.headers = std::move(m.headers);
      c.headers_done = true;
      if (c.status == 101) break;
    }
    c.body += std::exchange(m.body, std::string());
    if (*n == 0) break;
  }
  ahead_.erase(0, pos);
  if (current_ && current_->headers_done && parser_.done() && current_->status != 101) {
    end_reply();
  } else if (current_) {
    current_->wake_input();
  }
  return true;
}

void H1Client::end_reply() {
  const auto call = std::move(current_);
  call->body_done = true;
  call->wake_input();
  call->wake_room();
  const bool reusable =
      parser_.keep_alive() && ended_body_ && call->queue.empty() && ahead_.empty() && !retired_;
  if (!reusable) return close();
  parser_.reset();
  reused_ = true;
}

void H1Client::on_peer_end() {
  if (current_ && current_->headers_done && current_->status != 101 && parser_.put_end()) {
    current_->body_done = true;
    current_->wake_input();
    current_.reset();
  }
  close_for("the server closed the connection");
}

void H1Client::on_gone(std::string_view why) {
  if (!current_) return;
  const auto call = std::move(current_);
  call->unprocessed = reused_ && call->idempotent && !parser_.started();
  call->end_with(Error{Code::kUnavailable, "connection lost: " + std::string(why)});
}

bool H1Client::expire(MonoTime now) {
  if (!current_ || current_->deadline == MonoTime::max()) return false;
  if (now < current_->deadline) return true;
  const auto call = current_;
  abandon(*call, Error{Code::kDeadlineExceeded, "no reply in time"});
  return false;
}

std::pair<std::shared_ptr<Wire>, std::string> H1Client::take_upgraded() {
  current_.reset();
  auto wire = detach();
  return {std::move(wire), std::move(ahead_)};
}

}  // namespace

std::shared_ptr<ClientConnection> make_h1_client(std::shared_ptr<Wire> wire, std::string authority) {
  return std::make_shared<H1Client>(std::move(wire), std::move(authority));
}

}  // namespace keelson::net
