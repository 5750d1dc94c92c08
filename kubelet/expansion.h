// $(VAR) in a container's command, args and env values, as upstream defines it: $(NAME) is replaced by the
// variable's value, an unknown $(NAME) stays as it is, $$ is a literal $, anything else after $ stays as it
// is.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::kubelet {

using Variables = std::map<std::string, std::string>;

std::string expand_variables(std::string_view text, const Variables& variables);

}  // namespace keelson::kubelet
