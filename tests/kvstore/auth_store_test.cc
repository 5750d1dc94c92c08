// Users, roles, permissions and tokens: etcd's rules, and interval unions against a check key by key.
#include "kvstore/mvcc/auth_store.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>

#include "kvstore/mvcc/auth_check.h"

namespace keelson::kvstore {
namespace {

using Kind = AuthCommand::Kind;
constexpr auto kRead = Permission::Type::kRead;
constexpr auto kWrite = Permission::Type::kWrite;
constexpr auto kReadWrite = Permission::Type::kReadWrite;
const std::string kOpen(1, '\0');

class AuthStoreTest : public testing::Test {
 protected:
  // The error's message, or "" when it went well.
  std::string run(AuthCommand c) {
    // Through its bytes, as every member does.
    auto decoded = decode_auth_command(encode(c));
    EXPECT_TRUE(decoded.has_value());
    auto r = store.apply(*decoded, ++index);
    if (r) EXPECT_EQ(r->auth_revision, store.view()->revision);
    return r ? "" : r.error().message;
  }
  std::string user_add(std::string name) {
    return run({.kind = Kind::kUserAdd, .user = std::move(name), .password_hash = "hash"});
  }
  std::string role_add(std::string name) { return run({.kind = Kind::kRoleAdd, .role = std::move(name)}); }
  std::string grant_role(std::string user, std::string role) {
    return run({.kind = Kind::kUserGrantRole, .user = std::move(user), .role = std::move(role)});
  }
  std::string grant(std::string role, Permission p) {
    return run({.kind = Kind::kRoleGrantPermission, .role = std::move(role), .permission = std::move(p)});
  }
  void enable() {
    EXPECT_EQ(user_add("root"), "");
    EXPECT_EQ(grant_role("root", "root"), "");
    EXPECT_EQ(run({.kind = Kind::kEnable}), "");
  }
  bool reads(std::string_view user, std::string_view key, std::string_view end = {}) {
    return store.view()->check_read(user, store.view()->revision, key, end).has_value();
  }
  bool writes(std::string_view user, std::string_view key, std::string_view end = {}) {
    return store.view()->check_write(user, store.view()->revision, key, end).has_value();
  }

  AuthStore store;
  std::uint64_t index = 0;
};

TEST_F(AuthStoreTest, EnableNeedsRootWithItsRole) {
  EXPECT_EQ(run({.kind = Kind::kEnable}), "etcdserver: root user does not exist");
  EXPECT_EQ(user_add("root"), "");
  EXPECT_EQ(run({.kind = Kind::kEnable}), "etcdserver: root user does not have root role");
  EXPECT_EQ(grant_role("root", "root"), "");
  const auto before = store.view()->revision;
  EXPECT_EQ(run({.kind = Kind::kEnable}), "");
  EXPECT_EQ(store.view()->revision, before);
  EXPECT_TRUE(store.view()->enabled);
  EXPECT_EQ(run({.kind = Kind::kUserDelete, .user = "root"}), "etcdserver: invalid auth management");
  EXPECT_EQ(run({.kind = Kind::kUserRevokeRole, .user = "root", .role = "root"}),
            "etcdserver: invalid auth management");
  EXPECT_EQ(run({.kind = Kind::kRoleDelete, .role = "root"}), "etcdserver: invalid auth management");
  EXPECT_EQ(run({.kind = Kind::kDisable}), "");
  EXPECT_EQ(store.view()->revision, before + 1);
  EXPECT_EQ(run({.kind = Kind::kUserDelete, .user = "root"}), "");
}

TEST_F(AuthStoreTest, UsersAndRolesFailAsInEtcd) {
  EXPECT_EQ(user_add(""), "etcdserver: user name is empty");
  EXPECT_EQ(user_add("a"), "");
  EXPECT_EQ(user_add("a"), "etcdserver: user name already exists");
  EXPECT_EQ(role_add(""), "etcdserver: role name is empty");
  EXPECT_EQ(role_add("r"), "");
  EXPECT_EQ(role_add("r"), "etcdserver: role name already exists");
  EXPECT_EQ(grant_role("b", "r"), "etcdserver: user name not found");
  EXPECT_EQ(grant_role("a", "s"), "etcdserver: role name not found");
  EXPECT_EQ(run({.kind = Kind::kUserRevokeRole, .user = "a", .role = "r"}),
            "etcdserver: role is not granted to the user");
  EXPECT_EQ(run({.kind = Kind::kUserChangePassword, .user = "b"}), "etcdserver: user name not found");
  EXPECT_EQ(run({.kind = Kind::kUserDelete, .user = "b"}), "etcdserver: user name not found");
  EXPECT_EQ(run({.kind = Kind::kRoleDelete, .role = "s"}), "etcdserver: role name not found");
  EXPECT_EQ(grant("s", {kRead, "k", ""}), "etcdserver: role name not found");
  EXPECT_EQ(grant("r", {kRead, "", ""}), "etcdserver: invalid auth management");
  EXPECT_EQ(grant("r", {kRead, "k", "a"}), "etcdserver: invalid auth management");
  EXPECT_EQ(run({.kind = Kind::kRoleRevokePermission, .role = "r", .permission = {kRead, "k", ""}}),
            "etcdserver: permission is not granted to the role");
  EXPECT_EQ(run({.kind = Kind::kAuthenticate, .user = "a"}), "etcdserver: authentication is not enabled");
  // What failed, and what changed nothing, is no new revision.
  const auto before = store.view()->revision;
  EXPECT_EQ(before, 3u);
  EXPECT_EQ(grant_role("a", "r"), "");
  EXPECT_EQ(grant_role("a", "r"), "");
  EXPECT_EQ(store.view()->revision, before + 1);
}

TEST_F(AuthStoreTest, PermissionsFollowRoles) {
  enable();
  EXPECT_EQ(user_add("u"), "");
  EXPECT_EQ(role_add("r"), "");
  EXPECT_EQ(role_add("s"), "");
  EXPECT_EQ(grant("r", {kReadWrite, "b", "d"}), "");
  EXPECT_EQ(grant("s", {kRead, "d", "f"}), "");
  EXPECT_FALSE(reads("u", "b"));
  EXPECT_EQ(grant_role("u", "s"), "");
  EXPECT_EQ(grant_role("u", "r"), "");
  EXPECT_TRUE(reads("u", "b", "f"));  // the union of two roles
  EXPECT_TRUE(writes("u", "b", "d"));
  EXPECT_FALSE(writes("u", "b", "e"));
  EXPECT_FALSE(reads("u", "a", "c"));
  EXPECT_FALSE(reads("u", "b", kOpen));
  EXPECT_FALSE(reads("u", "f"));
  EXPECT_EQ(grant("s", {kWrite, "d", "f"}), "");  // changes the type of what is there
  EXPECT_EQ(store.view()->roles.at("s").permissions.size(), 1u);
  EXPECT_FALSE(reads("u", "e"));
  EXPECT_TRUE(writes("u", "b", "f"));
  EXPECT_EQ(grant("s", {kRead, "x", kOpen}), "");
  EXPECT_TRUE(reads("u", "y", kOpen));
  EXPECT_TRUE(reads("u", "\xff\xff\xff"));
  EXPECT_EQ(run({.kind = Kind::kRoleDelete, .role = "s"}), "");
  EXPECT_FALSE(reads("u", "y"));
  EXPECT_EQ(store.view()->users.at("u").roles, std::vector<std::string>{"r"});
  EXPECT_TRUE(writes("root", "anything", kOpen));
}

TEST_F(AuthStoreTest, CallersWithoutCredentialsAndOldRevisionsAreRefused) {
  enable();
  const auto view = store.view();
  EXPECT_EQ(view->check_read("", 0, "k", "").error().message, "etcdserver: user name is empty");
  EXPECT_EQ(view->check_admin("", 0).error().message, "etcdserver: user name is empty");
  EXPECT_EQ(view->check_admin("ghost", 9).error().message, "etcdserver: user name not found");
  EXPECT_EQ(view->check_write("root", view->revision - 1, "k", "").error().message,
            "etcdserver: revision of auth store is old");
  EXPECT_EQ(view->check_write("ghost", view->revision, "k", "").error().code, Code::kPermissionDenied);
  EXPECT_TRUE(view->check_write("", kInternalAuthRevision, "k", ""));
  EXPECT_TRUE(view->check_admin("", kInternalAuthRevision));
}

TEST_F(AuthStoreTest, ATransactionIsCheckedInAllItsParts) {
  enable();
  ASSERT_EQ(user_add("u"), "");
  ASSERT_EQ(role_add("r"), "");
  ASSERT_EQ(grant("r", {kWrite, "w", ""}), "");
  ASSERT_EQ(grant("r", {kRead, "r", ""}), "");
  ASSERT_EQ(grant_role("u", "r"), "");
  const auto view = store.view();
  const AuthSubject who{"u", view->revision};
  const LeaseKeys keys = [](LeaseId id) {
    return id == 7 ? std::vector<std::string>{"w", "foreign"} : std::vector<std::string>{"w"};
  };
  const auto allowed = [&](const TxnRequest& t) { return check_txn(*view, who, t, keys).has_value(); };
  const auto put = [](std::string key, LeaseId lease, bool prev_kv) {
    TxnOp op;
    op.kind = TxnOp::Kind::kPut;
    op.put.key = std::move(key);
    op.put.lease = lease;
    op.put.prev_kv = prev_kv;
    return op;
  };
  TxnRequest t;
  t.success.push_back(put("w", 6, false));
  EXPECT_TRUE(allowed(t));
  for (const TxnOp& bad : {put("w", 7, false), put("w", 0, true), put("r", 0, false)}) {
    TxnRequest inner;
    inner.failure.push_back(bad);
    EXPECT_FALSE(allowed(inner));
    TxnOp nested;
    nested.kind = TxnOp::Kind::kTxn;
    nested.txn = std::make_shared<TxnRequest>(inner);
    TxnRequest outer = t;
    outer.success.push_back(nested);
    EXPECT_FALSE(allowed(outer));
  }
  TxnRequest compared = t;
  compared.compares.push_back({.key = "r", .end = ""});
  EXPECT_TRUE(allowed(compared));
  compared.compares.push_back({.key = "w", .end = ""});
  EXPECT_FALSE(allowed(compared));
  TxnOp del;
  del.kind = TxnOp::Kind::kDelete;
  del.del.key = "w";
  TxnRequest deletes;
  deletes.success.push_back(del);
  EXPECT_TRUE(allowed(deletes));
  deletes.success[0].del.prev_kv = true;
  EXPECT_FALSE(allowed(deletes));
  EXPECT_FALSE(check_lease_write(*view, who, {"w", "foreign"}));
  EXPECT_TRUE(check_lease_write(*view, who, {"w"}));
  EXPECT_TRUE(check_lease_write(*view, {"root", view->revision}, {"w", "foreign"}));
}

TEST_F(AuthStoreTest, TokensLiveUntilUnusedForTheirTime) {
  enable();
  ASSERT_EQ(user_add("u"), "");
  const AuthCommand sign_in{
      .kind = Kind::kAuthenticate, .user = "u", .token = "abc", .auth_revision = store.view()->revision};
  auto r = store.apply(sign_in, 77);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->token, "abc.77");
  SimpleTokens& tokens = *store.view()->tokens;
  using std::chrono::seconds;
  const MonoTime t0{seconds(1000)};
  EXPECT_EQ(tokens.find("abc.77", t0, seconds(300)), "u");
  EXPECT_EQ(tokens.find("abc.77", t0 + seconds(299), seconds(300)), "u");
  EXPECT_EQ(tokens.find("abc.77", t0 + seconds(598), seconds(300)), "u");
  EXPECT_EQ(tokens.find("abc.77", t0 + seconds(898), seconds(300)), std::nullopt);
  // A password that was right at an older revision is no proof now.
  ASSERT_EQ(run({.kind = Kind::kUserChangePassword, .user = "u", .password_hash = "new"}), "");
  EXPECT_EQ(run(sign_in), "etcdserver: revision of auth store is old");
  AuthCommand again = sign_in;
  again.auth_revision = store.view()->revision;
  ASSERT_EQ(run(again), "");
  EXPECT_EQ(tokens.size(), 1u);
  ASSERT_EQ(run({.kind = Kind::kUserChangePassword, .user = "u", .password_hash = "newer"}), "");
  EXPECT_EQ(tokens.size(), 0u);
}

TEST_F(AuthStoreTest, StateSurvivesItsBytes) {
  enable();
  ASSERT_EQ(run({.kind = Kind::kUserAdd, .user = "cert", .no_password = true}), "");
  ASSERT_EQ(role_add("r"), "");
  ASSERT_EQ(grant("r", {kReadWrite, "a", kOpen}), "");
  ASSERT_EQ(grant_role("cert", "r"), "");
  AuthStore other;
  ASSERT_TRUE(other.load(store.encode()));
  EXPECT_EQ(other.encode(), store.encode());
  EXPECT_EQ(other.view()->revision, store.view()->revision);
  EXPECT_TRUE(other.view()->users.at("cert").no_password);
  EXPECT_TRUE(other.view()->check_write("cert", other.view()->revision, "b", kOpen));
  ASSERT_TRUE(other.load(""));
  EXPECT_EQ(other.encode(), AuthStore().encode());
  EXPECT_EQ(other.load("\x1a\x7f").error().code, Code::kDataLoss);
}

// Keys of up to two letters of a three-letter alphabet, so that the dumb check can try every key there is.
std::vector<std::string> universe() {
  std::vector<std::string> all;
  for (char a = 'a'; a < 'd'; ++a) {
    all.emplace_back(1, a);
    for (char b = 'a'; b < 'd'; ++b) all.push_back({a, b});
  }
  return all;
}
bool inside(std::string_view x, std::string_view key, std::string_view end) {
  if (end.empty()) return x == key;
  return key <= x && (end == kOpen || x < end);
}

TEST(KeyRanges, UnionCoversExactlyWhatItsPartsCover) {
  const auto all = universe();
  const auto pick = [&](std::uint32_t n) { return all[n % all.size()]; };
  const auto pick_end = [&](std::uint32_t n) {
    return n % 7 == 0 ? kOpen : n % 3 == 0 ? std::string() : pick(n / 7);
  };
  if (std::getenv("RC_PARAMS") == nullptr) setenv("RC_PARAMS", "max_success=5000", 1);
  EXPECT_TRUE(rc::check([&](const std::vector<std::pair<std::uint32_t, std::uint32_t>>& parts,
                            std::uint32_t key_choice, std::uint32_t end_choice) {
    KeyRanges ranges;
    std::vector<std::pair<std::string, std::string>> used;
    for (const auto& [k, e] : parts) {
      std::string key = pick(k), end = pick_end(e);
      if (!end.empty() && end != kOpen && end <= key) continue;
      ranges.add(key, end);
      used.emplace_back(std::move(key), std::move(end));
    }
    ranges.merge();
    const std::string key = pick(key_choice), end = pick_end(end_choice);
    if (!end.empty() && end != kOpen && end <= key) return;
    // Between two keys of the universe lie others ("a" < "a\0" < "aa"): a point permission does not cover a
    // range, so probes just after each key are part of the check.
    bool want = true;
    for (const std::string& k : all) {
      for (const std::string& probe : {k, k + '\0', k + "~"}) {
        if (!inside(probe, key, end)) continue;
        bool covered = false;
        for (const auto& [b, e] : used) covered = covered || inside(probe, b, e);
        want = want && covered;
      }
    }
    RC_ASSERT(ranges.contains(key, end) == want);
    RC_TAG(want);
  }));
}

}  // namespace
}  // namespace keelson::kvstore
