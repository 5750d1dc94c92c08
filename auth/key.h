// Keys and certificates: the little of X.509 that a cluster's own PKI needs, over OpenSSL. Everything is PEM text.
// Thread rule: free functions are thread-safe; a Key may be used from many threads.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

struct evp_pkey_st;

namespace keelson::auth {

// A private or public key.
class Key {
 public:
  enum class Kind { kEcP256, kRsa2048 };
  static Key generate(Kind kind);
  // Any private key PEM (PKCS#1, PKCS#8, SEC1), public key PEM or certificate PEM (its public key).
  static Result<Key> parse(std::string_view pem);

  std::string private_pem() const;  // REQUIRES: has_private()
  std::string public_pem() const;
  bool has_private() const { return private_; }
  bool is_rsa() const;
  // "RS256", "ES256", "ES384" or "ES512".
  std::string_view jwt_algorithm() const;
  // Key id as Kubernetes derives it: URL-safe base64 of SHA-256 of the DER public key.
  std::string key_id() const;

  // JWS signature (RFC 7515; raw r||s for ECDSA). REQUIRES: has_private().
  std::string sign(std::string_view data) const;
  bool verify(std::string_view data, std::string_view signature) const;
  // The key's JSON Web Key (RFC 7517), public part.
  std::string jwk() const;
  evp_pkey_st* raw() const { return key_.get(); }

 private:
  Key(std::shared_ptr<evp_pkey_st> key, bool is_private) : key_(std::move(key)), private_(is_private) {}
  std::shared_ptr<evp_pkey_st> key_;
  bool private_ = false;
};

// All keys in a PEM file (--service-account-key-file may hold several).
Result<std::vector<Key>> parse_keys(std::string_view pem);

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  bool server = false;
  bool client = false;
  bool ca = false;
  std::chrono::hours lifetime{24 * 365};
};

struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

// A self-signed CA.
KeyPair make_ca(std::string common_name, WallTime now, std::chrono::hours lifetime = std::chrono::hours(24 * 3650));
// A fresh key and a certificate for it, signed by `ca`. Valid from five minutes before `now`.
Result<KeyPair> issue(const KeyPair& ca, const CertificateRequest& request, WallTime now);
// When the (first) certificate ends, and whether it names all of `request`'s addresses: is a re-issue due?
Result<WallTime> certificate_end(std::string_view certificate_pem);
bool certificate_covers(std::string_view certificate_pem, const CertificateRequest& request);

}  // namespace keelson::auth
