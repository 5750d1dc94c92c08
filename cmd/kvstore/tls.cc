#include "cmd/kvstore/tls.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include <algorithm>

#include "auth/key.h"
#include "base/file.h"
#include "cmd/files.h"
#include "cmd/kvstore/comma_list.h"
#include "net/certificate_names.h"

namespace keelson::cmd {
namespace {

int version_number(const std::string& name) {
  return name == "TLS1.3" ? 13 : name == "TLS1.2" ? 12 : 0;
}

// --peer-cert-allowed-cn, or -hostname: one of those given must fit.
std::function<bool(const net::PeerCertificate*)> acceptance(const TlsFiles& tls) {
  if (tls.allowed_cns.empty() && tls.allowed_hostnames.empty()) return {};
  return [cns = tls.allowed_cns, hosts = tls.allowed_hostnames](const net::PeerCertificate* cert) {
    if (cert == nullptr) return false;
    if (std::ranges::find(cns, cert->common_name) != cns.end()) return true;
    return std::ranges::any_of(hosts, [&](const std::string& h) { return net::covers_host(*cert, h); });
  };
}

}  // namespace

Result<TlsFiles> with_generated(TlsFiles tls, const std::string& dir, const std::vector<Url>& urls,
                                std::int64_t years, Clock& clock) {
  if (!tls.auto_tls || !tls.empty()) return tls;
  auth::CertificateRequest request;
  request.common_name = "keelson";
  request.server = request.client = true;
  request.lifetime = std::chrono::hours(24 * 365 * std::max<std::int64_t>(years, 1));
  for (const auto& url : urls) {
    unsigned char address[16];
    if (url.is_unix()) continue;
    const bool ip = ::inet_pton(AF_INET, url.host.c_str(), address) == 1 ||
                    ::inet_pton(AF_INET6, url.host.c_str(), address) == 1;
    (ip ? request.ip_addresses : request.dns_names).push_back(url.host);
  }
  tls.cert_file = dir + "/cert.pem";
  tls.key_file = dir + "/key.pem";
  FileSystem& fs = posix_file_system();
  if (fs.exists(tls.cert_file) && fs.exists(tls.key_file)) return tls;
  TRY(fs.make_dirs(dir));
  const auto pair =
      TRY(auth::issue(auth::make_ca("keelson", clock.wall(), request.lifetime), request, clock.wall()));
  TRY(write_file(tls.key_file, pair.key_pem, 0600));
  TRY(write_file(tls.cert_file, pair.certificate_pem, 0600));
  return tls;
}

Result<net::TlsServerConfig> server_tls(const KvstoreConfig& config, const TlsFiles& tls) {
  if (tls.empty())
    return fail(Code::kInvalidArgument,
                "KeyFile and CertFile are not presented: an https URL needs --cert-file and --key-file");
  net::TlsServerConfig out;
  out.certificate_chain_pem = TRY(read_file(tls.cert_file));
  out.private_key_pem = TRY(read_file(tls.key_file));
  if (!tls.trusted_ca_file.empty()) {
    out.client_ca_pem = TRY(read_file(tls.trusted_ca_file));
    out.require_client_certificate = true;
  } else if (tls.client_cert_auth && !tls.auto_tls) {
    return fail(Code::kInvalidArgument,
                "client certificates are asked for, but no trusted CA file is given to verify them");
  }
  if (!tls.crl_file.empty()) out.crl = TRY(read_file(tls.crl_file));
  out.min_version = version_number(config.tls_min_version);
  out.max_version = version_number(config.tls_max_version);
  out.cipher_suites = split_list(config.cipher_suites);
  out.accept = acceptance(tls);
  return out;
}

Result<net::TlsClientConfig> client_tls(const TlsFiles& tls) {
  net::TlsClientConfig out;
  const bool own = !tls.client_cert_file.empty();
  const std::string& cert = own ? tls.client_cert_file : tls.cert_file;
  if (!cert.empty()) {
    out.certificate_pem = TRY(read_file(cert));
    out.private_key_pem = TRY(read_file(own ? tls.client_key_file : tls.key_file));
  }
  if (!tls.trusted_ca_file.empty()) out.ca_pem = TRY(read_file(tls.trusted_ca_file));
  // Members with generated certificates have nobody to vouch for them.
  out.insecure_skip_verify = tls.auto_tls && tls.trusted_ca_file.empty();
  out.accept = acceptance(tls);
  return out;
}

std::string file_stamp(const TlsFiles& tls) {
  std::string out;
  for (const auto* path : {&tls.cert_file, &tls.key_file, &tls.trusted_ca_file, &tls.crl_file,
                           &tls.client_cert_file, &tls.client_key_file}) {
    struct stat st{};
    if (path->empty() || ::stat(path->c_str(), &st) != 0) continue;
    out += std::to_string(st.st_ino) + ":" + std::to_string(st.st_mtim.tv_sec) + "." +
           std::to_string(st.st_mtim.tv_nsec) + ";";
  }
  return out;
}

}  // namespace keelson::cmd
