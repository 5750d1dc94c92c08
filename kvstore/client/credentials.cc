#include "kvstore/client/credentials.h"

#include "base/wire.h"

namespace keelson::kvstore {
namespace {

constexpr char kTokenHeader[] = "token";

// etcdserverpb.AuthenticateRequest and -Response.
std::string encode_request(const std::string& user, const std::string& password) {
  std::string out;
  wire::Writer w(out);
  w.bytes(1, user);
  w.bytes(2, password);
  return out;
}

std::string token_of(std::string_view reply) {
  std::string out;
  wire::Reader r(reply);
  while (r.next()) {
    if (r.field() == 2) out = r.bytes();
  }
  return out;
}

// A watch is told with "rpc error: …" before it.
bool is_stale(std::string_view refusal) {
  return refusal.ends_with("etcdserver: invalid auth token") ||
         refusal.ends_with("etcdserver: user name is empty") ||
         refusal.ends_with("etcdserver: revision of auth store is old");
}

}  // namespace

Task<Result<net::Headers>> Credentials::metadata(net::GrpcClient grpc, Duration timeout) {
  net::Headers out{{"hasleader", "true"}};
  if (user_.empty()) co_return out;
  std::string token;
  {
    std::lock_guard lock(mu_);
    token = token_;
  }
  if (token.empty()) {
    const net::GrpcCallOptions options{.metadata = out, .timeout = timeout};
    const auto reply = co_await grpc.unary("/etcdserverpb.Auth/Authenticate",
                                           Bytes(encode_request(user_, password_)), options);
    if (!reply) {
      if (reply.error().message == "etcdserver: authentication is not enabled") co_return out;
      co_return fail(reply.error());
    }
    token = token_of(*reply);
    std::lock_guard lock(mu_);
    token_ = token;
  }
  out.add(kTokenHeader, std::move(token));
  co_return out;
}

bool Credentials::renew(const net::Headers& sent, const Error& refusal) {
  if (user_.empty() || !is_stale(refusal.message)) return false;
  std::lock_guard lock(mu_);
  if (sent.get(kTokenHeader).value_or("") == token_) token_.clear();
  return true;
}

}  // namespace keelson::kvstore
