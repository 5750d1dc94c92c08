// Starting other programs: one-shot commands, and daemons that outlive us. Blocking: call from a pool thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson {

struct CommandResult {
  int exit_code = 0;
  std::string output;  // stdout and stderr, interleaved, at most 64 KiB
};

// Runs argv[0] (searched on the PATH plus the sbin directories) to its end, at most `timeout`; then it is
// killed. kNotFound when there is no such program, kDeadlineExceeded on timeout. A non-zero exit is not an
// error. `input` is what it reads from stdin; empty: /dev/null.
Result<CommandResult> run_command(const std::vector<std::string>& argv, std::chrono::seconds timeout,
                                  std::string_view input = {});

// Starts a daemon in its own session, stdin from /dev/null, output appended to `log_file`, no other
// descriptor inherited (a leaked listening socket would keep our port busy after we die). Returns its pid;
// the caller reaps it.
Result<int> start_daemon(const std::vector<std::string>& argv, const std::string& log_file);

// The calling thread gives way to others from now on (nice +10): for long work that nobody waits for.
void lower_thread_priority();

// The full path of `program` on the PATH or in a sbin directory; empty when there is none.
std::string find_program(const std::string& program);

}  // namespace keelson
