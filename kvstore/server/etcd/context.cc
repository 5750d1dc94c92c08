#include "kvstore/server/etcd/context.h"

#include "kvstore/server/etcd/errors.h"

namespace keelson::kvstore::etcd {

Result<Identity> require_user(const ServiceContext& c, const net::GrpcCall& call) {
  if (!c.member.auth_view()->enabled) return Identity{};
  auto who = TRY(c.authenticator.identify(call));
  if (who.user.empty()) return fail(user_empty_error());
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
