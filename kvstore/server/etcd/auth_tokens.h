// Who calls: tokens in the request's metadata, or the client certificate's common name.
//
// Simple tokens ("random.index") are assigned through the log and so known to every member; JWTs are
// verified by key alone and carry the auth revision at which they were made.
//
// Thread rule: thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "kvstore/server/etcd/context.h"
#include "kvstore/server/etcd/jwt.h"

namespace keelson::kvstore::etcd {

// What --auth-token and --auth-token-ttl say.
struct AuthTokenOptions {
  std::optional<Jwt> jwt;  // none: simple tokens
  bool none = false;       // --auth-token='': nobody gets a token
  Duration simple_ttl = std::chrono::seconds(300);
};

// `spec` is "simple", "" or "jwt,sign-method=…,pub-key=PATH,priv-key=PATH,ttl=DURATION". kInvalidArgument
// ("auth: invalid auth options" …) for anything else.
Result<AuthTokenOptions> parse_auth_token(
    std::string_view spec, const std::function<Result<std::string>(const std::string& path)>& read_file);

class TokenAuthenticator final : public Authenticator {
 public:
  // References outlive this. `client_cert_auth`: --client-cert-auth: a caller without a token is the user
  // that its verified certificate names (not over the JSON gateway, as with etcd).
  TokenAuthenticator(Member& member, Clock& clock, Logger logger, AuthTokenOptions options,
                     bool client_cert_auth);

  Result<Identity> identify(const net::GrpcCall& call) override;
  std::optional<std::uint64_t> awaits(const net::Request& request) override;

  // A token for a user whose password was right at `auth_revision`. kInvalidArgument with
  // auth_old_revision_error() when users have changed since: check again.
  Task<Result<std::string>> issue(std::string user, std::uint64_t auth_revision);

 private:
  std::optional<Identity> by_token(const AuthView& view, std::string_view token);
  std::optional<Identity> by_jwt(std::string_view token);
  std::optional<JwtClaims> cached(std::string_view token, WallTime now);
  void sweep(const AuthView& view, MonoTime now);

  Member& member_;
  Clock& clock_;
  Logger logger_;
  const AuthTokenOptions options_;
  const bool client_cert_auth_;
  std::atomic<Duration::rep> swept_{0};

  // JWTs found good, so that a request does not cost a signature check.
  std::mutex mu_;
  std::map<std::string, JwtClaims, std::less<>> verified_;
};

}  // namespace keelson::kvstore::etcd
