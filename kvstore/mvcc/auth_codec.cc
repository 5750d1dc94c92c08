// The bytes of auth_store.h's values: AuthCommand (docs/formats/command.md), and authpb's User and Role.
#include <algorithm>

#include "base/wire.h"
#include "kvstore/mvcc/auth_store.h"

namespace keelson::kvstore {
namespace {

void put_text(wire::Writer& w, std::uint32_t field, std::string_view text) {
  if (!text.empty()) w.bytes(field, text);
}

void put_permission(wire::Writer& w, std::uint32_t field, const Permission& p) {
  const std::size_t mark = w.begin(field);
  if (p.type != Permission::Type::kRead) w.uint(1, static_cast<std::uint64_t>(p.type));
  put_text(w, 2, p.key);
  put_text(w, 3, p.end);
  w.end(mark);
}

Result<Permission> decode_permission(std::string_view bytes) {
  Permission p;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1: {
        const std::uint64_t type = r.uint();
        if (type > 2) return fail(Code::kDataLoss, "permission: unknown type");
        p.type = static_cast<Permission::Type>(type);
        break;
      }
      case 2:
        p.key = r.bytes();
        break;
      case 3:
        p.end = r.bytes();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return fail(Code::kDataLoss, "permission: malformed");
  return p;
}

// UserAddOptions: 1 no_password.
bool decode_no_password(std::string_view bytes, bool& ok) {
  bool no_password = false;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) no_password = r.boolean();
  }
  ok = ok && r.ok();
  return no_password;
}

}  // namespace

std::string encode(const AuthUser& user) {
  std::string out;
  wire::Writer w(out);
  put_text(w, 1, user.name);
  put_text(w, 2, user.password_hash);
  for (const std::string& role : user.roles) w.bytes(3, role);
  const std::size_t options = w.begin(4);
  if (user.no_password) w.boolean(1, true);
  w.end(options);
  return out;
}

Result<AuthUser> decode_auth_user(std::string_view bytes) {
  AuthUser user;
  bool ok = true;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        user.name = r.bytes();
        break;
      case 2:
        user.password_hash = r.bytes();
        break;
      case 3:
        user.roles.emplace_back(r.bytes());
        break;
      case 4:
        user.no_password = decode_no_password(r.bytes(), ok);
        break;
      default:
        break;
    }
  }
  if (!ok || !r.ok()) return fail(Code::kDataLoss, "user: malformed");
  std::ranges::sort(user.roles);
  user.grants = std::make_shared<AuthGrants>();
  return user;
}

std::string encode(const AuthRole& role) {
  std::string out;
  wire::Writer w(out);
  put_text(w, 1, role.name);
  for (const Permission& p : role.permissions) put_permission(w, 2, p);
  return out;
}

Result<AuthRole> decode_auth_role(std::string_view bytes) {
  AuthRole role;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) role.name = r.bytes();
    if (r.field() == 2) {
      Permission p = TRY(decode_permission(r.bytes()));
      auto& all = role.permissions;
      all.insert(std::ranges::upper_bound(all, p.key, {}, &Permission::key), std::move(p));
    }
  }
  if (!r.ok()) return fail(Code::kDataLoss, "role: malformed");
  return role;
}

std::string encode(const AuthCommand& c) {
  std::string out;
  wire::Writer w(out);
  w.uint(1, static_cast<std::uint64_t>(c.kind));
  put_text(w, 2, c.user);
  put_text(w, 3, c.role);
  put_text(w, 4, c.password_hash);
  if (c.no_password) w.boolean(5, true);
  if (c.permission != Permission{}) put_permission(w, 6, c.permission);
  put_text(w, 7, c.token);
  if (c.auth_revision != 0) w.uint(8, c.auth_revision);
  return out;
}

Result<AuthCommand> decode_auth_command(std::string_view bytes) {
  AuthCommand c;
  std::uint64_t kind = 0;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        kind = r.uint();
        break;
      case 2:
        c.user = r.bytes();
        break;
      case 3:
        c.role = r.bytes();
        break;
      case 4:
        c.password_hash = r.bytes();
        break;
      case 5:
        c.no_password = r.boolean();
        break;
      case 6:
        c.permission = TRY(decode_permission(r.bytes()));
        break;
      case 7:
        c.token = r.bytes();
        break;
      case 8:
        c.auth_revision = r.uint();
        break;
      default:
        break;
    }
  }
  if (!r.ok() || kind < 1 || kind > static_cast<std::uint64_t>(AuthCommand::Kind::kAuthenticate)) {
    return fail(Code::kDataLoss, "auth command: malformed or of a newer version");
  }
  c.kind = static_cast<AuthCommand::Kind>(kind);
  return c;
}

}  // namespace keelson::kvstore
