// HttpEndpoints: what etcd serves over plain HTTP beside the API: /health, /livez, /readyz, /version,
// /metrics, /debug/vars. Bodies are etcd's.
//
// Thread rule: as net::Handler.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kvstore/server/etcd/api_metrics.h"
#include "net/http.h"

namespace prometheus {
class Registry;
}

namespace keelson::kvstore::etcd {

class HttpEndpoints final : public net::Handler {
 public:
  // `metrics_only`: of the client port's endpoints those that --listen-metrics-urls has. `registry` may be
  // null. References outlive this.
  HttpEndpoints(ServiceContext& context, ApiMetrics& metrics, prometheus::Registry* registry,
                bool metrics_only)
      : c_(context), metrics_(metrics), registry_(registry), metrics_only_(metrics_only) {}

  // 404 for paths that are not served here.
  Task<> handle(net::Exchange& exchange) override;

 private:
  Task<> health(net::Exchange& x);
  Task<> checks(net::Exchange& x, std::string type, std::vector<std::string> names, bool root);
  Task<Result<void>> check(std::string name);
  Task<Result<void>> read(bool serializable);
  std::string metrics_text() const;

  ServiceContext& c_;
  ApiMetrics& metrics_;
  prometheus::Registry* const registry_;
  const bool metrics_only_;
};

}  // namespace keelson::kvstore::etcd
