#include "kvstore/server/etcd/context.h"

#include "kvstore/mvcc/auth_check.h"
#include "kvstore/server/etcd/errors.h"

namespace keelson::kvstore::etcd {

std::string_view grpc_code_name(int code) {
  static constexpr std::string_view kNames[] = {
      "OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated",
  };
  return code >= 0 && code < static_cast<int>(std::size(kNames)) ? kNames[code] : "Unknown";
}

Result<Identity> require_user(const ServiceContext& c, const net::GrpcCall& call) {
  const auto view = c.member.auth_view();
  if (!view->enabled) return Identity{};
  auto who = TRY(c.authenticator.identify(call));
  TRY(check_signed_in(*view, {who.user, who.auth_revision}));
  return who;
}

Result<Identity> require_admin(const ServiceContext& c, const net::GrpcCall& call) {
  const auto view = c.member.auth_view();
  if (!view->enabled) return Identity{};
  auto who = TRY(c.authenticator.identify(call));
  TRY(view->check_admin(who.user, who.auth_revision));
  return who;
}

}  // namespace keelson::kvstore::etcd
