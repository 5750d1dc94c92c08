// HTTP/2 on the server, over nghttp2: many exchanges at once. Handlers start after the frames of a read have
// been taken, and what they answer at once leaves in one write. Internal to net/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/h2_session.h"
#include "net/out_queue.h"
#include "net/server_connection.h"

namespace keelson::net {

class H2Connection;

// One request and its reply.
class H2Exchange final : public ServerExchange {
 public:
  H2Exchange(std::shared_ptr<H2Connection> connection, std::int32_t id, Executor ex)
      : ServerExchange(std::move(ex)), c_(std::move(connection)), id_(id) {}

  Task<Result<std::string>> read_body(std::size_t max_bytes) override;
  Task<Result<std::string>> read_some() override;
  std::optional<std::string> read_now() override;
  bool respond_now(int status, const Headers& headers, Bytes body, Headers trailers) override;
  Task<Result<void>> start(int status, Headers headers) override;
  Task<Result<void>> write(Bytes data) override;
  Task<Result<void>> finish(Headers trailers) override;
  Task<Result<std::unique_ptr<ByteStream>>> upgrade(Headers headers) override;

 private:
  friend class H2Connection;
  Result<void> reply(int status, const Headers& headers, std::span<Bytes> body) override;
  Result<void> check_unstarted() const;
  // Takes what has arrived and gives its window back.
  std::string take_body();
  void resume_output();

  const std::shared_ptr<H2Connection> c_;
  const std::int32_t id_;
  std::size_t header_bytes_ = 0;
  bool head_ = false;
  std::string body_;         // arrived, not yet read
  bool body_done_ = false;   // END_STREAM was seen
  bool launched_ = false;    // the handler was started
  bool running_ = false;     // and has not ended
  bool stream_open_ = true;  // nghttp2 knows the stream
  bool started_ = false;
  bool finished_ = false;
  bool deferred_ = false;  // nghttp2 waits for resume_output()
  OutQueue queue_;
  Headers trailers_;
  std::optional<AsyncEvent> input_;
  std::optional<AsyncEvent> room_;
};

// Thread rule: everything on the connection's home executor.
class H2Connection final : public ServerConnection {
 public:
  H2Connection(std::shared_ptr<ServerShard> shard, std::shared_ptr<Wire> wire,
               std::shared_ptr<const ConnectionInfo> info);

 protected:
  void on_drain() override;
  void on_tick() override;
  bool consume(std::string_view data) override;
  void on_peer_end() override { close(); }
  void fill(std::string& out, std::size_t room) override;
  bool finished() override;
  void end_exchanges() override;
  std::vector<ServerExchange*> running() override;
  bool wants_input() const override { return !peer_ended(); }
  MonoTime deadline() const override;
  void handler_ended(ServerExchange& exchange, bool failed) override;

 private:
  friend class H2Exchange;
  struct Callbacks;
  // Sends the reply's header. `body`: DATA frames follow from the exchange's queue.
  Result<void> submit(H2Exchange& x, int status, const Headers& headers, std::optional<std::size_t> length,
                      bool body);
  void launch(std::shared_ptr<H2Exchange> x);
  void note_ping();
  H2Exchange* find(std::int32_t id) const {
    return static_cast<H2Exchange*>(nghttp2_session_get_stream_user_data(session_.get(), id));
  }

  H2SessionPtr session_;
  std::unordered_map<std::int32_t, std::shared_ptr<H2Exchange>> streams_;  // open, or with a running handler
  std::vector<std::shared_ptr<H2Exchange>> ready_;  // to be launched at the end of consume()
  std::string* sending_ = nullptr;                  // fill()'s buffer, for DATA
  std::size_t room_ = 0;  // and how far it may grow: one mem_send() would take all that the window allows
  bool broken_ = false;
  bool goaway_sent_ = false;
  MonoTime ping_received_{};  // the client's last PING
  bool too_many_pings_ = false;
  int ping_strikes_ = 0;  // PINGs that came too soon since we last sent HEADERS or DATA
  MonoTime heard_{};      // when the client last sent anything
  MonoTime ping_sent_{};  // ours, unanswered; zero: none
};

inline void wake(std::optional<AsyncEvent>& event) {
  if (event) event->set();
}

}  // namespace keelson::net
