// What every long-running command does around its work: start, wait for SIGINT or SIGTERM, stop in good order.
#pragma once

#include <functional>
#include <string>

#include "base/async.h"
#include "base/error.h"
#include "net/io_pool.h"

namespace keelson::cmd {

// Runs `start`; when it succeeds waits until a signal comes or `failed` (may be null) is set; then runs `stop` (also after a failed
// start). A second signal ends the process at once. The exit code: 0 after a signal, 1 after a failure, which is told on stderr as
// "keelson NAME: why".
int run_until_signal(const std::string& name, net::IoPool& pool, std::function<Task<Result<void>>()> start,
                     std::function<Task<>()> stop, AsyncEvent* failed);

}  // namespace keelson::cmd
