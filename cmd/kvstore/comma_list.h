// Lists as flags write them: "a,b,c".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::cmd {

// The parts in order, without those that are empty.
std::vector<std::string> split_list(std::string_view text);
std::string join_list(const std::vector<std::string>& parts);

}  // namespace keelson::cmd
