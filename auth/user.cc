#include "auth/user.h"

#include <algorithm>

namespace keelson::auth {

bool UserInfo::in_group(std::string_view group) const {
  return std::ranges::find(groups, group) != groups.end();
}

std::pair<std::string_view, std::string_view> UserInfo::service_account() const {
  std::string_view rest = name;
  if (!rest.starts_with(kServiceAccountPrefix)) return {};
  rest.remove_prefix(kServiceAccountPrefix.size());
  const auto colon = rest.find(':');
  if (colon == std::string_view::npos) return {};
  return {rest.substr(0, colon), rest.substr(colon + 1)};
}

}  // namespace keelson::auth
