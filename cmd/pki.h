// ClusterPki: the keys and certificates of `keelson up`, made on first start and kept under <data-dir>/pki with kubeadm's
// file names. Idempotent: what is there and still good is used again; leaf certificates are re-issued 30 days before they end
// or when the addresses they must cover change. Files are 0600, the folder 0700.
#pragma once

#include <string>
#include <vector>

#include "auth/key.h"
#include "base/clock.h"
#include "base/error.h"
#include "cmd/files.h"

namespace keelson::cmd {

struct PkiOptions {
  std::string dir;
  std::vector<std::string> server_ips;    // addresses the API server and the kubelet are reached at
  std::vector<std::string> server_names;  // host names, beside kubernetes, kubernetes.default …
  std::string node_name;
};

struct ClusterPki {
  std::string ca_pem;
  auth::KeyPair apiserver;          // serving
  auth::KeyPair apiserver_kubelet;  // client towards kubelets: system:masters via kube-apiserver-kubelet-client
  auth::KeyPair admin;              // kubectl: kubernetes-admin in system:masters
  auth::KeyPair kubelet_server;     // serving on 10250
  auth::KeyPair kubelet_client;     // system:node:NAME in system:nodes
  auth::KeyPair scheduler, controller_manager, proxy;
  std::string service_account_key_pem;
};

Result<ClusterPki> ensure_pki(const PkiOptions& options, Clock& clock);

// A kubeconfig with everything inline.
std::string make_kubeconfig(const std::string& server_url, const std::string& ca_pem, const auth::KeyPair& client,
                            const std::string& user, const std::string& cluster);

// What a kubeconfig says, for our own components and commands.
struct Kubeconfig {
  std::string server;
  std::string ca_pem;
  std::string certificate_pem, key_pem;
  std::string token;
  bool insecure_skip_verify = false;
};
// Reads the current context. Inline data and file names are both understood. kNotFound, kInvalidArgument with what to do.
Result<Kubeconfig> load_kubeconfig(const std::string& path);

}  // namespace keelson::cmd
