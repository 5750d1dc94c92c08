#include "auth/key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/base64.h"
#include "base/check.h"

namespace keelson::auth {
namespace {

using BioPtr = std::unique_ptr<BIO, decltype(&::BIO_free_all)>;
using BnPtr = std::unique_ptr<BIGNUM, decltype(&::BN_free)>;
using MdCtxPtr = std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)>;

BioPtr reader(std::string_view text) {
  return BioPtr(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), ::BIO_free_all);
}

std::string drain(BIO* bio) {
  char* data = nullptr;
  const long n = ::BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(n));
}

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) { return std::shared_ptr<EVP_PKEY>(key, ::EVP_PKEY_free); }

// Bytes of one coordinate: 32, 48 or 66.
std::size_t ec_field_bytes(EVP_PKEY* key) { return (static_cast<std::size_t>(::EVP_PKEY_get_bits(key)) + 7) / 8; }

const EVP_MD* hash_of(EVP_PKEY* key) {
  if (::EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return ::EVP_sha256();
  switch (ec_field_bytes(key)) {
    case 48: return ::EVP_sha384();
    case 66: return ::EVP_sha512();
    default: return ::EVP_sha256();
  }
}

std::string ecdsa_der_to_raw(std::string_view der, std::size_t n) {
  const auto* p = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* sig = ::d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(der.size()));
  CHECK(sig != nullptr);
  std::string out(2 * n, '\0');
  auto* o = reinterpret_cast<unsigned char*>(out.data());
  ::BN_bn2binpad(::ECDSA_SIG_get0_r(sig), o, static_cast<int>(n));
  ::BN_bn2binpad(::ECDSA_SIG_get0_s(sig), o + n, static_cast<int>(n));
  ::ECDSA_SIG_free(sig);
  return out;
}

std::string ecdsa_raw_to_der(std::string_view raw, std::size_t n) {
  if (raw.size() != 2 * n) return {};
  const auto* p = reinterpret_cast<const unsigned char*>(raw.data());
  ECDSA_SIG* sig = ::ECDSA_SIG_new();
  ::ECDSA_SIG_set0(sig, ::BN_bin2bn(p, static_cast<int>(n), nullptr), ::BN_bin2bn(p + n, static_cast<int>(n), nullptr));
  unsigned char* der = nullptr;
  const int len = ::i2d_ECDSA_SIG(sig, &der);
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(len));
  ::OPENSSL_free(der);
  ::ECDSA_SIG_free(sig);
  return out;
}

std::string big_endian(EVP_PKEY* key, const char* param, std::size_t pad) {
  BIGNUM* raw = nullptr;
  CHECK(::EVP_PKEY_get_bn_param(key, param, &raw) == 1);
  BnPtr bn(raw, ::BN_free);
  std::string out(std::max<std::size_t>(pad, static_cast<std::size_t>(BN_num_bytes(bn.get()))), '\0');
  ::BN_bn2binpad(bn.get(), reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  return out;
}

std::string_view pem_block(std::string_view& rest) {
  const auto begin = rest.find("-----BEGIN ");
  if (begin == std::string_view::npos) return {};
  auto end = rest.find("-----END ", begin);
  if (end == std::string_view::npos) return {};
  end = rest.find('\n', end);
  const auto stop = end == std::string_view::npos ? rest.size() : end + 1;
  const auto block = rest.substr(begin, stop - begin);
  rest.remove_prefix(stop);
  return block;
}

}  // namespace

Key Key::generate(Kind kind) {
  EVP_PKEY* key = kind == Kind::kEcP256 ? ::EVP_EC_gen("P-256") : ::EVP_RSA_gen(2048);
  CHECK(key != nullptr);
  return Key(own(key), true);
}

Result<Key> Key::parse(std::string_view pem) {
  std::string_view rest = pem;
  for (auto block = pem_block(rest); !block.empty(); block = pem_block(rest)) {
    if (block.find(" PARAMETERS-----") != std::string_view::npos) continue;
    if (EVP_PKEY* k = ::PEM_read_bio_PrivateKey(reader(block).get(), nullptr, nullptr, nullptr)) return Key(own(k), true);
    if (EVP_PKEY* k = ::PEM_read_bio_PUBKEY(reader(block).get(), nullptr, nullptr, nullptr)) return Key(own(k), false);
    if (X509* x = ::PEM_read_bio_X509(reader(block).get(), nullptr, nullptr, nullptr)) {
      EVP_PKEY* k = ::X509_get_pubkey(x);
      ::X509_free(x);
      if (k != nullptr) return Key(own(k), false);
    }
  }
  return fail(Code::kInvalidArgument, "no private key, public key or certificate found in PEM text");
}

Result<std::vector<Key>> parse_keys(std::string_view pem) {
  std::vector<Key> keys;
  std::string_view rest = pem;
  for (auto block = pem_block(rest); !block.empty(); block = pem_block(rest)) {
    if (auto k = Key::parse(block)) keys.push_back(std::move(*k));
  }
  if (keys.empty()) return fail(Code::kInvalidArgument, "no key found in PEM text");
  return keys;
}

std::string Key::private_pem() const {
  CHECK(private_);
  BioPtr bio(::BIO_new(::BIO_s_mem()), ::BIO_free_all);
  CHECK(::PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return drain(bio.get());
}

std::string Key::public_pem() const {
  BioPtr bio(::BIO_new(::BIO_s_mem()), ::BIO_free_all);
  CHECK(::PEM_write_bio_PUBKEY(bio.get(), key_.get()) == 1);
  return drain(bio.get());
}

bool Key::is_rsa() const { return ::EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA; }

std::string_view Key::jwt_algorithm() const {
  if (is_rsa()) return "RS256";
  switch (ec_field_bytes(key_.get())) {
    case 48: return "ES384";
    case 66: return "ES512";
    default: return "ES256";
  }
}

std::string Key::key_id() const {
  unsigned char* der = nullptr;
  const int n = ::i2d_PUBKEY(key_.get(), &der);
  CHECK(n > 0);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  ::SHA256(der, static_cast<std::size_t>(n), digest);
  ::OPENSSL_free(der);
  return base64url_encode(std::string_view(reinterpret_cast<char*>(digest), sizeof digest));
}

std::string Key::sign(std::string_view data) const {
  CHECK(private_);
  MdCtxPtr ctx(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
  CHECK(::EVP_DigestSignInit(ctx.get(), nullptr, hash_of(key_.get()), nullptr, key_.get()) == 1);
  std::size_t n = 0;
  const auto* p = reinterpret_cast<const unsigned char*>(data.data());
  CHECK(::EVP_DigestSign(ctx.get(), nullptr, &n, p, data.size()) == 1);
  std::string sig(n, '\0');
  CHECK(::EVP_DigestSign(ctx.get(), reinterpret_cast<unsigned char*>(sig.data()), &n, p, data.size()) == 1);
  sig.resize(n);
  return is_rsa() ? sig : ecdsa_der_to_raw(sig, ec_field_bytes(key_.get()));
}

bool Key::verify(std::string_view data, std::string_view signature) const {
  const std::string sig =
      is_rsa() ? std::string(signature) : ecdsa_raw_to_der(signature, ec_field_bytes(key_.get()));
  if (sig.empty()) return false;
  MdCtxPtr ctx(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
  if (::EVP_DigestVerifyInit(ctx.get(), nullptr, hash_of(key_.get()), nullptr, key_.get()) != 1) return false;
  return ::EVP_DigestVerify(ctx.get(), reinterpret_cast<const unsigned char*>(sig.data()), sig.size(),
                            reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1;
}

std::string Key::jwk() const {
  std::string s = R"({"use":"sig","kty":")";
  if (is_rsa()) {
    s += R"(RSA","kid":")" + key_id() + R"(","alg":"RS256","n":")" +
         base64url_encode(big_endian(key_.get(), OSSL_PKEY_PARAM_RSA_N, 0)) + R"(","e":")" +
         base64url_encode(big_endian(key_.get(), OSSL_PKEY_PARAM_RSA_E, 0)) + "\"}";
    return s;
  }
  const auto n = ec_field_bytes(key_.get());
  s += R"(EC","kid":")" + key_id() + R"(","crv":"P-)" + (n == 66 ? "521" : std::to_string(n * 8)) + R"(","alg":")" +
       std::string(jwt_algorithm()) + R"(","x":")" +
       base64url_encode(big_endian(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, n)) + R"(","y":")" +
       base64url_encode(big_endian(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, n)) + "\"}";
  return s;
}

}  // namespace keelson::auth
