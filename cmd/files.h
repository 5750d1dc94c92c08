// Small files that a command reads and writes whole: keys, certificates, kubeconfigs.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace keelson::cmd {

// kNotFound names the path and the system's reason.
Result<std::string> read_file(const std::string& path);
// The file that --`flag` names, empty where it names none. kInvalidArgument names the flag too.
Result<std::string> read_flag_file(std::string_view flag, const std::string& path);
// Writes beside and renames: readers see the old or the new file. `mode` e.g. 0600.
Result<void> write_file(const std::string& path, std::string_view data, unsigned mode);

}  // namespace keelson::cmd
