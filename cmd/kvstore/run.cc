// `keelson kvstore`: one member of the replicated store, started and ended as an etcd is.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>

#include "cmd/command.h"
#include "cmd/kvstore/config.h"
#include "cmd/kvstore/config_log.h"
#include "cmd/kvstore/failpoint_server.h"
#include "cmd/kvstore/log_output.h"
#include "cmd/kvstore/member_process.h"
#include "kvstore/server/etcd/context.h"

extern char** environ;

namespace keelson::cmd {
namespace {

std::vector<std::string> environment() {
  std::vector<std::string> out;
  for (char** e = environ; *e != nullptr; ++e) out.emplace_back(*e);
  return out;
}

sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set, s);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return set;
}

// Whether and why the member has ended by itself. Its owner is woken by SIGUSR1.
class End {
 public:
  void tell(MemberEnd end) {
    {
      std::lock_guard lock(mu_);
      end_ = std::move(end);
    }
    ::kill(::getpid(), SIGUSR1);
  }
  std::optional<MemberEnd> get() const {
    std::lock_guard lock(mu_);
    return end_;
  }

 private:
  mutable std::mutex mu_;
  std::optional<MemberEnd> end_;
};

int report(const Logger& logger, const Error& error) {
  logger.error("the member cannot start", {{"error", error.message}});
  std::fprintf(stderr, "keelson kvstore: %s\n", error.message.c_str());
  return 1;
}

// Until a signal comes or the member ends: the exit code.
int wait_for_end(const sigset_t& signals, MemberProcess& member, const End& end, const Logger& logger) {
  for (;;) {
    const timespec second{.tv_sec = 1, .tv_nsec = 0};
    const int got = ::sigtimedwait(&signals, nullptr, &second);
    if (const auto e = end.get()) {
      if (e->removed) {
        logger.warn("this member was removed from its cluster and stops; its data directory is of no use any more");
        return 0;
      }
      logger.error("the member stopped", {{"error", e->failure ? e->failure->message : ""}});
      return 1;
    }
    if (got == SIGINT || got == SIGTERM) {
      logger.info("received signal; shutting down", {{"signal", got == SIGINT ? "interrupt" : "terminated"}});
      return 0;
    }
    member.tend();
  }
}

// A second SIGINT or SIGTERM ends the process at once.
void let_signals_kill() {
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGINT, SIGTERM}) sigaddset(&set, s);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

int run_member(KvstoreConfig config) {
  const sigset_t signals = block_signals();
  auto made = make_logger(config);
  if (!made) {
    std::fprintf(stderr, "keelson kvstore: %s\n", made.error().message.c_str());
    return 1;
  }
  const Logger logger = *made;
  for (const auto& note : config.notes) logger.info(note);
  for (const auto& warning : config.warnings) logger.warn(warning);
  if (config.unsafe_no_fsync) {
    logger.warn("--unsafe-no-fsync: nothing is synced to disk; when this machine crashes, acknowledged writes are lost");
  }
  log_config(config, logger);
  auto failpoints = FailpointServer::from_environment(std::getenv("GOFAIL_HTTP"),
                                                      std::getenv("GOFAIL_FAILPOINTS"), logger);
  if (!failpoints) return report(logger, failpoints.error());
  End end;
  MemberProcess member(std::move(config), logger, *failpoints ? &(*failpoints)->points() : nullptr, [&end](MemberEnd e) { end.tell(std::move(e)); });
  int code = 0;
  if (auto started = member.start(); !started) {
    code = report(logger, started.error());
  } else {
    if (*failpoints) (*failpoints)->warn_of_unclaimed();
    code = wait_for_end(signals, member, end, logger);
  }
  let_signals_kill();
  member.stop();
  if (code == 0) logger.info("stopped");
  return code;
}

}  // namespace

int run_kvstore(std::vector<std::string> args) {
  auto parsed = parse_kvstore(args, environment());
  if (!parsed) {
    std::fprintf(stderr, "keelson kvstore: %s\n", parsed.error().message.c_str());
    return 2;
  }
  switch (parsed->action) {
    case KvstoreAction::kHelp:
      std::fputs(parsed->help.c_str(), stdout);
      return 0;
    case KvstoreAction::kVersion:
      std::printf("etcd Version: %.*s\nKeelson kvstore\n", static_cast<int>(kvstore::etcd::kServerVersion.size()),
                  kvstore::etcd::kServerVersion.data());
      return 0;
    case KvstoreAction::kRun:
      break;
  }
  return run_member(std::move(parsed->config));
}

}  // namespace keelson::cmd
