#include <algorithm>
#include <initializer_list>
#include <span>

#include "auth/authorizer.h"

namespace keelson::auth {
namespace {

constexpr std::string_view kAny = "*";

// One line of the table: what `who` (a user name, or a group when it starts with "group:") may do.
struct Rule {
  std::string_view who;
  std::string_view group;      // API group or *
  std::string_view resources;  // space-separated, "pods/status" for subresources, or *
  std::string_view verbs;      // space-separated or *
  std::string_view ns = kAny;  // namespace or *
};

constexpr std::string_view kRead = "get list watch";
constexpr std::string_view kManager = "system:kube-controller-manager";
constexpr std::string_view kScheduler = "system:kube-scheduler";
constexpr std::string_view kProxy = "system:kube-proxy";
constexpr std::string_view kNodes = "group:system:nodes";

constexpr Rule kRules[] = {
    {kManager, kAny, kAny, kAny},
    {kScheduler, "", "nodes pods namespaces services replicationcontrollers persistentvolumes persistentvolumeclaims", kRead},
    {kScheduler, "apps", "replicasets statefulsets", kRead},
    {kScheduler, "", "pods/binding bindings", "create"},
    {kScheduler, "", "pods", "delete"},
    {kScheduler, "", "pods/status", "patch update"},
    {kScheduler, "", "events", "create patch update"},
    {kScheduler, "events.k8s.io", "events", "create patch update"},
    {kScheduler, "coordination.k8s.io", "leases", "get list watch create update patch", "kube-system"},
    {kScheduler, "scheduling.k8s.io", kAny, kRead},
    {kProxy, "", "nodes services endpoints", kRead},
    {kProxy, "discovery.k8s.io", "endpointslices", kRead},
    {kProxy, "networking.k8s.io", "servicecidrs", kRead},
    {kProxy, "", "events", "create patch update"},
    {kProxy, "events.k8s.io", "events", "create patch update"},
    {kNodes, "", "nodes", "get list watch create update patch"},
    {kNodes, "", "nodes/status", "update patch"},
    {kNodes, "", "pods", "get list watch create delete"},
    {kNodes, "", "pods/status", "update patch"},
    {kNodes, "", "pods/eviction", "create"},
    {kNodes, "", "services configmaps secrets persistentvolumeclaims persistentvolumes serviceaccounts namespaces", kRead},
    {kNodes, "", "serviceaccounts/token", "create"},
    {kNodes, "", "events", "create patch update"},
    {kNodes, "events.k8s.io", "events", "create patch update"},
    {kNodes, "coordination.k8s.io", "leases", "get list watch create update patch delete", "kube-node-lease"},
    {kNodes, "node.k8s.io", "runtimeclasses", kRead},
    {kNodes, "authentication.k8s.io", "tokenreviews", "create"},
    {kNodes, "authorization.k8s.io", "subjectaccessreviews", "create"},
    {"group:system:authenticated", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create"},
    {"group:system:authenticated", "authentication.k8s.io", "selfsubjectreviews", "create"},
};

bool word_of(std::string_view list, std::string_view word) {
  if (list == kAny) return true;
  while (!list.empty()) {
    const auto space = list.find(' ');
    if (list.substr(0, space) == word) return true;
    if (space == std::string_view::npos) return false;
    list.remove_prefix(space + 1);
  }
  return false;
}

bool applies_to(const Rule& rule, const UserInfo& user) {
  static constexpr std::string_view kGroup = "group:";
  if (rule.who.starts_with(kGroup)) return user.in_group(rule.who.substr(kGroup.size()));
  return rule.who == user.name;
}

bool allows(const Rule& rule, const Attributes& a) {
  if (rule.group != kAny && rule.group != a.api_group) return false;
  if (!word_of(rule.verbs, a.verb)) return false;
  if (rule.ns != kAny && rule.ns != a.namespace_) return false;
  if (a.subresource.empty()) return word_of(rule.resources, a.resource);
  const auto full = std::string(a.resource) + "/" + std::string(a.subresource);
  return word_of(rule.resources, full);
}

bool public_path(std::string_view path) {
  static constexpr std::string_view kPaths[] = {"/healthz", "/livez", "/readyz", "/version"};
  return std::ranges::any_of(kPaths, [path](std::string_view p) {
    return path == p || (path.starts_with(p) && path.size() > p.size() && path[p.size()] == '/');
  });
}

bool discovery_path(std::string_view path) {
  return path == "/api" || path == "/apis" || path.starts_with("/api/") || path.starts_with("/apis/") ||
         path == "/openapi" || path.starts_with("/openapi/") || path.starts_with("/.well-known/openid-configuration");
}

}  // namespace

Decision FixedRules::authorize(const Attributes& a) {
  const UserInfo& user = *a.user;
  if (user.in_group(kGroupMasters) || user.name == "system:apiserver") return {true, ""};
  if (!a.resource_request) {
    if (a.verb == "get" && public_path(a.path)) return {true, ""};
    if (a.verb == "get" && user.in_group(kGroupAuthenticated) && discovery_path(a.path)) return {true, ""};
    if (a.verb == "get" && user.name == kManager) return {true, ""};
    return {false, ""};
  }
  for (const auto& rule : kRules) {
    if (applies_to(rule, user) && allows(rule, a)) return {true, ""};
  }
  return {false, ""};
}

std::string forbidden_text(const Attributes& a, std::string_view reason) {
  std::string s = "User \"" + a.user->name + "\" cannot ";
  if (!a.resource_request) {
    s += std::string(a.verb) + " path \"" + std::string(a.path) + "\"";
  } else {
    s += std::string(a.verb) + " resource \"" + std::string(a.resource);
    if (!a.subresource.empty()) s += "/" + std::string(a.subresource);
    s += "\" in API group \"" + std::string(a.api_group) + "\"";
    s += a.namespace_.empty() ? " at the cluster scope" : " in the namespace \"" + std::string(a.namespace_) + "\"";
  }
  if (!reason.empty()) s += ": " + std::string(reason);
  return s;
}

}  // namespace keelson::auth
