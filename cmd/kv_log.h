// keelson kv log dump: what a member's log holds, as JSON lines.
#pragma once

#include <string>
#include <vector>

namespace keelson::cmd {

// `args` after "log"; the result is the process's exit code.
int run_kv_log(std::vector<std::string> args);

}  // namespace keelson::cmd
