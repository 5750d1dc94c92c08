#include "kvstore/server/etcd/access.h"

#include <algorithm>

namespace keelson::kvstore::etcd {
namespace {

using net::Exchange;
using net::Headers;

bool listed(const std::vector<std::string>& list, std::string_view name) {
  return std::ranges::any_of(list, [&](const std::string& s) { return s == "*" || s == name; });
}

// The exchange itself, but for headers added to the reply.
class WithHeaders final : public Exchange {
 public:
  WithHeaders(Exchange& x, Headers extra) : x_(x), extra_(std::move(extra)) {}
  const net::Request& request() const override { return x_.request(); }
  Executor executor() override { return x_.executor(); }
  Task<Result<std::string>> read_body(std::size_t max) override { return x_.read_body(max); }
  Task<Result<std::string>> read_some() override { return x_.read_some(); }
  Task<Result<void>> respond(int status, Headers h, Bytes body) override {
    return x_.respond(status, add(std::move(h)), std::move(body));
  }
  Task<Result<void>> respond(int status, Headers h, std::vector<Bytes> body) override {
    return x_.respond(status, add(std::move(h)), std::move(body));
  }
  Task<Result<void>> start(int status, Headers h) override { return x_.start(status, add(std::move(h))); }
  Task<Result<void>> write(Bytes data) override { return x_.write(std::move(data)); }
  Task<Result<void>> finish(Headers trailers) override { return x_.finish(std::move(trailers)); }
  Task<> closed() override { return x_.closed(); }
  bool is_closed() const override { return x_.is_closed(); }
  Task<Result<std::unique_ptr<net::ByteStream>>> upgrade(Headers h) override {
    return x_.upgrade(std::move(h));
  }

 private:
  Headers add(Headers h) const {
    for (const auto& [name, value] : extra_.fields()) h.add(name, value);
    return h;
  }
  Exchange& x_;
  const Headers extra_;
};

std::string_view host_name(const net::Request& r) {
  std::string_view host = r.headers.get("host").value_or("");
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

std::string unknown_host(std::string_view host) {
  return "The Host header of this request is not known here: " + std::string(host) +
         "\nUse TLS, or add the name with --host-whitelist.\n";
}

Headers cors_headers(const ApiOptions& o, const net::Request& r) {
  const auto origin = r.headers.get("origin");
  const bool any = listed(o.cors, "*");
  if (!any && !(origin && listed(o.cors, *origin))) return {};
  return {{"access-control-allow-methods", "POST, GET, OPTIONS, PUT, DELETE"},
          {"access-control-allow-origin", any ? std::string("*") : std::string(*origin)},
          {"access-control-allow-headers", "accept, content-type, authorization"}};
}

}  // namespace

Task<> with_access_control(ServiceContext* c, Exchange* x, net::Handler* next) {
  const net::Request& r = x->request();
  const net::ConnectionInfo& connection = *r.connection;
  const bool named = connection.peer != nullptr && !connection.peer->common_name.empty();
  if (!connection.tls) {
    const auto host = host_name(r);
    if (!c->options.host_whitelist.empty() && !listed(c->options.host_whitelist, host)) {
      c->logger.warn("rejecting HTTP request to prevent DNS rebinding attacks", {{"host", host}});
      (void)co_await x->respond(421, {{"content-type", "text/plain; charset=utf-8"}},
                                Bytes(unknown_host(host)));
      co_return;
    }
  } else if (named && c->options.client_cert_auth && c->options.json_gateway &&
             r.path().starts_with("/v3/") && c->member.auth_view()->enabled) {
    (void)co_await x->respond(400, {{"content-type", "text/plain; charset=utf-8"}},
                              Bytes::literal("CommonName of client sending a request against gateway will be "
                                             "ignored and not used as expected\n"));
    co_return;
  }
  WithHeaders decorated(*x, cors_headers(c->options, r));
  if (r.method == "OPTIONS") {
    (void)co_await decorated.respond(200, {}, Bytes());
    co_return;
  }
  co_await next->handle(decorated);
}

}  // namespace keelson::kvstore::etcd
