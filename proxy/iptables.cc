#include "proxy/iptables.h"

#include <chrono>
#include <sstream>

#include "base/process.h"

namespace keelson::proxy {
namespace {

using namespace std::chrono_literals;

// The names of all chains of `table` that begin with KUBE-.
Result<std::vector<std::string>> kube_chains(const std::string& table) {
  auto out = TRY(run_command({"iptables", "-w", "10", "-t", table, "-S"}, 20s));
  if (out.exit_code != 0) return fail(Code::kInternal, "iptables -S: " + out.output);
  std::vector<std::string> chains;
  std::istringstream lines(out.output);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("-N KUBE-")) chains.push_back(line.substr(3));
  }
  return chains;
}

Result<void> restore(const std::string& input) {
  auto out = TRY(run_command({"iptables-restore", "-w", "10", "--noflush"}, 60s, input));
  if (out.exit_code != 0) return fail(Code::kInternal, "iptables-restore: " + out.output.substr(0, 2000));
  return {};
}

}  // namespace

Result<void> Iptables::check() const {
  for (const char* program : {"iptables", "iptables-restore"}) {
    if (find_program(program).empty()) {
      return fail(Code::kFailedPrecondition,
                  std::string("the program ") + program + " is missing: install the Debian package iptables");
    }
  }
  auto out = TRY(run_command({"iptables", "-w", "10", "-t", "nat", "-S"}, 20s));
  if (out.exit_code != 0) return fail(Code::kFailedPrecondition, "iptables cannot be used here (root is needed): " + out.output);
  return {};
}

Result<std::set<std::string>> Iptables::existing_chains() const {
  std::set<std::string> mine;
  for (auto& c : TRY(kube_chains("nat"))) {
    if (c.starts_with("KUBE-SVC-") || c.starts_with("KUBE-SEP-") || c.starts_with("KUBE-EXT-") || c.starts_with("KUBE-SVL-")) {
      mine.insert(std::move(c));
    }
  }
  return mine;
}

Result<void> Iptables::ensure_jumps() const {
  for (const auto& jump : base_jumps()) {
    std::vector<std::string> check{"iptables", "-w", "10", "-t", jump[0], "-C", jump[1]};
    check.insert(check.end(), jump.begin() + 2, jump.end());
    if (TRY(run_command(check, 20s)).exit_code == 0) continue;
    check[5] = "-I";
    auto out = TRY(run_command(check, 20s));
    if (out.exit_code != 0) return fail(Code::kInternal, "iptables -I " + jump[1] + ": " + out.output);
  }
  return {};
}

Result<void> Iptables::apply(const RuleSet& rules) const {
  TRY(restore(rules.restore_input));
  return ensure_jumps();
}

void Iptables::remove_all() const {
  for (const auto& jump : base_jumps()) {
    std::vector<std::string> argv{"iptables", "-w", "10", "-t", jump[0], "-D", jump[1]};
    argv.insert(argv.end(), jump.begin() + 2, jump.end());
    (void)run_command(argv, 20s);
  }
  for (const std::string table : {"nat", "filter"}) {
    auto chains = kube_chains(table);
    if (!chains) continue;
    std::string input = "*" + table + "\n";
    for (const auto& c : *chains) input += ":" + c + " - [0:0]\n";
    for (const auto& c : *chains) input += "-X " + c + "\n";
    if (auto done = restore(input + "COMMIT\n"); !done) log_.warn("removing rules failed", {{"error", done.error()}});
  }
}

}  // namespace keelson::proxy
