// Server: one listener that serves a Handler over TLS (ALPN picks HTTP/2 or HTTP/1.1) or plain text
// (HTTP/2 prior knowledge is told from HTTP/1.1 by its preface). See net/README section in ARCHITECTURE.md.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "net/http.h"

namespace keelson::net {

// Certificates as PEM text. Reloadable: Server::set_tls() swaps them for new connections.
struct TlsServerConfig {
  std::string certificate_chain_pem;
  std::string private_key_pem;
  // CAs that client certificates are verified against; empty: none are asked for.
  std::string client_ca_pem;
  // True: a connection without a valid client certificate is refused (store peers). False: certificates are
  // optional, an unverifiable one is refused in the handshake.
  bool require_client_certificate = false;
  // Revoked client certificates, as PEM or DER; empty: none are. Their serial numbers count, not who signed
  // the list nor when, as with etcd.
  std::string crl;
  // 12 or 13; 0: 12 at least, the newest at most.
  int min_version = 0, max_version = 0;
  // TLS 1.2 suites by IANA (or Go) name; empty: ECDHE with AES-GCM or ChaCha20. kInvalidArgument for unknown
  // ones.
  std::vector<std::string> cipher_suites;
  // A last word on a verified client certificate (null: none was sent); false fails the handshake. Empty:
  // yes.
  std::function<bool(const PeerCertificate*)> accept;
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // or "unix:/path"
  std::uint16_t port = 0;             // 0 picks a free one
  std::optional<TlsServerConfig> tls;
  // How the log calls this server when it turns somebody away, as a warning: "client endpoint". Empty: said
  // at the debug level alone.
  std::string name;
  // With `tls`, asked when a handshake is done, on the connection's executor: an error turns who connects away,
  // and is logged. What takes longer than `handshake_timeout` is cut off. Empty: everybody is welcome.
  std::function<Task<Result<void>>(std::shared_ptr<const ConnectionInfo>)> admit;
  // With `tls`: who does not begin with a TLS handshake is served in plain text, on the same port.
  bool plain_too = false;
  std::size_t max_header_bytes = 64 * 1024;
  std::size_t write_buffer_bytes = 256 * 1024;  // per stream, before write() waits
  std::uint32_t max_concurrent_streams = 250;
  Duration handshake_timeout = std::chrono::seconds(10);
  Duration header_timeout = std::chrono::seconds(32);
  Duration idle_timeout = std::chrono::seconds(180);
  // HTTP/2, as gRPC servers have it. A client that sends PINGs more often than this (2 hours while it has no
  // stream), thrice without a reply of ours between them, is sent away: GOAWAY ENHANCE_YOUR_CALM. 0: never.
  Duration ping_interval_min{};
  // A client that is silent for this long is sent a PING (0: never), and cut off when nothing comes in time.
  Duration ping_after{};
  Duration ping_timeout = std::chrono::seconds(20);
};

class Server {
 public:
  // Connections are spread over `executors` (one io thread each); a connection stays on its executor.
  // `handler` and `clock` outlive the server.
  static Result<std::unique_ptr<Server>> listen(ServerOptions options, std::vector<Executor> executors,
                                                Handler& handler, Clock& clock, Logger logger);
  // REQUIRES: stop() has returned, or the executors run no more.
  virtual ~Server() = default;
  virtual std::uint16_t port() const = 0;
  virtual Result<void> set_tls(TlsServerConfig config) = 0;
  // Accepts no more, tells clients to go elsewhere (GOAWAY, Connection: close), lets exchanges end for at
  // most `grace`, then closes everything. Returns when all coroutines have ended.
  virtual Task<> stop(Duration grace) = 0;
};

}  // namespace keelson::net
