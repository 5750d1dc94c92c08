#include "kvstore/server/etcd/errors.h"
#include "kvstore/server/etcd/services.h"
#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {
namespace {

using net::GrpcCall;

// MemberAdd has peerURLs = 1 and isLearner = 2, the others ID = 1 and peerURLs = 2.
struct ClusterFields {
  std::uint64_t id = 0;
  bool flag = false;
  std::vector<std::string> urls;
};
Result<ClusterFields> decode(std::string_view bytes) {
  ClusterFields f;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() > 2) continue;
    if (r.type() == wire::Type::kBytes) {
      f.urls.emplace_back(r.bytes());
    } else if (r.field() == 1) {
      f.id = r.uint();
    } else {
      f.flag = r.boolean();
    }
  }
  if (!r.ok()) return malformed();
  return f;
}

// "scheme://host:port" without a path, as etcd takes it; unix sockets too.
bool good_peer_url(std::string_view url) {
  if (url.starts_with("unix://") || url.starts_with("unixs://")) return true;
  if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else if (url.starts_with("https://")) {
    url.remove_prefix(8);
  } else {
    return false;
  }
  const auto colon = url.rfind(':');
  if (colon == std::string_view::npos || url.find('/') != std::string_view::npos) return false;
  const auto port = url.substr(colon + 1);
  return port.find_first_not_of("0123456789") == std::string_view::npos;
}

void put_member(wire::Writer& w, std::uint32_t field, const MemberInfo& m) {
  const auto mark = w.begin(field);
  put_uint(w, 1, m.id);
  put_bytes(w, 2, m.name);
  for (const auto& url : m.peer_urls) w.bytes(3, url);
  for (const auto& url : m.client_urls) w.bytes(4, url);
  put_bool(w, 5, m.learner);
  w.end(mark);
}

// etcd's headers of this service carry no revision.
Bytes reply(const ServiceContext& c, const std::vector<MemberInfo>& members, bool added = false) {
  std::string out;
  wire::Writer w(out);
  put_header(w, with_revision(c.member.header(), 0));
  if (added && !members.empty()) put_member(w, 2, members.back());
  for (const auto& m : members) put_member(w, added ? 3 : 2, m);
  return Bytes(std::move(out));
}

Task<Result<Bytes>> add(ServiceContext* c, GrpcCall* call, std::string request) {
  auto f = CO_TRY(decode(request));
  if (f.urls.empty()) co_return fail(bad_member_urls_error());
  for (const auto& url : f.urls) {
    if (!good_peer_url(url)) co_return fail(bad_member_urls_error());
  }
  CO_TRY(require_admin(*c, *call));
  co_return reply(*c, CO_TRY(co_await c->member.member_add(std::move(f.urls), f.flag)), true);
}
Task<Result<Bytes>> remove(ServiceContext* c, GrpcCall* call, std::string request) {
  const auto f = CO_TRY(decode(request));
  CO_TRY(require_admin(*c, *call));
  co_return reply(*c, CO_TRY(co_await c->member.member_remove(f.id)));
}
Task<Result<Bytes>> update(ServiceContext* c, GrpcCall* call, std::string request) {
  auto f = CO_TRY(decode(request));
  CO_TRY(require_admin(*c, *call));
  co_return reply(*c, CO_TRY(co_await c->member.member_update(f.id, std::move(f.urls))));
}
Task<Result<Bytes>> list(ServiceContext* c, GrpcCall* call, std::string request) {
  wire::Reader r(request);
  bool linearizable = false;
  while (r.next()) {
    if (r.field() == 1) linearizable = r.boolean();
  }
  if (!r.ok()) co_return malformed();
  CO_TRY(require_user(*c, *call));
  co_return reply(*c, CO_TRY(co_await c->member.member_list(linearizable)));
}
Task<Result<Bytes>> promote(ServiceContext* c, GrpcCall* call, std::string request) {
  const auto f = CO_TRY(decode(request));
  CO_TRY(require_admin(*c, *call));
  co_return reply(*c, CO_TRY(co_await c->member.member_promote(f.id)));
}

}  // namespace

void register_cluster(ServiceContext& context, net::GrpcRouter& router) {
  ServiceContext* c = &context;
  const std::string p = "/etcdserverpb.Cluster/";
  router.unary(p + "MemberAdd", [c](GrpcCall& call, std::string m) { return add(c, &call, std::move(m)); });
  router.unary(p + "MemberRemove",
               [c](GrpcCall& call, std::string m) { return remove(c, &call, std::move(m)); });
  router.unary(p + "MemberUpdate",
               [c](GrpcCall& call, std::string m) { return update(c, &call, std::move(m)); });
  router.unary(p + "MemberList", [c](GrpcCall& call, std::string m) { return list(c, &call, std::move(m)); });
  router.unary(p + "MemberPromote",
               [c](GrpcCall& call, std::string m) { return promote(c, &call, std::move(m)); });
}

}  // namespace keelson::kvstore::etcd
