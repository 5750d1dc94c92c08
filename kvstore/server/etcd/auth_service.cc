#include "kvstore/server/etcd/auth_service.h"

#include <array>

#include "base/async.h"
#include "base/base64.h"
#include "kvstore/mvcc/auth_errors.h"
#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {
namespace {

using Kind = AuthCommand::Kind;

struct Service {
  ServiceContext& c;
  TokenAuthenticator& tokens;
  AuthServiceOptions options;
};

// Every request of this service is made of text and submessages, numbered 1 to 4.
class Fields {
 public:
  static Result<Fields> decode(std::string_view bytes) {
    Fields out;
    wire::Reader r(bytes);
    while (r.next()) {
      if (r.field() <= 4) out.at_[r.field()] = r.bytes();
    }
    if (!r.ok()) return malformed();
    return out;
  }
  bool has(std::uint32_t field) const { return at_[field].has_value(); }
  std::string_view view(std::uint32_t field) const { return at_[field].value_or(std::string_view()); }
  std::string text(std::uint32_t field) const { return std::string(view(field)); }

 private:
  std::array<std::optional<std::string_view>, 5> at_;
};

Result<Permission> decode_permission(std::string_view bytes) {
  Permission p;
  std::uint64_t type = 0;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) type = r.uint();
    if (r.field() == 2) p.key = r.bytes();
    if (r.field() == 3) p.end = r.bytes();
  }
  if (!r.ok() || type > 2) return malformed();
  p.type = static_cast<Permission::Type>(type);
  return p;
}

bool wants_no_password(std::string_view options) {
  bool no_password = false;
  wire::Reader r(options);
  while (r.next()) {
    if (r.field() == 1) no_password = r.boolean();
  }
  return no_password;
}

// Runs a command as the caller; the response is a header.
Task<Result<Bytes>> change(Service* s, Identity who, AuthCommand command) {
  CO_TRY(co_await s->c.member.auth(std::move(command), std::move(who)));
  co_return header_only(s->c.member.header());
}

Task<Result<Bytes>> enable(Service* s, net::GrpcCall& call, Kind kind) {
  Identity who = CO_TRY(s->c.authenticator.identify(call));
  AuthCommand command;
  command.kind = kind;
  co_return co_await change(s, std::move(who), std::move(command));
}

Task<Result<Bytes>> status(Service* s) {
  CO_TRY(co_await s->c.member.linearize());
  const auto view = s->c.member.auth_view();
  std::string out;
  wire::Writer w(out);
  put_header(w, s->c.member.header());
  put_bool(w, 2, view->enabled);
  put_uint(w, 3, view->revision);
  co_return Bytes(std::move(out));
}

// Checked without the store's help: the caller has no identity yet. Users may change between the check of the
// password, which takes its time, and the token: then it is checked anew.
Task<Result<Bytes>> authenticate(Service* s, std::string request) {
  const Fields f = CO_TRY(Fields::decode(request));
  const std::string name = f.text(1);
  CO_TRY(co_await s->c.member.linearize());
  for (;;) {
    const auto view = s->c.member.auth_view();
    if (!view->enabled) co_return fail(kvstore::auth_not_enabled_error());
    const auto user = view->users.find(name);
    if (user == view->users.end()) co_return fail(kvstore::auth_failed_error());
    if (user->second.no_password) co_return fail(kvstore::no_password_user_error());
    co_await resume_on(s->options.workers);
    if (!password_matches(f.view(2), user->second.password_hash)) {
      s->c.logger.warn("invalid password", {{"user-name", name}});
      co_return fail(kvstore::auth_failed_error());
    }
    auto token = co_await s->tokens.issue(name, view->revision);
    if (!token && token.error().message == kvstore::auth_old_revision_error().message) continue;
    if (!token) co_return fail(std::move(token.error()));
    std::string out;
    wire::Writer w(out);
    put_header(w, s->c.member.header());
    put_bytes(w, 2, *token);
    co_return Bytes(std::move(out));
  }
}

Task<Result<Bytes>> user_add(Service* s, net::GrpcCall& call, std::string request) {
  const Fields f = CO_TRY(Fields::decode(request));
  Identity who = CO_TRY(require_admin(s->c, call));
  AuthCommand command;
  command.kind = Kind::kUserAdd;
  command.user = f.text(1);
  command.no_password = wants_no_password(f.view(3));
  if (command.user.empty()) co_return fail(kvstore::user_empty_error());
  if (!command.no_password) {
    co_await resume_on(s->options.workers);
    command.password_hash = CO_TRY(hash_password(f.view(2), s->options.bcrypt_cost));
  }
  co_return co_await change(s, std::move(who), std::move(command));
}

// Without a password: the hash that the request brings, or none, and then nobody can sign in by password.
Task<Result<Bytes>> user_change_password(Service* s, net::GrpcCall& call, std::string request) {
  const Fields f = CO_TRY(Fields::decode(request));
  Identity who = CO_TRY(require_admin(s->c, call));
  AuthCommand command;
  command.kind = Kind::kUserChangePassword;
  command.user = f.text(1);
  if (!f.view(2).empty()) {
    co_await resume_on(s->options.workers);
    command.password_hash = CO_TRY(hash_password(f.view(2), s->options.bcrypt_cost));
  } else if (auto hash = base64_decode(f.view(3))) {
    command.password_hash = std::move(*hash);
  } else {
    co_return fail(kvstore::no_password_user_error());
  }
  co_return co_await change(s, std::move(who), std::move(command));
}

// The changes that are names alone: `first` and `second` say what fields 1 and 2 are.
Task<Result<Bytes>> names(Service* s, net::GrpcCall& call, Kind kind, std::string AuthCommand::* first,
                          std::string AuthCommand::* second, std::string request) {
  const Fields f = CO_TRY(Fields::decode(request));
  Identity who = CO_TRY(s->c.authenticator.identify(call));
  AuthCommand command;
  command.kind = kind;
  command.*first = f.text(1);
  if (second != nullptr) command.*second = f.text(2);
  co_return co_await change(s, std::move(who), std::move(command));
}

Task<Result<Bytes>> role_grant_permission(Service* s, net::GrpcCall& call, std::string request) {
  const Fields f = CO_TRY(Fields::decode(request));
  Identity who = CO_TRY(require_admin(s->c, call));
  if (!f.has(2)) co_return fail(kvstore::permission_not_given_error());
  AuthCommand command;
  command.kind = Kind::kRoleGrantPermission;
  command.role = f.text(1);
  command.permission = CO_TRY(decode_permission(f.view(2)));
  co_return co_await change(s, std::move(who), std::move(command));
}

Task<Result<Bytes>> role_revoke_permission(Service* s, net::GrpcCall& call, std::string request) {
  const Fields f = CO_TRY(Fields::decode(request));
  Identity who = CO_TRY(s->c.authenticator.identify(call));
  AuthCommand command;
  command.kind = Kind::kRoleRevokePermission;
  command.role = f.text(1);
  command.permission.key = f.text(2);
  command.permission.end = f.text(3);
  co_return co_await change(s, std::move(who), std::move(command));
}

// The role root, or the user itself.
Task<Result<Bytes>> user_get(Service* s, net::GrpcCall& call, std::string request) {
  const Fields f = CO_TRY(Fields::decode(request));
  const Identity who = CO_TRY(s->c.authenticator.identify(call));
  CO_TRY(co_await s->c.member.linearize());
  const auto view = s->c.member.auth_view();
  if (who.user != f.view(1) || who.user.empty()) CO_TRY(view->check_admin(who.user, who.auth_revision));
  const auto user = view->users.find(f.view(1));
  if (user == view->users.end()) co_return fail(kvstore::user_not_found_error());
  std::string out;
  wire::Writer w(out);
  put_header(w, s->c.member.header());
  for (const std::string& role : user->second.roles) w.bytes(2, role);
  co_return Bytes(std::move(out));
}

// The role root, or a user that holds the role.
Task<Result<Bytes>> role_get(Service* s, net::GrpcCall& call, std::string request) {
  const Fields f = CO_TRY(Fields::decode(request));
  const Identity who = CO_TRY(s->c.authenticator.identify(call));
  CO_TRY(co_await s->c.member.linearize());
  const auto view = s->c.member.auth_view();
  const auto self = view->users.find(who.user);
  const bool holds = self != view->users.end() && self->second.has_role(f.view(1));
  if (!holds) CO_TRY(view->check_admin(who.user, who.auth_revision));
  const auto role = view->roles.find(f.view(1));
  if (role == view->roles.end()) co_return fail(kvstore::role_not_found_error());
  std::vector<Permission> permissions = role->second.permissions;
  if (role->first == kRootRole) {
    permissions = {{Permission::Type::kReadWrite, std::string(), std::string(1, '\0')}};
  }
  std::string out;
  wire::Writer w(out);
  put_header(w, s->c.member.header());
  for (const Permission& p : permissions) {
    const std::size_t mark = w.begin(2);
    put_uint(w, 1, static_cast<std::uint64_t>(p.type));
    put_bytes(w, 2, p.key);
    put_bytes(w, 3, p.end);
    w.end(mark);
  }
  co_return Bytes(std::move(out));
}

Task<Result<Bytes>> list(Service* s, net::GrpcCall& call, bool users) {
  const Identity who = CO_TRY(s->c.authenticator.identify(call));
  CO_TRY(co_await s->c.member.linearize());
  const auto view = s->c.member.auth_view();
  CO_TRY(view->check_admin(who.user, who.auth_revision));
  std::string out;
  wire::Writer w(out);
  put_header(w, s->c.member.header());
  if (users) {
    for (const auto& [name, user] : view->users) w.bytes(2, name);
  } else {
    for (const auto& [name, role] : view->roles) w.bytes(2, name);
  }
  co_return Bytes(std::move(out));
}

}  // namespace

void register_auth(ServiceContext& c, TokenAuthenticator& tokens, AuthServiceOptions options,
                   net::GrpcRouter& router) {
  const auto shared = std::make_shared<Service>(Service{c, tokens, std::move(options)});
  // The router keeps the service alive by the functions; none of them is a coroutine itself.
  const auto method = [&](std::string_view name, auto f) {
    router.unary("/etcdserverpb.Auth/" + std::string(name),
                 [shared, f](net::GrpcCall& call, std::string request) {
                   return f(shared.get(), call, std::move(request));
                 });
  };
  const auto name_method = [&](std::string_view name, Kind kind, std::string AuthCommand::* first,
                               std::string AuthCommand::* second) {
    method(name, [=](Service* s, net::GrpcCall& call, std::string request) {
      return names(s, call, kind, first, second, std::move(request));
    });
  };
  method("AuthEnable",
         [](Service* s, net::GrpcCall& call, std::string) { return enable(s, call, Kind::kEnable); });
  method("AuthDisable",
         [](Service* s, net::GrpcCall& call, std::string) { return enable(s, call, Kind::kDisable); });
  method("AuthStatus", [](Service* s, net::GrpcCall&, std::string) { return status(s); });
  method("Authenticate",
         [](Service* s, net::GrpcCall&, std::string request) { return authenticate(s, std::move(request)); });
  method("UserAdd", user_add);
  method("UserChangePassword", user_change_password);
  method("UserGet", user_get);
  method("UserList", [](Service* s, net::GrpcCall& call, std::string) { return list(s, call, true); });
  name_method("UserDelete", Kind::kUserDelete, &AuthCommand::user, nullptr);
  name_method("UserGrantRole", Kind::kUserGrantRole, &AuthCommand::user, &AuthCommand::role);
  name_method("UserRevokeRole", Kind::kUserRevokeRole, &AuthCommand::user, &AuthCommand::role);
  name_method("RoleAdd", Kind::kRoleAdd, &AuthCommand::role, nullptr);
  name_method("RoleDelete", Kind::kRoleDelete, &AuthCommand::role, nullptr);
  method("RoleGet", role_get);
  method("RoleList", [](Service* s, net::GrpcCall& call, std::string) { return list(s, call, false); });
  method("RoleGrantPermission", role_grant_permission);
  method("RoleRevokePermission", role_revoke_permission);
}

}  // namespace keelson::kvstore::etcd
