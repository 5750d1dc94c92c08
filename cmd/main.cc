// keelson: one binary, many roles (DESIGN.md §1).
#include <cstdio>
#include <string_view>

#include "cmd/command.h"

// jemalloc's: what a burst has left goes back to the system after a second, also while nothing is asked of us.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:1000";

namespace {

struct Entry {
  std::string_view name;
  keelson::cmd::Command run;
  std::string_view about;
};

// A command joins the table with the file that implements it.
constexpr Entry kCommands[] = {
    {"apiserver", keelson::cmd::run_apiserver, "the API server alone, over an embedded store"},
    {"cleanup", keelson::cmd::run_cleanup, "end what a stopped cluster left running: containers and containerd"},
    {"controller-manager", keelson::cmd::run_controller_manager, "deployments, replica sets, endpoints, nodes, garbage …"},
    {"kubelet", keelson::cmd::run_kubelet, "a node: runs pods over its own containerd"},
    {"kv", keelson::cmd::run_kv, "offline work on a store's files: snapshot status, snapshot restore"},
    {"kvstore", keelson::cmd::run_kvstore, "one member of the replicated store: speaks the etcd v3 API, takes etcd's flags"},
    {"proxy", keelson::cmd::run_proxy, "services to iptables rules of this host"},
    {"scheduler", keelson::cmd::run_scheduler, "gives pods their nodes"},
    {"up", keelson::cmd::run_up, "a whole cluster of one node in this process"},
    {"status", keelson::cmd::run_status, "is the cluster ready? (--wait: until it is)"},
};

int usage(int code) {
  std::fprintf(code == 0 ? stdout : stderr, "usage: keelson COMMAND [flags]; `keelson COMMAND --help` lists the flags\n\n");
  for (const auto& c : kCommands) {
    if (c.run != nullptr) {
      std::fprintf(code == 0 ? stdout : stderr, "  %-20.*s %.*s\n", static_cast<int>(c.name.size()), c.name.data(),
                   static_cast<int>(c.about.size()), c.about.data());
    }
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "help" || name == "--help" || name == "-h") return usage(0);
  for (const auto& c : kCommands) {
    if (c.run != nullptr && c.name == name) return c.run({argv + 2, argv + argc});
  }
  if (!name.empty()) std::fprintf(stderr, "keelson: unknown command '%.*s'\n", static_cast<int>(name.size()), name.data());
  return usage(2);
}
