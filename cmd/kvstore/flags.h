// KvstoreFlags: the flags of `etcd --help` 3.7.1, bound to a KvstoreConfig. Internal to cmd/kvstore.
#pragma once

#include <memory>
#include <string>

#include "base/flags.h"
#include "cmd/kvstore/config.h"

namespace keelson::cmd {

// Text that still has to be taken apart once all flags are known.
struct KvstoreTexts {
  std::string listen_peer_urls = "http://localhost:2380";
  std::string listen_client_urls = "http://localhost:2379";
  std::string listen_client_http_urls, listen_metrics_urls;
  std::string initial_advertise_peer_urls = "http://localhost:2380";
  std::string advertise_client_urls = "http://localhost:2379";
  std::string client_allowed_cns, client_allowed_hostnames, peer_allowed_cns, peer_allowed_hostnames;
  std::string config_file;
  std::string discovery;
  std::string v2_deprecation;
  std::int64_t max_snapshots = 0;
  bool version = false;
};

// Binds all flags. The targets outlive `set`.
void bind_kvstore_flags(FlagSet& set, KvstoreConfig& config, KvstoreTexts& texts);

}  // namespace keelson::cmd
