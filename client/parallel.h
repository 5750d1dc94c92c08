// run_all: several requests at once, one answer when all are done.
#pragma once

#include <vector>

#include "base/error.h"
#include "base/task.h"

namespace keelson::client {

// Runs all `tasks` on `ex`, interleaved; their results in the same order. Cancelling the caller cancels them
// and waits for their end.
Task<std::vector<Result<void>>> run_all(Executor ex, std::vector<Task<Result<void>>> tasks);

}  // namespace keelson::client
