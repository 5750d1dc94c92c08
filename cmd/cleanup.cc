// keelson cleanup: ends the pods and the containerd that a keelson of this data directory left running (`./x
// down`).
#include <cstdio>
#include <filesystem>

#include "base/flags.h"
#include "cmd/command.h"
#include "cmd/kubelet_host.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"

namespace keelson::cmd {

int run_cleanup(std::vector<std::string> args) {
  std::string data_dir = "/var/lib/keelson";
  std::int64_t grace_s = 2;
  FlagSet flags("keelson cleanup [flags]: ends all containers of a stopped cluster and its containerd");
  flags.add("data-dir", &data_dir, "the cluster's data directory");
  flags.add("grace-period", &grace_s, "seconds that containers get to end by themselves");
  if (auto r = flags.parse(args); !r) {
    std::fprintf(stderr, "keelson cleanup: %s\n", r.error().message.c_str());
    return 2;
  }
  if (flags.help_wanted()) {
    std::fputs(flags.help().c_str(), stdout);
    return 0;
  }
  net::IoPool pool(1, 2);
  pool.start();
  net::AsioClock clock;
  block_on(pool.next(), remove_node(std::filesystem::absolute(data_dir).lexically_normal().string(), grace_s,
                                    pool.next(), pool.workers(), clock, Logger::to_stderr()));
  pool.stop();
  return 0;
}

}  // namespace keelson::cmd
