// KubeletProxy: pods/log, exec, attach and portforward, handed on to the kubelet of the pod's node over HTTPS with the
// API server's own client certificate.
// Thread rule: any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "apiserver/query_options.h"
#include "apiserver/registry.h"
#include "base/log.h"
#include "net/client.h"
#include "net/http.h"

namespace keelson::apiserver {

class KubeletProxy {
 public:
  struct Options {
    std::string ca_pem;  // empty: the kubelet's certificate is not verified (upstream's default)
    std::string certificate_pem, key_pem;
    // Node address types in order of preference.
    std::vector<std::string> address_types{"InternalIP", "Hostname", "ExternalIP"};
  };
  KubeletProxy(Options options, Registry& registry, Clock& clock, Logger logger);

  // Serves `subresource` (log, exec, attach, portforward) of the pod. An Error (with a Status) means that nothing has been
  // written to the exchange yet.
  Task<Result<void>> serve(net::Exchange& exchange, std::string ns, std::string pod, std::string subresource);

 private:
  struct Target {
    std::shared_ptr<net::HttpClient> client;
  };
  Result<std::shared_ptr<net::HttpClient>> client_for(const api::Object& node, Executor ex);

  const Options options_;
  Registry& registry_;
  Clock& clock_;
  Logger logger_;
  std::mutex mu_;
  std::map<std::string, std::shared_ptr<net::HttpClient>> clients_;  // by origin
};

}  // namespace keelson::apiserver
