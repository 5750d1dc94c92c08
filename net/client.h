// HttpClient: a pool of connections to one origin. HTTP/2 where the server offers it by ALPN (or
// `h2c_prior_knowledge`), HTTP/1.1 otherwise; unary and streamed replies; upgrades.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "net/http.h"

namespace keelson::net {

struct TlsClientConfig {
  std::string ca_pem;           // empty: the system's roots
  std::string certificate_pem;  // client certificate, optional
  std::string private_key_pem;
  std::string server_name;  // SNI and verification; empty: the origin's host
  bool insecure_skip_verify = false;
  // A last word on the server's verified certificate; false fails the handshake. Empty: yes.
  std::function<bool(const PeerCertificate*)> accept;
};

struct ClientOptions {
  // "https://host:port", "http://host:port" or "unix:/path" (plain HTTP over a unix socket).
  std::string origin;
  std::optional<TlsClientConfig> tls;
  bool h2c_prior_knowledge = false;  // gRPC over plain text (CRI)
  bool http1_only = false;
  Duration connect_timeout = std::chrono::seconds(10);
  std::string local_address;  // IP that connections come from; empty: the kernel's choice
};

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  Headers headers;
  Bytes body;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
  Headers trailers;
};

// A reply under way. Dropping it cancels the exchange. One reader and one writer at a time; may be used from
// any executor.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // Returns once the reply's headers are there. Only needed after open() with `streaming_body`; the first
  // read_some() waits for them too.
  virtual Task<Result<void>> wait_headers() = 0;
  // REQUIRES (both): the reply's headers are there.
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  // The next piece of the body, empty at the end. kUnavailable when the connection broke.
  virtual Task<Result<std::string>> read_some() = 0;
  // Request body pieces (only for open(… streaming_body = true)). write() waits while the server reads slower
  // than we write.
  virtual Task<Result<void>> write(Bytes data) = 0;
  virtual Task<Result<void>> finish_body() = 0;
  // Valid once read_some() returned the end.
  virtual const Headers& trailers() const = 0;
  virtual void cancel() = 0;
};

// Error::detail of HttpClient::upgrade() when the server answered something else than 101. `body` holds at
// most 64 KiB.
struct UpgradeRefused final : ErrorDetail {
  int status = 0;
  Headers headers;
  std::string body;
};

// Error::detail of a call that no server can have acted on: no connection was made, or the stream was refused
// unprocessed. It may be repeated whatever it does.
struct NotSent final : ErrorDetail {};

// Thread rule: thread-safe; its connections live on the executor given to create(), calls may come from any.
// Dropping the last reference lets exchanges under way end and closes the connections.
class HttpClient {
 public:
  // A client never fails to be made; a bad origin or certificate is told by each call (kInvalidArgument).
  // `clock` outlives it.
  static std::shared_ptr<HttpClient> create(ClientOptions options, Executor ex, Clock& clock, Logger logger);
  virtual ~HttpClient() = default;
  // The whole exchange. kDeadlineExceeded after `timeout`; kUnavailable when no connection could be made or
  // it broke.
  virtual Task<Result<ClientResponse>> call(ClientRequest request, Duration timeout,
                                            std::size_t max_body = 256u << 20) = 0;
  // Returns once the reply's headers are there; with `streaming_body`, once the request's headers are on
  // their way. Waits for a connection at most connect_timeout, for the headers as long as it takes: cancel it
  // by a TaskGroup.
  virtual Task<Result<std::unique_ptr<ClientStream>>> open(ClientRequest request, bool streaming_body) = 0;
  // Sends an Upgrade request on a fresh HTTP/1.1 connection. On 101: the reply's headers and the raw stream.
  // Any other status is an Error whose message holds status and body, and whose detail is an UpgradeRefused.
  struct Upgraded {
    Headers headers;
    std::unique_ptr<ByteStream> stream;
  };
  virtual Task<Result<Upgraded>> upgrade(ClientRequest request) = 0;
};

// A bare connection, TCP ("tcp://host:port") or unix ("unix:/path").
Task<Result<std::unique_ptr<ByteStream>>> dial(std::string address, Duration timeout, Clock& clock);

}  // namespace keelson::net
