#include "kvstore/mvcc/auth_store.h"

#include <algorithm>

#include "base/wire.h"
#include "kvstore/mvcc/auth_errors.h"

namespace keelson::kvstore {
namespace {

constexpr std::string_view kOpenEnd("\0", 1);

// A change to a copy of the view: what each command does to it.
class Change {
 public:
  Change(AuthView& view, std::uint64_t index) : view_(view), index_(index) {}

  Result<void> run(const AuthCommand& c) {
    switch (c.kind) {
      case AuthCommand::Kind::kEnable:
        return enable();
      case AuthCommand::Kind::kDisable:
        return disable();
      case AuthCommand::Kind::kUserAdd:
        return user_add(c);
      case AuthCommand::Kind::kUserDelete:
        return user_delete(c);
      case AuthCommand::Kind::kUserChangePassword:
        return user_change_password(c);
      case AuthCommand::Kind::kUserGrantRole:
        return user_grant_role(c);
      case AuthCommand::Kind::kUserRevokeRole:
        return user_revoke_role(c);
      case AuthCommand::Kind::kRoleAdd:
        return role_add(c);
      case AuthCommand::Kind::kRoleDelete:
        return role_delete(c);
      case AuthCommand::Kind::kRoleGrantPermission:
        return role_grant_permission(c);
      case AuthCommand::Kind::kRoleRevokePermission:
        return role_revoke_permission(c);
      case AuthCommand::Kind::kAuthenticate:
        return authenticate(c);
    }
    return fail(Code::kInternal, "auth command of an unknown kind");
  }
  std::string take_token() { return std::move(token_); }

  // Merges the permissions of the roles of `user` anew.
  static void refresh(AuthView& view, AuthUser& user) {
    auto grants = std::make_shared<AuthGrants>();
    for (const std::string& name : user.roles) {
      const auto role = view.roles.find(name);
      if (role == view.roles.end()) continue;
      for (const Permission& p : role->second.permissions) {
        if (p.type != Permission::Type::kWrite) grants->read.add(p.key, p.end);
        if (p.type != Permission::Type::kRead) grants->write.add(p.key, p.end);
      }
    }
    grants->read.merge();
    grants->write.merge();
    user.grants = std::move(grants);
  }

 private:
  Result<AuthUser*> user(const std::string& name) {
    const auto it = view_.users.find(name);
    if (it == view_.users.end()) return fail(user_not_found_error());
    return &it->second;
  }
  Result<AuthRole*> role(const std::string& name) {
    const auto it = view_.roles.find(name);
    if (it == view_.roles.end()) return fail(role_not_found_error());
    return &it->second;
  }
  Result<void> changed() {
    ++view_.revision;
    return {};
  }
  void refresh_holders(const std::string& role) {
    for (auto& [name, u] : view_.users) {
      if (u.has_role(role)) refresh(view_, u);
    }
  }

  // As with etcd this is no new revision.
  Result<void> enable() {
    const auto root = view_.users.find(kRootUser);
    if (view_.enabled) return {};
    if (root == view_.users.end()) return fail(root_user_missing_error());
    if (!root->second.has_role(kRootRole)) return fail(root_role_missing_error());
    view_.enabled = true;
    return {};
  }
  Result<void> disable() {
    if (!view_.enabled) return {};
    view_.enabled = false;
    view_.tokens->clear();
    return changed();
  }

  Result<void> user_add(const AuthCommand& c) {
    if (c.user.empty()) return fail(user_empty_error());
    if (view_.users.contains(c.user)) return fail(user_exists_error());
    AuthUser added;
    added.name = c.user;
    added.no_password = c.no_password;
    if (!c.no_password) added.password_hash = c.password_hash;
    added.grants = std::make_shared<AuthGrants>();
    view_.users.emplace(c.user, std::move(added));
    return changed();
  }
  Result<void> user_delete(const AuthCommand& c) {
    if (view_.enabled && c.user == kRootUser) return fail(invalid_auth_management_error());
    if (view_.users.erase(c.user) == 0) return fail(user_not_found_error());
    view_.tokens->invalidate_user(c.user);
    return changed();
  }
  Result<void> user_change_password(const AuthCommand& c) {
    AuthUser* u = TRY(user(c.user));
    if (!u->no_password) u->password_hash = c.password_hash;
    view_.tokens->invalidate_user(c.user);
    return changed();
  }
  // The role root need not exist.
  Result<void> user_grant_role(const AuthCommand& c) {
    AuthUser* u = TRY(user(c.user));
    if (c.role != kRootRole) TRY(role(c.role));
    if (u->has_role(c.role)) return {};
    u->roles.insert(std::ranges::lower_bound(u->roles, c.role), c.role);
    refresh(view_, *u);
    return changed();
  }
  Result<void> user_revoke_role(const AuthCommand& c) {
    if (view_.enabled && c.user == kRootUser && c.role == kRootRole) {
      return fail(invalid_auth_management_error());
    }
    AuthUser* u = TRY(user(c.user));
    if (std::erase(u->roles, c.role) == 0) return fail(role_not_granted_error());
    refresh(view_, *u);
    return changed();
  }

  Result<void> role_add(const AuthCommand& c) {
    if (c.role.empty()) return fail(role_empty_error());
    if (!view_.roles.emplace(c.role, AuthRole{c.role, {}}).second) return fail(role_exists_error());
    // A user may hold root from before the role existed.
    refresh_holders(c.role);
    return changed();
  }
  Result<void> role_delete(const AuthCommand& c) {
    if (view_.enabled && c.role == kRootRole) return fail(invalid_auth_management_error());
    if (view_.roles.erase(c.role) == 0) return fail(role_not_found_error());
    for (auto& [name, u] : view_.users) {
      if (std::erase(u.roles, c.role) > 0) refresh(view_, u);
    }
    return changed();
  }
  Result<void> role_grant_permission(const AuthCommand& c) {
    const Permission& p = c.permission;
    if (p.key.empty()) return fail(invalid_auth_management_error());
    if (!p.end.empty() && p.end != kOpenEnd && p.end <= p.key) return fail(invalid_auth_management_error());
    AuthRole* r = TRY(role(c.role));
    auto& all = r->permissions;
    const auto same =
        std::ranges::find_if(all, [&](const Permission& o) { return o.key == p.key && o.end == p.end; });
    if (same != all.end()) {
      same->type = p.type;
    } else {
      all.insert(std::ranges::upper_bound(all, p.key, {}, &Permission::key), p);
    }
    refresh_holders(c.role);
    return changed();
  }
  Result<void> role_revoke_permission(const AuthCommand& c) {
    AuthRole* r = TRY(role(c.role));
    const Permission& p = c.permission;
    if (std::erase_if(r->permissions,
                      [&](const Permission& o) { return o.key == p.key && o.end == p.end; }) == 0) {
      return fail(permission_not_granted_error());
    }
    refresh_holders(c.role);
    return changed();
  }

  // The password was checked by the proposer, at a revision that must still be the current one.
  Result<void> authenticate(const AuthCommand& c) {
    if (!view_.enabled) return fail(auth_not_enabled_error());
    const auto u = view_.users.find(c.user);
    if (u == view_.users.end() || u->second.no_password) return fail(auth_failed_error());
    if (c.auth_revision != view_.revision) return fail(auth_old_revision_error());
    token_ = c.token + "." + std::to_string(index_);
    view_.tokens->assign(token_, c.user);
    return {};
  }

  AuthView& view_;
  const std::uint64_t index_;
  std::string token_;
};

}  // namespace

KeyRanges::Bounds KeyRanges::bounds(std::string_view key, std::string_view end) {
  if (end == kOpenEnd) return {std::string(key), std::string()};
  if (end.empty()) return {std::string(key), std::string(key) + '\0'};
  return {std::string(key), std::string(end)};
}

void KeyRanges::merge() {
  std::ranges::sort(raw_);
  std::vector<Bounds> merged;
  for (Bounds& b : raw_) {
    const bool joins = !merged.empty() && (merged.back().second.empty() || b.first <= merged.back().second);
    if (!joins) {
      merged.push_back(std::move(b));
    } else if (!merged.back().second.empty() && (b.second.empty() || b.second > merged.back().second)) {
      merged.back().second = std::move(b.second);
    }
  }
  raw_ = std::move(merged);
}

bool KeyRanges::contains(std::string_view key, std::string_view end) const {
  auto it =
      std::ranges::upper_bound(raw_, key, {}, [](const Bounds& b) { return std::string_view(b.first); });
  if (it == raw_.begin()) return false;
  const std::string_view covered = std::prev(it)->second;
  if (covered.empty()) return true;
  if (key >= covered || end == kOpenEnd) return false;
  return end <= covered;
}

bool AuthUser::has_role(std::string_view role) const {
  return std::ranges::binary_search(roles, role);
}

Result<const AuthUser*> AuthView::check_user(std::string_view user, std::uint64_t auth_revision) const {
  if (!enabled || auth_revision == kInternalAuthRevision) return nullptr;
  if (auth_revision == 0) return fail(user_empty_error());
  if (auth_revision < revision) return fail(auth_old_revision_error());
  const auto it = users.find(user);
  if (it == users.end()) return fail(permission_denied_error());
  return it->second.has_role(kRootRole) ? nullptr : &it->second;
}

Result<void> AuthView::check_read(std::string_view user, std::uint64_t auth_revision, std::string_view key,
                                  std::string_view end) const {
  if (!enabled) return {};
  const AuthUser* u = TRY(check_user(user, auth_revision));
  if (u == nullptr || u->grants->read.contains(key, end)) return {};
  return fail(permission_denied_error());
}

Result<void> AuthView::check_write(std::string_view user, std::uint64_t auth_revision, std::string_view key,
                                   std::string_view end) const {
  if (!enabled) return {};
  const AuthUser* u = TRY(check_user(user, auth_revision));
  if (u == nullptr || u->grants->write.contains(key, end)) return {};
  return fail(permission_denied_error());
}

Result<void> AuthView::check_admin(std::string_view user, std::uint64_t auth_revision) const {
  if (!enabled || auth_revision == kInternalAuthRevision) return {};
  if (user.empty()) return fail(user_empty_error());
  const auto it = users.find(user);
  if (it == users.end()) return fail(user_not_found_error());
  if (!it->second.has_role(kRootRole)) return fail(permission_denied_error());
  return {};
}

AuthStore::AuthStore() : view_(std::make_shared<const AuthView>()) {}

Result<AuthReply> AuthStore::apply(const AuthCommand& command, std::uint64_t index) {
  if (command.kind == AuthCommand::Kind::kAuthenticate) {
    // Changes tokens only, which are not part of the view's value.
    AuthView same;
    same.enabled = view_->enabled;
    same.revision = view_->revision;
    same.tokens = view_->tokens;
    if (const auto u = view_->users.find(command.user); u != view_->users.end()) same.users.insert(*u);
    Change change(same, index);
    TRY(change.run(command));
    return AuthReply{view_->revision, change.take_token()};
  }
  auto next = std::make_shared<AuthView>(*view_);
  Change change(*next, index);
  TRY(change.run(command));
  view_ = std::move(next);
  return AuthReply{view_->revision, {}};
}

Result<void> AuthStore::load(std::string_view bytes) {
  auto next = std::make_shared<AuthView>();
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        next->enabled = r.boolean();
        break;
      case 2:
        next->revision = r.uint();
        break;
      case 3: {
        AuthUser user = TRY(decode_auth_user(r.bytes()));
        std::string name = user.name;
        next->users.insert_or_assign(std::move(name), std::move(user));
        break;
      }
      case 4: {
        AuthRole role = TRY(decode_auth_role(r.bytes()));
        std::string name = role.name;
        next->roles.insert_or_assign(std::move(name), std::move(role));
        break;
      }
      default:
        break;
    }
  }
  if (!r.ok()) return fail(Code::kDataLoss, "auth state: malformed");
  for (auto& [name, user] : next->users) Change::refresh(*next, user);
  next->tokens = view_->tokens;
  view_ = std::move(next);
  return {};
}

std::string encode(const AuthView& view) {
  std::string out;
  wire::Writer w(out);
  w.boolean(1, view.enabled);
  w.uint(2, view.revision);
  for (const auto& [name, user] : view.users) w.bytes(3, encode(user));
  for (const auto& [name, role] : view.roles) w.bytes(4, encode(role));
  return out;
}

std::string AuthStore::encode() const {
  return kvstore::encode(*view_);
}

}  // namespace keelson::kvstore
