// OpenSSL contexts and certificates. Internal to net/: the only header besides wire.h that names OpenSSL's
// types.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/client.h"
#include "net/http.h"
#include "net/server.h"

namespace keelson::net {

using SslContext = std::shared_ptr<SSL_CTX>;

// TLS 1.2 and later, no session resumption (a client certificate is verified anew for each connection).
// ALPN: h2, then http/1.1. kInvalidArgument for what cannot be parsed or does not match.
Result<SslContext> make_server_context(const TlsServerConfig& config);
// `h2` offers HTTP/2 by ALPN besides HTTP/1.1.
Result<SslContext> make_client_context(const TlsClientConfig& config, bool h2);

// A session for one connection. The caller gives it to a Wire.
Result<SSL*> make_client_session(const SslContext& context, const TlsClientConfig& config,
                                 const std::string& host);

// What the verified peer certificate of `ssl` says, or null.
std::shared_ptr<const PeerCertificate> peer_certificate(const SSL* ssl);
// Why the certificate of the other side was refused; empty: it was not, or nobody looked. `ssl` may be null.
std::string verify_failure(const SSL* ssl);
// The protocol that ALPN chose, or empty.
std::string_view alpn_protocol(const SSL* ssl);
// Takes this thread's OpenSSL error queue as text.
std::string take_ssl_errors();

}  // namespace keelson::net
