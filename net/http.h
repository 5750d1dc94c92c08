// The protocol-neutral view of HTTP that everything above net/ sees: one request, one reply, streams.
// HTTP/1.1, HTTP/2, WebSocket and SPDY are behind it; no Beast, nghttp2 or OpenSSL type appears here.
//
// Thread rule: an exchange is used by coroutines of its own executor() only: the handler, and helpers spawned
// there. Long work (encoding a large LIST) is moved to the pool with resume_on(); the next call on the
// exchange moves the coroutine back. is_closed() may be called from any thread, closed() from any executor. A
// ByteStream may be used from any executor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/task.h"

namespace keelson::net {

// Header fields in order of arrival. Names are kept lower-case; lookup is by lower-case name.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;
  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}
  // `name` must be lower-case.
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  // Removes all fields of that name, then adds one.
  void set(std::string name, std::string value);
  void remove(std::string_view name);
  // The first value, or nullopt. The view is valid until the headers change.
  std::optional<std::string_view> get(std::string_view name) const;
  std::vector<std::string_view> get_all(std::string_view name) const;
  // True when one comma-separated element of `name`'s values equals `token`, ASCII case-insensitively.
  bool has_token(std::string_view name, std::string_view token) const;
  const std::vector<Field>& fields() const { return fields_; }
  bool empty() const { return fields_.empty(); }

 private:
  std::vector<Field> fields_;
};

// What a verified client certificate says. Null where the client sent none; never present for an unverified
// one.
struct PeerCertificate {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::string serial_hex;
  std::string der_sha256_hex;
  std::int64_t not_after_unix = 0;
};

struct ConnectionInfo {
  std::string remote_address;  // IP text; empty for unix sockets
  std::uint16_t remote_port = 0;
  std::string local_address;
  bool tls = false;
  int http_version = 11;  // 11 or 20
  std::shared_ptr<const PeerCertificate> peer;
  std::uint64_t id = 0;  // unique in this process
};

struct Request {
  std::string method;  // upper-case
  std::string target;  // as on the wire: path and query, still escaped
  Headers headers;     // without HTTP/2 pseudo-headers; `host` is filled from :authority
  std::shared_ptr<const ConnectionInfo> connection;

  std::string_view path() const;   // target up to '?', still escaped
  std::string_view query() const;  // after '?', or empty
};

// A two-way byte stream: a TCP, TLS or unix connection, an upgraded HTTP/1.1 connection, a tunnel.
// One reader and one writer at a time. Destroying it closes it. Reads and writes are cancellable.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Reads at least one byte into [buf, buf+n). 0 at the end of the stream. REQUIRES: n > 0.
  virtual Task<Result<std::size_t>> read_some(char* buf, std::size_t n) = 0;
  // Writes all of `data`; the caller keeps it alive until the task ends.
  virtual Task<Result<void>> write_all(std::string_view data) = 0;
  // Half-closes the sending side where the transport can; otherwise closes.
  virtual Task<Result<void>> shutdown_write() = 0;
  // Closes now; reads and writes under way fail. May be called from any thread.
  virtual void close() = 0;
  virtual Executor executor() = 0;
};

// One exchange on the server. The handler must end it by respond(), finish(), or upgrade(); an exchange
// dropped otherwise is reset (HTTP/2) or its connection closed (HTTP/1.1).
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;
  virtual Executor executor() = 0;

  // Reads the whole body. kResourceExhausted when it is larger than `max_bytes` (the edge answers 413).
  virtual Task<Result<std::string>> read_body(std::size_t max_bytes) = 0;
  // The next piece of the body, empty at its end. For streams (gRPC). Do not mix with read_body().
  virtual Task<Result<std::string>> read_some() = 0;

  // As read_some(), but only what is here already; nullopt when it would have to wait. REQUIRES: on
  // executor().
  virtual std::optional<std::string> read_now() { return std::nullopt; }
  // A whole reply with trailers (gRPC) at once, without a content-length; false where it must be done by
  // start(), write() and finish(). REQUIRES: on executor().
  virtual bool respond_now(int status, const Headers& headers, Bytes body, Headers trailers) { return false; }

  // The whole reply at once; content-length is set. The fast path.
  virtual Task<Result<void>> respond(int status, Headers headers, Bytes body) = 0;
  virtual Task<Result<void>> respond(int status, Headers headers, std::vector<Bytes> body) = 0;

  // A streamed reply: start, any number of writes, finish. write() sends at once (chunked / DATA) and returns
  // when the transport has room again (slow-reader back-pressure); it fails with kCancelled once the client
  // is gone.
  virtual Task<Result<void>> start(int status, Headers headers) = 0;
  virtual Task<Result<void>> write(Bytes data) = 0;
  // HTTP/2 trailers (gRPC); ignored on HTTP/1.1 unless the reply is chunked.
  virtual Task<Result<void>> finish(Headers trailers = {}) = 0;

  // Returns (or throws by cancellation) when the client has gone away or the server drains: what a watch
  // waits on beside its events. While the server drains a reply can still be completed. A handler is never
  // cancelled because its client left; Server::stop() cancels those that outlast its grace.
  virtual Task<> closed() = 0;
  virtual bool is_closed() const = 0;

  // Switches protocols on HTTP/1.1: writes 101 with `headers` (Connection and Upgrade included by the caller)
  // and hands over the connection's bytes, those already read included. The stream may outlive the handler.
  // kFailedPrecondition on HTTP/2.
  virtual Task<Result<std::unique_ptr<ByteStream>>> upgrade(Headers headers) = 0;
};

// Serves exchanges. One handler serves many connections at once.
class Handler {
 public:
  virtual ~Handler() = default;
  // `exchange` is alive until the task ends. An exception that escapes is answered with 500 and logged.
  virtual Task<> handle(Exchange& exchange) = 0;
};

// Percent-decoding (RFC 3986); '+' becomes a space only in queries. Malformed escapes are kept as they are.
std::string percent_decode(std::string_view s, bool plus_is_space = false);
std::string percent_encode(std::string_view s);
// Query parameters in order, decoded.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

}  // namespace keelson::net
