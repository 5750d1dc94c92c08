#include "kvstore/server/etcd/jwt.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <boost/json.hpp>

#include "base/base64.h"
#include "base/check.h"

namespace keelson::kvstore::etcd {
namespace {

namespace json = boost::json;

using BioPtr = std::unique_ptr<BIO, decltype(&::BIO_free_all)>;
using MdCtxPtr = std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)>;
using KeyPtr = std::shared_ptr<EVP_PKEY>;

const unsigned char* bytes_of(std::string_view s) {
  return reinterpret_cast<const unsigned char*>(s.data());
}

BioPtr reader(std::string_view text) {
  return BioPtr(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), ::BIO_free_all);
}

KeyPtr own(EVP_PKEY* key) {
  ::ERR_clear_error();
  return KeyPtr(key, ::EVP_PKEY_free);
}

KeyPtr read_private(std::string_view pem) {
  return own(::PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, nullptr, nullptr));
}

KeyPtr read_public(std::string_view pem) {
  if (auto key = own(::PEM_read_bio_PUBKEY(reader(pem).get(), nullptr, nullptr, nullptr))) return key;
  X509* x = ::PEM_read_bio_X509(reader(pem).get(), nullptr, nullptr, nullptr);
  if (x == nullptr) return own(nullptr);
  auto key = own(::X509_get_pubkey(x));
  ::X509_free(x);
  return key;
}

std::size_t ec_field_bytes(EVP_PKEY* key) {
  return (static_cast<std::size_t>(::EVP_PKEY_get_bits(key)) + 7) / 8;
}

// JWS has r and s as two numbers of equal length, OpenSSL as a DER sequence.
std::string ecdsa_raw(std::string_view der, std::size_t n) {
  const auto* p = bytes_of(der);
  ECDSA_SIG* sig = ::d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(der.size()));
  CHECK(sig != nullptr);
  std::string out(2 * n, '\0');
  auto* o = reinterpret_cast<unsigned char*>(out.data());
  ::BN_bn2binpad(::ECDSA_SIG_get0_r(sig), o, static_cast<int>(n));
  ::BN_bn2binpad(::ECDSA_SIG_get0_s(sig), o + n, static_cast<int>(n));
  ::ECDSA_SIG_free(sig);
  return out;
}

std::string ecdsa_der(std::string_view raw, std::size_t n) {
  if (raw.size() != 2 * n) return {};
  ECDSA_SIG* sig = ::ECDSA_SIG_new();
  ::ECDSA_SIG_set0(sig, ::BN_bin2bn(bytes_of(raw), static_cast<int>(n), nullptr),
                   ::BN_bin2bn(bytes_of(raw) + n, static_cast<int>(n), nullptr));
  unsigned char* der = nullptr;
  const int len = ::i2d_ECDSA_SIG(sig, &der);
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(len));
  ::OPENSSL_free(der);
  ::ECDSA_SIG_free(sig);
  return out;
}

std::optional<json::object> decode_part(std::string_view part) {
  const auto text = base64url_decode(part);
  if (!text) return std::nullopt;
  boost::system::error_code ec;
  auto value = json::parse(*text, ec);
  if (ec || !value.is_object()) return std::nullopt;
  return std::move(value.as_object());
}

std::optional<std::int64_t> number_of(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  if (v == nullptr) return std::nullopt;
  if (v->is_int64()) return v->as_int64();
  if (v->is_uint64()) return static_cast<std::int64_t>(v->as_uint64());
  // JSON numbers of other writers: 1e9 and 1.5e9 are fine, what does not fit is none.
  if (v->is_double() && std::abs(v->as_double()) < 9e18) return static_cast<std::int64_t>(v->as_double());
  return std::nullopt;
}

std::int64_t unix_seconds(WallTime t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

std::string hmac(const char* digest, std::string_view key, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned int n = 0;
  CHECK(::HMAC(::EVP_get_digestbyname(digest), key.data(), static_cast<int>(key.size()), bytes_of(data),
               data.size(), out.data(), &n) != nullptr);
  return std::string(reinterpret_cast<char*>(out.data()), n);
}

void set_pss(EVP_PKEY_CTX* ctx, int salt_length) {
  CHECK(::EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1);
  CHECK(::EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt_length) == 1);
}

}  // namespace

Result<Jwt> Jwt::make(JwtOptions options) {
  Jwt jwt;
  const std::string_view m = options.sign_method;
  const std::string_view size = m.size() == 5 ? m.substr(2) : std::string_view();
  jwt.digest_ = size == "256" ? "SHA256" : size == "384" ? "SHA384" : size == "512" ? "SHA512" : nullptr;
  const std::string_view family = m.substr(0, 2);
  if (m == "EdDSA") {
    jwt.family_ = Family::kEd;
    jwt.digest_ = nullptr;
  } else if (jwt.digest_ == nullptr) {
    return fail(Code::kInvalidArgument, "auth: invalid auth signature method");
  } else if (family == "RS" || family == "PS") {
    jwt.family_ = family == "RS" ? Family::kRsa : Family::kPss;
  } else if (family == "ES") {
    jwt.family_ = Family::kEc;
    jwt.ec_bits_ = size == "256" ? 256 : size == "384" ? 384 : 521;
  } else if (family == "HS") {
    jwt.family_ = Family::kHmac;
  } else {
    return fail(Code::kInvalidArgument, "auth: invalid auth signature method");
  }
  jwt.options_ = std::move(options);
  TRY(jwt.load_key());
  return jwt;
}

Result<void> Jwt::load_key() {
  const JwtOptions& o = options_;
  can_sign_ = !o.private_key.empty();
  if (family_ == Family::kHmac) {
    if (!can_sign_) return fail(Code::kInvalidArgument, "auth: missing key data");
    return {};
  }
  if (o.private_key.empty() && o.public_key.empty()) {
    return fail(Code::kInvalidArgument, "auth: missing key data");
  }
  if (can_sign_) key_ = read_private(o.private_key);
  const KeyPtr pub = o.public_key.empty() ? nullptr : read_public(o.public_key);
  if ((can_sign_ && !key_) || (!o.public_key.empty() && !pub)) {
    return fail(Code::kInvalidArgument, "auth: a key of --auth-token cannot be read as PEM");
  }
  if (key_ && pub && ::EVP_PKEY_eq(key_.get(), pub.get()) != 1) {
    return fail(Code::kInvalidArgument, "auth: public and private keys don't match");
  }
  if (!key_) key_ = pub;
  const int id = ::EVP_PKEY_get_base_id(key_.get());
  const int want = family_ == Family::kEc   ? EVP_PKEY_EC
                   : family_ == Family::kEd ? EVP_PKEY_ED25519
                                            : EVP_PKEY_RSA;
  if (id != want || (family_ == Family::kEc && ::EVP_PKEY_get_bits(key_.get()) != ec_bits_)) {
    return fail(Code::kInvalidArgument, "auth: the key of --auth-token is not of the kind that sign-method " +
                                            o.sign_method + " needs");
  }
  return {};
}

std::string Jwt::signature(std::string_view data) const {
  if (family_ == Family::kHmac) return hmac(digest_, options_.private_key, data);
  MdCtxPtr ctx(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
  EVP_PKEY_CTX* pkey_ctx = nullptr;
  const EVP_MD* md = digest_ ? ::EVP_get_digestbyname(digest_) : nullptr;
  CHECK(::EVP_DigestSignInit(ctx.get(), &pkey_ctx, md, nullptr, key_.get()) == 1);
  if (family_ == Family::kPss) set_pss(pkey_ctx, RSA_PSS_SALTLEN_DIGEST);
  std::size_t n = 0;
  CHECK(::EVP_DigestSign(ctx.get(), nullptr, &n, bytes_of(data), data.size()) == 1);
  std::string out(n, '\0');
  CHECK(::EVP_DigestSign(ctx.get(), reinterpret_cast<unsigned char*>(out.data()), &n, bytes_of(data),
                         data.size()) == 1);
  out.resize(n);
  return family_ == Family::kEc ? ecdsa_raw(out, ec_field_bytes(key_.get())) : out;
}

bool Jwt::is_signature(std::string_view data, std::string_view signature) const {
  if (family_ == Family::kHmac) {
    const std::string want = hmac(digest_, options_.private_key, data);
    return want.size() == signature.size() &&
           ::CRYPTO_memcmp(want.data(), signature.data(), want.size()) == 0;
  }
  std::string sig(signature);
  if (family_ == Family::kEc) sig = ecdsa_der(signature, ec_field_bytes(key_.get()));
  if (sig.empty()) return false;
  MdCtxPtr ctx(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
  EVP_PKEY_CTX* pkey_ctx = nullptr;
  const EVP_MD* md = digest_ ? ::EVP_get_digestbyname(digest_) : nullptr;
  if (::EVP_DigestVerifyInit(ctx.get(), &pkey_ctx, md, nullptr, key_.get()) != 1) return false;
  if (family_ == Family::kPss) set_pss(pkey_ctx, RSA_PSS_SALTLEN_AUTO);
  const bool good =
      ::EVP_DigestVerify(ctx.get(), bytes_of(sig), sig.size(), bytes_of(data), data.size()) == 1;
  if (!good) ::ERR_clear_error();
  return good;
}

Result<std::string> Jwt::sign(std::string_view user, std::uint64_t auth_revision, WallTime now) const {
  if (!can_sign_) {
    return fail(Code::kFailedPrecondition, "auth: token signing attempted with verify-only key");
  }
  const json::object header{{"alg", options_.sign_method}, {"typ", "JWT"}};
  const json::object claims{
      {"exp", unix_seconds(now + options_.ttl)}, {"revision", auth_revision}, {"username", user}};
  std::string token =
      base64url_encode(json::serialize(header)) + "." + base64url_encode(json::serialize(claims));
  const std::string sig = signature(token);
  return token + "." + base64url_encode(sig);
}

std::optional<JwtClaims> Jwt::verify(std::string_view token, WallTime now) const {
  const auto dot1 = token.find('.');
  const auto dot2 = dot1 == std::string_view::npos ? dot1 : token.find('.', dot1 + 1);
  if (dot2 == std::string_view::npos || token.find('.', dot2 + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  const auto header = decode_part(token.substr(0, dot1));
  if (!header) return std::nullopt;
  const auto* alg = header->if_contains("alg");
  if (alg == nullptr || !alg->is_string() || alg->as_string() != options_.sign_method) return std::nullopt;
  const auto sig = base64url_decode(token.substr(dot2 + 1));
  if (!sig || !is_signature(token.substr(0, dot2), *sig)) return std::nullopt;
  const auto claims = decode_part(token.substr(dot1 + 1, dot2 - dot1 - 1));
  if (!claims) return std::nullopt;

  JwtClaims out;
  if (claims->contains("exp")) {
    const auto exp = number_of(*claims, "exp");
    if (!exp || *exp <= unix_seconds(now)) return std::nullopt;
    out.expires = WallTime(std::chrono::seconds(std::min<std::int64_t>(*exp, 9'000'000'000)));
  }
  if (claims->contains("nbf")) {
    const auto nbf = number_of(*claims, "nbf");
    if (!nbf || *nbf > unix_seconds(now)) return std::nullopt;
  }
  const auto* user = claims->if_contains("username");
  const auto revision = number_of(*claims, "revision");
  if (user == nullptr || !user->is_string() || !revision || *revision < 0) return std::nullopt;
  out.user = user->as_string();
  out.auth_revision = static_cast<std::uint64_t>(*revision);
  return out;
}

}  // namespace keelson::kvstore::etcd
