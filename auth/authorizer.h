// Authorizer: may this user do this? Synchronous. The fixed rules of first light; RBAC, ABAC, Node and Webhook implement
// the same interface later. Thread rule: authorize() may be called from any thread.
#pragma once

#include <string>
#include <string_view>

#include "auth/user.h"

namespace keelson::auth {

// As authorization/v1 says it. Views live as long as the request.
struct Attributes {
  const UserInfo* user = nullptr;
  std::string_view verb;  // get list watch create update patch delete deletecollection, or the HTTP method in lower case
  bool resource_request = true;
  std::string_view api_group, api_version, resource, subresource, namespace_, name;
  std::string_view path;  // for non-resource requests
};

struct Decision {
  bool allowed = false;
  std::string reason;
};

class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual Decision authorize(const Attributes& attributes) = 0;
};

// The rules of first light:
// - system:masters: everything;
// - each control-plane component's identity (system:kube-scheduler, system:kube-controller-manager, system:kube-proxy, system:apiserver):
//   what it needs;
// - system:nodes: reading what kubelets read; writing nodes, pods' status, leases of kube-node-lease, events, tokens;
// - every authenticated user: discovery, health, version, reviews of oneself;
// - anonymous: health and version.
// Everything else is denied.
class FixedRules final : public Authorizer {
 public:
  Decision authorize(const Attributes& attributes) override;
};

// Allows everything (--authorization-mode=AlwaysAllow).
class AlwaysAllow final : public Authorizer {
 public:
  Decision authorize(const Attributes&) override { return {true, ""}; }
};

// Upstream's text of a 403, without the leading `RESOURCE "NAME" is forbidden: `:
// User "u" cannot list resource "pods" in API group "" in the namespace "ns".
std::string forbidden_text(const Attributes& attributes, std::string_view reason);

}  // namespace keelson::auth
