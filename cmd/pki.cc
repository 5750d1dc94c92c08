#include "cmd/pki.h"

#include <sys/stat.h>

#include <filesystem>
#include <optional>

namespace keelson::cmd {
namespace {

using namespace std::chrono_literals;

constexpr auto kRenewBefore = std::chrono::hours(24 * 30);

class Folder {
 public:
  Folder(const PkiOptions& options, Clock& clock) : o_(options), now_(clock.wall()) {}

  Result<auth::KeyPair> ca() {
    const auto path = o_.dir + "/ca";
    if (auto have = load(path)) return std::move(*have);
    if (std::filesystem::exists(path + ".crt") != std::filesystem::exists(path + ".key")) {
      return fail(Code::kFailedPrecondition, "one of " + path + ".crt and " + path +
                                                 ".key is missing: restore it from a backup, or remove both to start with a new CA");
    }
    const auto made = auth::make_ca("keelson-ca", now_);
    TRY(save(path, made));
    return made;
  }

  Result<auth::KeyPair> leaf(const auth::KeyPair& ca, const std::string& name, const auth::CertificateRequest& rq) {
    const auto path = o_.dir + "/" + name;
    if (auto have = load(path)) {
      auto end = auth::certificate_end(have->certificate_pem);
      if (end && *end > now_ + kRenewBefore && auth::certificate_covers(have->certificate_pem, rq)) return std::move(*have);
    }
    auto made = TRY(auth::issue(ca, rq, now_));
    TRY(save(path, made));
    return made;
  }

  Result<std::string> service_account_key() {
    const auto path = o_.dir + "/sa.key";
    if (auto have = read_file(path)) return *have;
    const auto key = auth::Key::generate(auth::Key::Kind::kRsa2048);
    TRY(write_file(path, key.private_pem(), 0600));
    TRY(write_file(o_.dir + "/sa.pub", key.public_pem(), 0600));
    return key.private_pem();
  }

 private:
  std::optional<auth::KeyPair> load(const std::string& path) {
    auto crt = read_file(path + ".crt");
    auto key = read_file(path + ".key");
    if (!crt || !key || crt->empty() || key->empty()) return std::nullopt;
    return auth::KeyPair{std::move(*crt), std::move(*key)};
  }
  Result<void> save(const std::string& path, const auth::KeyPair& pair) {
    TRY(write_file(path + ".key", pair.key_pem, 0600));
    return write_file(path + ".crt", pair.certificate_pem, 0600);
  }
  const PkiOptions& o_;
  WallTime now_;
};

auth::CertificateRequest client(std::string name, std::vector<std::string> groups) {
  auth::CertificateRequest rq;
  rq.common_name = std::move(name);
  rq.organizations = std::move(groups);
  rq.client = true;
  return rq;
}

auth::CertificateRequest server(std::string name, const PkiOptions& o) {
  auth::CertificateRequest rq;
  rq.common_name = std::move(name);
  rq.server = true;
  rq.ip_addresses = o.server_ips;
  rq.dns_names = o.server_names;
  return rq;
}

}  // namespace

Result<ClusterPki> ensure_pki(const PkiOptions& options, Clock& clock) {
  std::error_code ec;
  std::filesystem::create_directories(options.dir, ec);
  if (ec) return fail(Code::kInternal, "cannot make " + options.dir + ": " + ec.message());
  ::chmod(options.dir.c_str(), 0700);
  Folder folder(options, clock);
  ClusterPki pki;
  const auto ca = TRY(folder.ca());
  pki.ca_pem = ca.certificate_pem;
  auto api = server("kube-apiserver", options);
  for (const char* n : {"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"}) {
    api.dns_names.emplace_back(n);
  }
  pki.apiserver = TRY(folder.leaf(ca, "apiserver", api));
  auto kubelet = server("system:node:" + options.node_name, options);
  kubelet.dns_names.push_back(options.node_name);
  pki.kubelet_server = TRY(folder.leaf(ca, "kubelet-server", kubelet));
  pki.apiserver_kubelet =
      TRY(folder.leaf(ca, "apiserver-kubelet-client", client("kube-apiserver-kubelet-client", {"system:masters"})));
  pki.admin = TRY(folder.leaf(ca, "admin", client("kubernetes-admin", {"system:masters"})));
  pki.kubelet_client =
      TRY(folder.leaf(ca, "kubelet-client", client("system:node:" + options.node_name, {"system:nodes"})));
  pki.scheduler = TRY(folder.leaf(ca, "scheduler", client("system:kube-scheduler", {})));
  pki.controller_manager = TRY(folder.leaf(ca, "controller-manager", client("system:kube-controller-manager", {})));
  pki.proxy = TRY(folder.leaf(ca, "proxy", client("system:kube-proxy", {})));
  pki.service_account_key_pem = TRY(folder.service_account_key());
  return pki;
}

}  // namespace keelson::cmd
