// Service account tokens: JWTs (RFC 7519) as kube-apiserver makes and checks them (KEP-1205 bound tokens).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/authenticator.h"
#include "auth/key.h"
#include "base/clock.h"

namespace keelson::auth {

// What a token says and is bound to.
struct TokenClaims {
  std::string namespace_;
  std::string service_account;
  std::string service_account_uid;
  std::string pod_name, pod_uid;        // bound to a pod, or empty
  std::string node_name, node_uid;      // of that pod
  std::string secret_name, secret_uid;  // bound to a secret, or empty
  std::vector<std::string> audiences;
  std::int64_t issued_at = 0, expires_at = 0, warn_after = 0;  // Unix seconds
  std::string id;                                              // jti
};

// Makes tokens. Thread-safe.
class TokenIssuer {
 public:
  // REQUIRES: key.has_private().
  TokenIssuer(std::string issuer, Key key) : issuer_(std::move(issuer)), key_(std::move(key)), key_id_(key_.key_id()) {}
  std::string make(const TokenClaims& claims) const;
  const std::string& issuer() const { return issuer_; }

 private:
  std::string issuer_;
  Key key_;
  std::string key_id_;
};

// Says whether what a token is bound to still exists with that uid. Must be fast (a cache look-up) and thread-safe.
struct BoundObjects {
  virtual ~BoundObjects() = default;
  // The uid of the live object, or nullopt when there is none (or it terminates).
  virtual std::optional<std::string> service_account_uid(std::string_view ns, std::string_view name) = 0;
  virtual std::optional<std::string> pod_uid(std::string_view ns, std::string_view name) = 0;
  virtual std::optional<std::string> secret_uid(std::string_view ns, std::string_view name) = 0;
};

// Checks tokens: signature, issuer, time, audience, bound objects. Good answers are cached for ten seconds, as upstream does.
class ServiceAccountTokens final : public TokenAuthenticator {
 public:
  struct Options {
    std::vector<std::string> issuers;  // the first one signs, all are accepted
    std::vector<std::string> audiences;
    std::vector<Key> keys;
  };
  // `objects` and `clock` outlive this; `objects` may be null (nothing is looked up).
  ServiceAccountTokens(Options options, BoundObjects* objects, Clock& clock);

  // nullptr when the text is no JWT of one of our issuers; kUnauthenticated when it is and does not hold.
  Result<UserPtr> authenticate_token(std::string_view token) override;
  // The claims of a token that holds, for `audiences` (empty: the server's own).
  Result<TokenClaims> check(std::string_view token, const std::vector<std::string>& audiences);
  // GET /openid/v1/jwks.
  std::string jwks() const;

 private:
  struct Cached {
    UserPtr user;
    MonoTime until;
  };
  Result<std::optional<TokenClaims>> verify(std::string_view token, const std::vector<std::string>& audiences);
  Result<void> check_bound(const TokenClaims& claims);
  Options options_;
  std::vector<std::string> key_ids_;
  BoundObjects* objects_;
  Clock& clock_;
  std::mutex mu_;
  std::unordered_map<std::string, Cached> cache_;
};

}  // namespace keelson::auth
