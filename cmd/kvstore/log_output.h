// Where the member's log lines go: --log-outputs, --log-level, --log-format, log rotation.
#pragma once

#include "base/error.h"
#include "base/log.h"
#include "cmd/kvstore/config.h"

namespace keelson::cmd {

// Files are opened for appending and, with --enable-log-rotation, rotated by size (NAME-TIME.EXT beside them,
// at most `maxbackups` kept). kInvalidArgument: a bad rotation configuration, or several outputs with
// rotation; others: a file cannot be written.
Result<Logger> make_logger(const KvstoreConfig& config);

}  // namespace keelson::cmd
