#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "auth/key.h"
#include "base/check.h"

namespace keelson::auth {
namespace {

using X509Ptr = std::unique_ptr<X509, decltype(&::X509_free)>;

X509Ptr parse_certificate(std::string_view pem) {
  BIO* bio = ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509Ptr x(::PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), ::X509_free);
  ::BIO_free(bio);
  return x;
}

std::string to_pem(X509* x) {
  BIO* bio = ::BIO_new(::BIO_s_mem());
  CHECK(::PEM_write_bio_X509(bio, x) == 1);
  char* data = nullptr;
  const long n = ::BIO_get_mem_data(bio, &data);
  std::string s(data, static_cast<std::size_t>(n));
  ::BIO_free(bio);
  return s;
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
  ::X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                               static_cast<int>(value.size()), -1, 0);
}

void add_extension(X509* x, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX ctx;
  X509V3_set_ctx_nodb(&ctx);
  ::X509V3_set_ctx(&ctx, issuer, x, nullptr, nullptr, 0);
  X509_EXTENSION* ext = ::X509V3_EXT_conf_nid(nullptr, &ctx, nid, value.c_str());
  CHECK(ext != nullptr);
  ::X509_add_ext(x, ext, -1);
  ::X509_EXTENSION_free(ext);
}

std::time_t unix_seconds(WallTime t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

// Fills everything but the signature. `issuer` is null for a self-signed certificate.
X509Ptr draft(const CertificateRequest& rq, const Key& key, X509* issuer, WallTime now) {
  X509Ptr x(::X509_new(), ::X509_free);
  ::X509_set_version(x.get(), 2);
  unsigned char serial[16];
  CHECK(::RAND_bytes(serial, sizeof serial) == 1);
  serial[0] &= 0x7f;
  BIGNUM* bn = ::BN_bin2bn(serial, sizeof serial, nullptr);
  ::BN_to_ASN1_INTEGER(bn, ::X509_get_serialNumber(x.get()));
  ::BN_free(bn);
  ::ASN1_TIME_set(::X509_getm_notBefore(x.get()), unix_seconds(now - std::chrono::minutes(5)));
  ::ASN1_TIME_set(::X509_getm_notAfter(x.get()), unix_seconds(now + rq.lifetime));
  ::X509_set_pubkey(x.get(), key.raw());
  X509_NAME* subject = ::X509_get_subject_name(x.get());
  for (const auto& o : rq.organizations) add_name(subject, "O", o);
  add_name(subject, "CN", rq.common_name);
  ::X509_set_issuer_name(x.get(), issuer ? ::X509_get_subject_name(issuer) : subject);

  X509* authority = issuer ? issuer : x.get();
  add_extension(x.get(), authority, NID_basic_constraints, rq.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(x.get(), authority, NID_key_usage,
                rq.ca ? "critical,digitalSignature,keyEncipherment,keyCertSign" : "critical,digitalSignature,keyEncipherment");
  add_extension(x.get(), authority, NID_subject_key_identifier, "hash");
  add_extension(x.get(), authority, NID_authority_key_identifier, "keyid");
  std::string usage;
  if (rq.server) usage += "serverAuth";
  if (rq.client) usage += usage.empty() ? "clientAuth" : ",clientAuth";
  if (!usage.empty()) add_extension(x.get(), authority, NID_ext_key_usage, usage);
  std::string names;
  for (const auto& d : rq.dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + d;
  for (const auto& ip : rq.ip_addresses) names += (names.empty() ? "IP:" : ",IP:") + ip;
  if (!names.empty()) add_extension(x.get(), authority, NID_subject_alt_name, names);
  return x;
}

}  // namespace

KeyPair make_ca(std::string common_name, WallTime now, std::chrono::hours lifetime) {
  CertificateRequest rq;
  rq.common_name = std::move(common_name);
  rq.ca = true;
  rq.lifetime = lifetime;
  const Key key = Key::generate(Key::Kind::kEcP256);
  auto x = draft(rq, key, nullptr, now);
  CHECK(::X509_sign(x.get(), key.raw(), ::EVP_sha256()) > 0);
  return {to_pem(x.get()), key.private_pem()};
}

Result<KeyPair> issue(const KeyPair& ca, const CertificateRequest& request, WallTime now) {
  auto issuer = parse_certificate(ca.certificate_pem);
  if (!issuer) return fail(Code::kInvalidArgument, "the CA certificate is not valid PEM");
  const Key ca_key = TRY(Key::parse(ca.key_pem));
  if (!ca_key.has_private()) return fail(Code::kInvalidArgument, "the CA key file holds no private key");
  const Key key = Key::generate(Key::Kind::kEcP256);
  auto x = draft(request, key, issuer.get(), now);
  if (::X509_sign(x.get(), ca_key.raw(), ::EVP_sha256()) <= 0) return fail(Code::kInternal, "signing failed");
  return KeyPair{to_pem(x.get()), key.private_pem()};
}

Result<WallTime> certificate_end(std::string_view certificate_pem) {
  auto x = parse_certificate(certificate_pem);
  if (!x) return fail(Code::kInvalidArgument, "not a PEM certificate");
  std::tm tm{};
  if (::ASN1_TIME_to_tm(::X509_get0_notAfter(x.get()), &tm) != 1) return fail(Code::kInvalidArgument, "bad notAfter");
  return WallTime(std::chrono::seconds(::timegm(&tm)));
}

bool certificate_covers(std::string_view certificate_pem, const CertificateRequest& request) {
  auto x = parse_certificate(certificate_pem);
  if (!x) return false;
  for (const auto& d : request.dns_names) {
    if (::X509_check_host(x.get(), d.data(), d.size(), 0, nullptr) != 1) return false;
  }
  for (const auto& ip : request.ip_addresses) {
    if (::X509_check_ip_asc(x.get(), ip.c_str(), 0) != 1) return false;
  }
  return true;
}

}  // namespace keelson::auth
