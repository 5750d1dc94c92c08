// grpc.health.v1.Health (grpc/health/v1/health.proto): the server as a whole ("") serves; nothing else is
// known, as with etcd.
#include "kvstore/server/etcd/services.h"
#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {
namespace {

enum class Health : std::uint64_t { kServing = 1, kServiceUnknown = 3 };

Bytes encode(Health h) {
  std::string out;
  wire::Writer w(out);
  w.uint(1, static_cast<std::uint64_t>(h));
  return Bytes(std::move(out));
}

Result<std::string> decode(std::string_view bytes) {
  std::string service;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) service = r.bytes();
  }
  if (!r.ok()) return malformed();
  return service;
}

Task<Result<Bytes>> check(std::string request) {
  const auto service = CO_TRY(decode(request));
  if (!service.empty()) co_return fail(Code::kNotFound, "unknown service");
  co_return encode(Health::kServing);
}

Task<Result<void>> watch(net::GrpcCall* call) {
  auto request = CO_TRY(co_await call->receive());
  if (!request) co_return malformed();
  const auto service = CO_TRY(decode(*request));
  CO_TRY(co_await call->send(encode(service.empty() ? Health::kServing : Health::kServiceUnknown)));
  co_await call->closed();
  co_return fail(Code::kCancelled, "Stream has ended.");
}

}  // namespace

void register_health(ServiceContext&, net::GrpcRouter& router) {
  router.unary("/grpc.health.v1.Health/Check",
               [](net::GrpcCall&, std::string m) { return check(std::move(m)); });
  router.stream("/grpc.health.v1.Health/Watch", [](net::GrpcCall& call) { return watch(&call); });
}

}  // namespace keelson::kvstore::etcd
