// Reads etcd's YAML configuration file. Internal to cmd/kvstore.
#pragma once

#include <string>

#include "base/flags.h"

namespace keelson::cmd {

// Sets the flags that the file names; nested sections (client-transport-security, peer-transport-security,
// discovery-config, socket-options) are the flags they stand for. Durations are whole nanoseconds there.
// Appends a line to `warnings` for each key that is unknown. kInvalidArgument names the file and the key.
Result<void> read_config_file(const std::string& path, FlagSet& set, std::vector<std::string>& warnings);

}  // namespace keelson::cmd
