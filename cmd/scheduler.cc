// keelson scheduler: the scheduler in a process of its own, with kube-scheduler's flags.
#include <cstdio>

#include "base/async.h"
#include "client/event_recorder.h"
#include "client/informer.h"
#include "cmd/command.h"
#include "cmd/component_client.h"
#include "cmd/node_address.h"
#include "cmd/run_until_signal.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"
#include "scheduler/scheduler.h"

namespace keelson::cmd {
namespace {

struct Parts {
  Parts(client::Transport& t, scheduler::SchedulerOptions options, Executor ex, Clock& clock, Logger log)
      : rng(os_entropy()),
        informers(t, ex, clock, rng.fork(), log),
        events(t, ex, clock, rng.fork(), log),
        scheduler(std::move(options), t, informers, events, ex, clock, rng.fork(), log) {}
  Task<Result<void>> start() {
    events.start();
    scheduler.start();
    informers.start();
    co_return Result<void>();
  }
  Task<> stop() {
    co_await scheduler.stop();
    co_await informers.stop();
    co_await events.stop();
  }
  Rng rng;
  client::InformerFactory informers;
  client::EventBroadcaster events;
  scheduler::Scheduler scheduler;
};

}  // namespace

int run_scheduler(std::vector<std::string> args) {
  ComponentClientFlags client;
  scheduler::SchedulerOptions options;
  bool verbose = false;
  FlagSet flags("keelson scheduler [flags]");
  client.add_to(flags);
  flags.add("leader-elect", &options.leader_elect, "wait for the Lease kube-system/kube-scheduler");
  flags.add("scheduler-name", &options.name, "spec.schedulerName of the pods it serves");
  flags.add("verbose", &verbose, "log at debug level");
  if (auto parsed = flags.parse(args); !parsed) {
    std::fprintf(stderr, "keelson scheduler: %s\n", parsed.error().message.c_str());
    return 2;
  }
  if (flags.help_wanted()) {
    std::printf("%s", flags.help().c_str());
    return 0;
  }
  options.identity = host_name() + "_" + Rng(os_entropy()).uuid();
  net::IoPool pool(1, 1);
  net::AsioClock clock;
  const Logger log = Logger::to_stderr(verbose ? LogLevel::kDebug : LogLevel::kInfo);
  auto transport = make_component_client(client, "keelson-scheduler", pool.next(), clock, log);
  if (!transport) {
    std::fprintf(stderr, "keelson scheduler: %s\n", transport.error().message.c_str());
    return 2;
  }
  pool.start();
  Parts parts(**transport, options, pool.next(), clock, log);
  const int rc = run_until_signal("scheduler", pool, [&parts] { return parts.start(); }, [&parts] { return parts.stop(); }, nullptr);
  pool.stop();
  return rc;
}

}  // namespace keelson::cmd
