// Jwt: signs and verifies the JSON Web Tokens of `--auth-token jwt,…` (RFC 7515, 7518, 8037): claims
// "username", "revision", "exp", as etcd writes and reads them, so that its tokens are good here and ours
// there.
//
// Thread rule: immutable; any thread. Signing and verifying cost up to a millisecond: keep them off event
// loops.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

struct evp_pkey_st;

namespace keelson::kvstore::etcd {

// The parts of "jwt,sign-method=RS256,pub-key=a.pem,priv-key=b.pem,ttl=10m", keys as file contents.
struct JwtOptions {
  std::string sign_method;  // RS256 … RS512, PS256 …, ES256 …, EdDSA, HS256 …
  std::string public_key;   // PEM, or a certificate
  std::string private_key;  // PEM; the shared secret's bytes for HS*
  Duration ttl = std::chrono::minutes(5);
};

struct JwtClaims {
  std::string user;
  std::uint64_t auth_revision = 0;
  std::optional<WallTime> expires;
};

class Jwt {
 public:
  // kInvalidArgument: an unknown method ("auth: invalid auth signature method"), no key ("auth: missing key
  // data"), a key that is not of the method's kind or cannot be read, keys that do not belong together.
  static Result<Jwt> make(JwtOptions options);

  // A public key alone can only verify.
  bool can_sign() const { return can_sign_; }
  // kFailedPrecondition without a private key.
  Result<std::string> sign(std::string_view user, std::uint64_t auth_revision, WallTime now) const;
  // nullopt for everything but a token of this method and key, in its time, with both claims.
  std::optional<JwtClaims> verify(std::string_view token, WallTime now) const;

 private:
  enum class Family { kRsa, kPss, kEc, kEd, kHmac };
  Jwt() = default;
  Result<void> load_key();
  std::string signature(std::string_view data) const;
  bool is_signature(std::string_view data, std::string_view signature) const;

  JwtOptions options_;
  Family family_ = Family::kRsa;
  const char* digest_ = nullptr;  // null for EdDSA
  int ec_bits_ = 0;
  bool can_sign_ = false;
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace keelson::kvstore::etcd
