// The subcommands of keelson: each is one function in a file of its own name.
#pragma once

#include <string>
#include <vector>

namespace keelson::cmd {

// Runs with the arguments after its name; the result is the process's exit code. 2: the arguments are wrong.
using Command = int (*)(std::vector<std::string> args);

int run_apiserver(std::vector<std::string> args);
int run_cleanup(std::vector<std::string> args);
int run_controller_manager(std::vector<std::string> args);
int run_kv(std::vector<std::string> args);
int run_kubelet(std::vector<std::string> args);
int run_kvstore(std::vector<std::string> args);
int run_proxy(std::vector<std::string> args);
int run_scheduler(std::vector<std::string> args);
int run_status(std::vector<std::string> args);
int run_up(std::vector<std::string> args);

}  // namespace keelson::cmd
