// Gateway: the JSON gateway (grpc-gateway's ways): POST /v3/… with a message in JSON becomes a call of the
// router, whoever registered the method. Streams answer one {"result":…} per line. A WebSocket takes the place of
// both bodies, as with etcd: messages are lines; Sec-WebSocket-Protocol "Bearer, TOKEN" stands for Authorization.
//
// Thread rule: as net::Handler.
#pragma once

#include "kvstore/server/etcd/api_metrics.h"
#include "kvstore/server/etcd/schema.h"
#include "net/grpc.h"
#include "net/http.h"

namespace keelson::kvstore::etcd {

class Gateway final : public net::Handler {
 public:
  // References outlive the gateway.
  Gateway(ServiceContext& context, net::GrpcRouter& router, ApiMetrics& metrics)
      : c_(context), router_(router), metrics_(metrics), schema_(schema_text()) {}
  // REQUIRES: the path begins with "/v3/" or "/v3beta/".
  Task<> handle(net::Exchange& exchange) override;

 private:
  Task<> unary(net::Exchange& x, const MethodDesc& method, std::size_t index);
  Task<> socket(net::Exchange& x, const MethodDesc& method, std::size_t index);
  Task<> stream(net::Exchange& x, const MethodDesc& method, std::size_t index);

  ServiceContext& c_;
  net::GrpcRouter& router_;
  ApiMetrics& metrics_;
  const Schema schema_;
};

}  // namespace keelson::kvstore::etcd
