// ClientConnection: one connection of an HttpClient, and ClientCall: one exchange on it. Home executor only.
// Internal to net/.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/async.h"
#include "net/client.h"
#include "net/out_queue.h"
#include "net/wire_driver.h"

namespace keelson::net {

// An exchange under way. The connection fills in the reply, the caller takes it; each wakes the other by an
// event.
struct ClientCall {
  // What the caller still wants to send; `sent_all` once no more will come.
  OutQueue queue;
  bool sent_all = true;

  bool headers_done = false;
  int status = 0;
  Headers headers;
  std::string body;  // arrived, not yet taken
  bool body_done = false;
  Headers trailers;
  std::optional<Error> error;  // the exchange ended without its reply
  bool unprocessed = false;    // and the server has not acted on it: it may be sent again

  bool head = false;        // a HEAD request
  bool idempotent = false;  // GET or HEAD
  bool abandoned = false;
  std::int32_t stream_id = 0;
  MonoTime deadline = MonoTime::max();
  std::optional<AsyncEvent> input;
  std::optional<AsyncEvent> room;

  bool over() const { return body_done || error.has_value(); }
  void wake_input() {
    if (input) input->set();
  }
  void wake_room() {
    if (room) room->set();
  }
  void end_with(Error e) {
    if (!over()) error = std::move(e);
    queue.clear();
    wake_input();
    wake_room();
  }
};

Task<> wait_for_input(std::shared_ptr<ClientCall> call);
Task<> wait_for_room(std::shared_ptr<ClientCall> call);

class ClientConnection : public WireDriver {
 public:
  // Bytes of body that may wait for a caller, and of request that wait for the connection.
  static constexpr std::size_t kReadAhead = 1024 * 1024;
  static constexpr std::size_t kWriteAhead = 256 * 1024;

  // Sends the request. `streaming`: its body follows through call->queue and resume(). REQUIRES: usable().
  virtual void begin(std::shared_ptr<ClientCall> call, ClientRequest request, bool streaming) = 0;
  // The call's queue has grown or sent_all was set.
  virtual void resume(ClientCall& call) = 0;
  // The caller has taken n bytes of the body.
  virtual void taken(ClientCall& call, std::size_t n) = 0;
  // The caller wants no more of it.
  virtual void abandon(ClientCall& call, Error why) = 0;
  // Whether another call can begin now.
  virtual bool usable() const = 0;
  virtual bool is_h2() const = 0;
  // Ends calls whose deadline has passed. True when calls with a deadline remain.
  virtual bool expire(MonoTime now) = 0;
  // Asks a silent server for a sign of life (HTTP/2 PING) while calls wait, and closes when there is none.
  virtual void check_health(MonoTime now) { (void)now; }
  // Takes no more calls and closes after the last one.
  virtual void retire() = 0;
  // After the reply 101 (HTTP/1.1): gives up the wire and the bytes read beyond the reply.
  virtual std::pair<std::shared_ptr<Wire>, std::string> take_upgraded() = 0;

 protected:
  using WireDriver::WireDriver;
};

// `authority` is the Host of requests that bring none.
std::shared_ptr<ClientConnection> make_h1_client(std::shared_ptr<Wire> wire, std::string authority);
// `pings`: check_health() pings (not over unix sockets, where the kernel tells of a dead peer and gRPC
// servers dislike it).
std::shared_ptr<ClientConnection> make_h2_client(std::shared_ptr<Wire> wire, std::string authority, bool tls,
                                                 bool pings);

}  // namespace keelson::net
