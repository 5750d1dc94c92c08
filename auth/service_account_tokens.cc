#include "auth/service_account_tokens.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/base64.h"
#include "base/check.h"

namespace keelson::auth {
namespace {

namespace json = boost::json;

json::object named_uid(const std::string& name, const std::string& uid) { return {{"name", name}, {"uid", uid}}; }

std::string text_of(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string(v->as_string()) : std::string();
}

std::int64_t number_of(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  if (v == nullptr) return 0;
  if (v->is_int64()) return v->as_int64();
  if (v->is_double()) return static_cast<std::int64_t>(v->as_double());
  return 0;
}

void read_named_uid(const json::object& parent, std::string_view key, std::string& name, std::string& uid) {
  const auto* v = parent.if_contains(key);
  if (v == nullptr || !v->is_object()) return;
  name = text_of(v->as_object(), "name");
  uid = text_of(v->as_object(), "uid");
}

std::optional<json::object> decode_part(std::string_view part) {
  auto text = base64url_decode(part);
  if (!text) return std::nullopt;
  boost::system::error_code ec;
  auto v = json::parse(*text, ec);
  if (ec || !v.is_object()) return std::nullopt;
  return std::move(v.as_object());
}

std::vector<std::string> audiences_of(const json::object& payload) {
  std::vector<std::string> out;
  const auto* v = payload.if_contains("aud");
  if (v == nullptr) return out;
  if (v->is_string()) out.emplace_back(v->as_string());
  if (v->is_array()) {
    for (const auto& a : v->as_array()) {
      if (a.is_string()) out.emplace_back(a.as_string());
    }
  }
  return out;
}

TokenClaims claims_of(const json::object& payload) {
  TokenClaims c;
  c.audiences = audiences_of(payload);
  c.issued_at = number_of(payload, "iat");
  c.expires_at = number_of(payload, "exp");
  c.id = text_of(payload, "jti");
  const auto* k = payload.if_contains("kubernetes.io");
  if (k == nullptr || !k->is_object()) return c;
  const auto& kube = k->as_object();
  c.namespace_ = text_of(kube, "namespace");
  c.warn_after = number_of(kube, "warnafter");
  read_named_uid(kube, "serviceaccount", c.service_account, c.service_account_uid);
  read_named_uid(kube, "pod", c.pod_name, c.pod_uid);
  read_named_uid(kube, "node", c.node_name, c.node_uid);
  read_named_uid(kube, "secret", c.secret_name, c.secret_uid);
  return c;
}

UserInfo user_of(const TokenClaims& c) {
  UserInfo u;
  u.name = std::string(kServiceAccountPrefix) + c.namespace_ + ":" + c.service_account;
  u.uid = c.service_account_uid;
  u.groups = {std::string(kGroupServiceAccounts), "system:serviceaccounts:" + c.namespace_,
              std::string(kGroupAuthenticated)};
  if (!c.id.empty()) u.extra["authentication.kubernetes.io/credential-id"] = {"JTI=" + c.id};
  if (!c.pod_name.empty()) {
    u.extra["authentication.kubernetes.io/pod-name"] = {c.pod_name};
    u.extra["authentication.kubernetes.io/pod-uid"] = {c.pod_uid};
  }
  if (!c.node_name.empty()) {
    u.extra["authentication.kubernetes.io/node-name"] = {c.node_name};
    if (!c.node_uid.empty()) u.extra["authentication.kubernetes.io/node-uid"] = {c.node_uid};
  }
  return u;
}

}  // namespace

std::string TokenIssuer::make(const TokenClaims& c) const {
  json::object kube{{"namespace", c.namespace_},
                    {"serviceaccount", named_uid(c.service_account, c.service_account_uid)}};
  if (!c.pod_name.empty()) kube["pod"] = named_uid(c.pod_name, c.pod_uid);
  if (!c.node_name.empty()) kube["node"] = named_uid(c.node_name, c.node_uid);
  if (!c.secret_name.empty()) kube["secret"] = named_uid(c.secret_name, c.secret_uid);
  if (c.warn_after != 0) kube["warnafter"] = c.warn_after;
  json::array audiences;
  for (const auto& a : c.audiences) audiences.emplace_back(a);
  const json::object payload{
      {"aud", std::move(audiences)}, {"exp", c.expires_at}, {"iat", c.issued_at}, {"iss", issuer_}, {"jti", c.id},
      {"kubernetes.io", std::move(kube)}, {"nbf", c.issued_at},
      {"sub", std::string(kServiceAccountPrefix) + c.namespace_ + ":" + c.service_account}};
  const json::object header{{"alg", key_.jwt_algorithm()}, {"kid", key_id_}};
  std::string token = base64url_encode(json::serialize(header)) + "." + base64url_encode(json::serialize(payload));
  const std::string signature = key_.sign(token);
  return token + "." + base64url_encode(signature);
}

ServiceAccountTokens::ServiceAccountTokens(Options options, BoundObjects* objects, Clock& clock)
    : options_(std::move(options)), objects_(objects), clock_(clock) {
  CHECK(!options_.issuers.empty());
  if (options_.audiences.empty()) options_.audiences = {options_.issuers.front()};
  for (const auto& k : options_.keys) key_ids_.push_back(k.key_id());
}

Result<std::optional<TokenClaims>> ServiceAccountTokens::verify(std::string_view token,
                                                                const std::vector<std::string>& audiences) {
  const auto dot1 = token.find('.');
  const auto dot2 = dot1 == std::string_view::npos ? dot1 : token.find('.', dot1 + 1);
  if (dot2 == std::string_view::npos || token.find('.', dot2 + 1) != std::string_view::npos) return std::nullopt;
  const auto header = decode_part(token.substr(0, dot1));
  const auto payload = decode_part(token.substr(dot1 + 1, dot2 - dot1 - 1));
  const auto signature = base64url_decode(token.substr(dot2 + 1));
  if (!header || !payload || !signature) return std::nullopt;
  if (std::ranges::find(options_.issuers, text_of(*payload, "iss")) == options_.issuers.end()) return std::nullopt;

  const auto kid = text_of(*header, "kid");
  const auto alg = text_of(*header, "alg");
  bool good = false;
  for (std::size_t i = 0; i < options_.keys.size() && !good; ++i) {
    if (!kid.empty() && kid != key_ids_[i]) continue;
    good = options_.keys[i].jwt_algorithm() == alg && options_.keys[i].verify(token.substr(0, dot2), *signature);
  }
  if (!good) return fail(Code::kUnauthenticated, "invalid bearer token: signature does not verify");

  TokenClaims claims = claims_of(*payload);
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch()).count();
  if (claims.expires_at <= now) return fail(Code::kUnauthenticated, "service account token has expired");
  if (number_of(*payload, "nbf") > now + 60) return fail(Code::kUnauthenticated, "service account token is not valid yet");
  const auto& wanted = audiences.empty() ? options_.audiences : audiences;
  const bool meant = std::ranges::any_of(claims.audiences, [&](const std::string& a) {
    return std::ranges::find(wanted, a) != wanted.end();
  });
  if (!meant) return fail(Code::kUnauthenticated, "token audiences do not include this server");
  if (claims.service_account.empty()) return fail(Code::kUnauthenticated, "token names no service account");
  return claims;
}

Result<void> ServiceAccountTokens::check_bound(const TokenClaims& c) {
  if (objects_ == nullptr) return {};
  const auto uid = objects_->service_account_uid(c.namespace_, c.service_account);
  if (!uid || *uid != c.service_account_uid) {
    return fail(Code::kUnauthenticated, "service account token has been invalidated");
  }
  if (!c.pod_name.empty() && objects_->pod_uid(c.namespace_, c.pod_name) != c.pod_uid) {
    return fail(Code::kUnauthenticated, "service account token has been invalidated: its pod is gone");
  }
  if (!c.secret_name.empty() && objects_->secret_uid(c.namespace_, c.secret_name) != c.secret_uid) {
    return fail(Code::kUnauthenticated, "service account token has been invalidated: its secret is gone");
  }
  return {};
}

Result<TokenClaims> ServiceAccountTokens::check(std::string_view token, const std::vector<std::string>& audiences) {
  auto claims = TRY(verify(token, audiences));
  if (!claims) return fail(Code::kUnauthenticated, "not a service account token of this cluster");
  TRY(check_bound(*claims));
  return *claims;
}

Result<UserPtr> ServiceAccountTokens::authenticate_token(std::string_view token) {
  static constexpr std::size_t kCacheMax = 4096;
  static constexpr auto kCacheFor = std::chrono::seconds(10);
  const auto now = clock_.now();
  const std::string key(token);
  {
    std::lock_guard lock(mu_);
    const auto it = cache_.find(key);
    if (it != cache_.end() && it->second.until > now) return it->second.user;
  }
  auto claims = TRY(verify(token, {}));
  if (!claims) return nullptr;
  TRY(check_bound(*claims));
  UserPtr user = std::make_shared<const UserInfo>(user_of(*claims));
  std::lock_guard lock(mu_);
  if (cache_.size() >= kCacheMax) cache_.clear();
  cache_[key] = {user, now + kCacheFor};
  return user;
}

std::string ServiceAccountTokens::jwks() const {
  std::string s = "{\"keys\":[";
  for (std::size_t i = 0; i < options_.keys.size(); ++i) {
    if (i != 0) s += ',';
    s += options_.keys[i].jwk();
  }
  return s + "]}";
}

}  // namespace keelson::auth
