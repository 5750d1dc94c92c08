// UserInfo: who makes a request, as Kubernetes' authentication/v1 UserInfo says it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::auth {

inline constexpr std::string_view kGroupMasters = "system:masters";
inline constexpr std::string_view kGroupNodes = "system:nodes";
inline constexpr std::string_view kGroupAuthenticated = "system:authenticated";
inline constexpr std::string_view kGroupUnauthenticated = "system:unauthenticated";
inline constexpr std::string_view kGroupServiceAccounts = "system:serviceaccounts";
inline constexpr std::string_view kUserAnonymous = "system:anonymous";
inline constexpr std::string_view kServiceAccountPrefix = "system:serviceaccount:";

struct UserInfo {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;

  bool in_group(std::string_view group) const;
  // For "system:serviceaccount:NS:NAME": NS and NAME; both empty otherwise.
  std::pair<std::string_view, std::string_view> service_account() const;
};

// Shared because one identity serves many requests (token cache, connection).
using UserPtr = std::shared_ptr<const UserInfo>;

}  // namespace keelson::auth
