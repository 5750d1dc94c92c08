#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <set>

namespace keelson::net {
namespace {

constexpr unsigned char kAlpnBoth[] = "\x02h2\x08http/1.1";
constexpr unsigned char kAlpnHttp1[] = "\x08http/1.1";

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

BioPtr memory(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
}

std::unexpected<Error> ssl_failure(std::string what) {
  return fail(Code::kInvalidArgument, std::move(what) + ": " + take_ssl_errors());
}

Result<void> use_certificate(SSL_CTX* ctx, std::string_view chain, std::string_view key_pem) {
  const BioPtr bio = memory(chain);
  const X509Ptr leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  if (!leaf || SSL_CTX_use_certificate(ctx, leaf.get()) != 1) return ssl_failure("certificate");
  while (X509* more = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(ctx, more) != 1) {
      X509_free(more);
      return ssl_failure("certificate chain");
    }
  }
  ERR_clear_error();  // the end of the PEM text
  const BioPtr key_bio = memory(key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (!key || SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) return ssl_failure("private key");
  if (SSL_CTX_check_private_key(ctx) != 1) return ssl_failure("private key does not match the certificate");
  return {};
}

// Trusts each certificate of `pem`; `announce` names them to clients.
Result<void> trust(SSL_CTX* ctx, std::string_view pem, bool announce) {
  const BioPtr bio = memory(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  int count = 0;
  for (;; ++count) {
    const X509Ptr ca(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    if (!ca) break;
    if (X509_STORE_add_cert(store, ca.get()) != 1) return ssl_failure("CA certificate");
    if (announce && SSL_CTX_add_client_CA(ctx, ca.get()) != 1) return ssl_failure("CA certificate");
  }
  if (count == 0) return ssl_failure("no CA certificate in the bundle");
  ERR_clear_error();
  // Any certificate in the bundle is an anchor, intermediates too, as in Go's verifier.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

// What is asked of a certificate besides a good chain; lives in its context.
struct Scrutiny {
  std::set<std::string> revoked;  // serial numbers
  std::function<bool(const PeerCertificate*)> accept;
};

std::string bytes_of(const ASN1_INTEGER* serial) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)),
          static_cast<std::size_t>(ASN1_STRING_length(serial))};
}

// As etcd reads it: serial numbers alone count, an old list is as good as a new one.
Result<std::set<std::string>> revoked_serials(std::string_view crl_text) {
  using CrlPtr = std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)>;
  BioPtr bio = memory(crl_text);
  CrlPtr crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr), X509_CRL_free);
  if (!crl) {
    ERR_clear_error();
    bio = memory(crl_text);
    crl.reset(d2i_X509_CRL_bio(bio.get(), nullptr));
  }
  if (!crl) return ssl_failure("certificate revocation list");
  std::set<std::string> out;
  STACK_OF(X509_REVOKED)* list = X509_CRL_get_REVOKED(crl.get());
  for (int i = 0; i < sk_X509_REVOKED_num(list); ++i) {
    out.insert(bytes_of(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(list, i))));
  }
  return out;
}

int scrutiny_index() {
  static const int kIndex = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void* data, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<Scrutiny*>(data); });
  return kIndex;
}

// OpenSSL's name of a TLS 1.2 suite that is given by its IANA or Go name.
Result<std::string> openssl_cipher_name(SSL_CTX* ctx, const std::string& suite) {
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(ctx), SSL_free);
  SSL_set_cipher_list(ssl.get(), "ALL");
  const STACK_OF(SSL_CIPHER)* all = SSL_get_ciphers(ssl.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(all, i);
    const std::string_view name = SSL_CIPHER_standard_name(cipher);
    // Go leaves the hash of ChaCha20 suites out.
    if (name == suite || name == suite + "_SHA256") return std::string(SSL_CIPHER_get_name(cipher));
  }
  return fail(Code::kInvalidArgument, "unexpected TLS cipher suite \"" + suite + "\"");
}

Result<void> restrict_protocol(SSL_CTX* ctx, const TlsServerConfig& config) {
  const auto version = [](int v) { return v == 13 ? TLS1_3_VERSION : TLS1_2_VERSION; };
  if (config.min_version != 0) SSL_CTX_set_min_proto_version(ctx, version(config.min_version));
  if (config.max_version != 0) SSL_CTX_set_max_proto_version(ctx, version(config.max_version));
  std::string list;
  for (const auto& suite : config.cipher_suites) {
    const std::string name = TRY(openssl_cipher_name(ctx, suite));
    // TLS 1.3 suites are not for choosing, as in Go.
    if (!name.starts_with("TLS_")) list += (list.empty() ? "" : ":") + name;
  }
  if (!list.empty() && SSL_CTX_set_cipher_list(ctx, list.c_str()) != 1) return ssl_failure("cipher suites");
  return {};
}

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_len, const unsigned char* in,
                unsigned in_len, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_len, kAlpnBoth, sizeof kAlpnBoth - 1, in, in_len) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Result<SslContext> new_context(const SSL_METHOD* method) {
  SslContext ctx(SSL_CTX_new(method), SSL_CTX_free);
  if (!ctx) return ssl_failure("SSL_CTX_new");
  SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx.get(), 0);
  SSL_CTX_set_read_ahead(ctx.get(), 1);
  SSL_CTX_set_ciphersuites(ctx.get(),
                           "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set_cipher_list(ctx.get(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  return ctx;
}

std::string text_of(const ASN1_STRING* s) {
  unsigned char* utf8 = nullptr;
  const int n = ASN1_STRING_to_UTF8(&utf8, s);
  if (n < 0) return {};
  std::string out(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(n));
  OPENSSL_free(utf8);
  return out;
}

std::string hex(const unsigned char* data, std::size_t n) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < n; ++i) {
    out.push_back(kHex[data[i] >> 4]);
    out.push_back(kHex[data[i] & 15]);
  }
  return out;
}

void read_subject(const X509* cert, PeerCertificate& out) {
  const X509_NAME* name = X509_get_subject_name(cert);
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid == NID_commonName) out.common_name = text_of(X509_NAME_ENTRY_get_data(entry));
    if (nid == NID_organizationName) out.organizations.push_back(text_of(X509_NAME_ENTRY_get_data(entry)));
  }
}

void read_alternative_names(const X509* cert, PeerCertificate& out) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) out.dns_names.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_IPADD) {
      char text[INET6_ADDRSTRLEN] = {};
      const int length = ASN1_STRING_length(name->d.iPAddress);
      if (length != 4 && length != 16) continue;
      ::inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text,
                  sizeof text);
      out.ip_addresses.emplace_back(text);
    }
  }
  GENERAL_NAMES_free(names);
}

std::shared_ptr<const PeerCertificate> describe(const X509* cert) {
  auto out = std::make_shared<PeerCertificate>();
  read_subject(cert, *out);
  read_alternative_names(cert, *out);
  if (BIGNUM* serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), nullptr)) {
    char* text = BN_bn2hex(serial);
    out->serial_hex = text;
    OPENSSL_free(text);
    BN_free(serial);
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned digest_len = 0;
  if (X509_digest(cert, EVP_sha256(), digest, &digest_len) == 1)
    out->der_sha256_hex = hex(digest, digest_len);
  std::tm tm{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1) out->not_after_unix = ::timegm(&tm);
  return out;
}

// Whether a trusted authority has signed `leaf`, which OpenSSL took for self-signed because the authority has the
// same name and nothing else tells them apart. Go's programs accept such certificates.
bool signed_by_namesake(X509_STORE_CTX* store, X509* leaf) {
  if (X509_self_signed(leaf, 1) != 0) return false;
  STACK_OF(X509)* namesakes = X509_STORE_CTX_get1_certs(store, X509_get_issuer_name(leaf));
  bool found = false;
  for (int i = 0; i < sk_X509_num(namesakes) && !found; ++i) {
    X509* ca = sk_X509_value(namesakes, i);
    found = X509_check_ca(ca) == 1 && (X509_get_key_usage(ca) & KU_KEY_CERT_SIGN) != 0 &&
            X509_cmp_current_time(X509_get0_notBefore(ca)) < 0 &&
            X509_cmp_current_time(X509_get0_notAfter(ca)) > 0 && X509_verify(leaf, X509_get0_pubkey(ca)) == 1;
  }
  sk_X509_pop_free(namesakes, X509_free);
  ERR_clear_error();
  return found;
}

// Called for each certificate of the other side's chain, the last authority first, and for what is wrong with it.
int scrutinize(int chain_ok, X509_STORE_CTX* store) {
  if (chain_ok != 1) {
    if (X509_STORE_CTX_get_error(store) != X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
        !signed_by_namesake(store, X509_STORE_CTX_get_current_cert(store)))
      return 0;
    X509_STORE_CTX_set_error(store, X509_V_OK);
  }
  const auto* ssl =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* wanted =
      static_cast<const Scrutiny*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), scrutiny_index()));
  const X509* cert = X509_STORE_CTX_get_current_cert(store);
  if (wanted->revoked.contains(bytes_of(X509_get0_serialNumber(cert)))) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED);
    return 0;
  }
  if (X509_STORE_CTX_get_error_depth(store) == 0 && wanted->accept && !wanted->accept(describe(cert).get())) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);  // its alert is bad_certificate, as Go's
    return 0;
  }
  return 1;
}

void verify_with(SSL_CTX* ctx, int mode, std::unique_ptr<Scrutiny> scrutiny) {
  SSL_CTX_set_ex_data(ctx, scrutiny_index(), scrutiny.release());
  SSL_CTX_set_verify(ctx, mode, scrutinize);
}

}  // namespace

std::string take_ssl_errors() {
  std::string out;
  while (const unsigned long e = ERR_get_error()) {
    if (!out.empty()) out += "; ";
    // What the other side says of us is worded as Go's programs word it: people search their logs for it.
    const int reason = ERR_GET_REASON(e);
    if (ERR_GET_LIB(e) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
      out += std::string("remote error: tls: ") + SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET);
      continue;
    }
    char text[256];
    ERR_error_string_n(e, text, sizeof text);
    out += text;
  }
  return out.empty() ? "no detail" : out;
}

Result<SslContext> make_server_context(const TlsServerConfig& config) {
  SslContext ctx = TRY(new_context(TLS_server_method()));
  TRY(use_certificate(ctx.get(), config.certificate_chain_pem, config.private_key_pem));
  if (!config.client_ca_pem.empty()) {
    TRY(trust(ctx.get(), config.client_ca_pem, true));
    auto scrutiny = std::make_unique<Scrutiny>();
    if (!config.crl.empty()) scrutiny->revoked = TRY(revoked_serials(config.crl));
    scrutiny->accept = config.accept;
    verify_with(ctx.get(),
                SSL_VERIFY_PEER | (config.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                std::move(scrutiny));
  }
  TRY(restrict_protocol(ctx.get(), config));
  SSL_CTX_set_alpn_select_cb(ctx.get(), select_alpn, nullptr);
  return ctx;
}

Result<SslContext> make_client_context(const TlsClientConfig& config, bool h2) {
  SslContext ctx = TRY(new_context(TLS_client_method()));
  if (!config.certificate_pem.empty()) {
    TRY(use_certificate(ctx.get(), config.certificate_pem, config.private_key_pem));
  }
  if (config.insecure_skip_verify) {
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_NONE, nullptr);
  } else {
    auto scrutiny = std::make_unique<Scrutiny>();
    scrutiny->accept = config.accept;
    verify_with(ctx.get(), SSL_VERIFY_PEER, std::move(scrutiny));
    if (config.ca_pem.empty()) {
      SSL_CTX_set_default_verify_paths(ctx.get());
    } else {
      TRY(trust(ctx.get(), config.ca_pem, false));
    }
  }
  if (h2) {
    SSL_CTX_set_alpn_protos(ctx.get(), kAlpnBoth, sizeof kAlpnBoth - 1);
  } else {
    SSL_CTX_set_alpn_protos(ctx.get(), kAlpnHttp1, sizeof kAlpnHttp1 - 1);
  }
  return ctx;
}

Result<SSL*> make_client_session(const SslContext& context, const TlsClientConfig& config,
                                 const std::string& host) {
  const std::string& name = config.server_name.empty() ? host : config.server_name;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
  if (!ssl) return ssl_failure("SSL_new");
  unsigned char address[16];
  const bool is_ip =
      ::inet_pton(AF_INET, name.c_str(), address) == 1 || ::inet_pton(AF_INET6, name.c_str(), address) == 1;
  if (!is_ip) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  if (!config.insecure_skip_verify) {
    X509_VERIFY_PARAM* param = SSL_get0_param(ssl.get());
    const int ok = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str())
                         : X509_VERIFY_PARAM_set1_host(param, name.c_str(), name.size());
    if (ok != 1) return ssl_failure("server name " + name);
  }
  return ssl.release();
}

std::shared_ptr<const PeerCertificate> peer_certificate(const SSL* ssl) {
  const X509* cert = SSL_get0_peer_certificate(ssl);
  if (cert == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return nullptr;
  return describe(cert);
}

std::string verify_failure(const SSL* ssl) {
  if (ssl == nullptr || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE) return {};
  const long result = SSL_get_verify_result(ssl);
  if (result == X509_V_OK) return {};
  if (result == X509_V_ERR_CERT_REJECTED)
    return "client certificate authentication failed: its name is not allowed";
  return std::string("tls: failed to verify certificate: ") + X509_verify_cert_error_string(result);
}

std::string_view alpn_protocol(const SSL* ssl) {
  const unsigned char* data = nullptr;
  unsigned n = 0;
  SSL_get0_alpn_selected(ssl, &data, &n);
  return {reinterpret_cast<const char*>(data), n};
}

}  // namespace keelson::net
