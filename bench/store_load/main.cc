#include <sys/resource.h>

#include <cstdio>

#include "base/flags.h"
#include "bench/store_load/load.h"

namespace keelson::bench {
namespace {

double cpu_seconds() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

Result<LoadSettings> parse(std::vector<std::string> args) {
  LoadSettings s;
  if (args.empty())
    return fail(Code::kInvalidArgument,
                "want a workload: put fill fill-many get get-serializable range txn empty watch-one watch-many");
  s.workload = args.front();
  args.erase(args.begin());
  std::string seconds = "5";
  FlagSet set("store_load WORKLOAD [flags]");
  set.add("endpoints", &s.endpoints, "http(s)://host:port,…");
  set.add("cacert", &s.cacert, "CA of the servers");
  set.add("cert", &s.cert, "client certificate");
  set.add("key", &s.key, "its key");
  set.add("conns", &s.connections, "connections; 0: one for 10 clients");
  set.add("clients", &s.clients, "calls in flight");
  set.add("seconds", &seconds, "how long");
  set.add("total", &s.total, "how many operations; 0: as long as --seconds");
  set.add("key-size", &s.key_size, "bytes");
  set.add("value-size", &s.value_size, "bytes");
  set.add("keys", &s.keys, "key space");
  set.add("watchers", &s.watchers, "watches");
  set.add("streams", &s.streams, "streams that carry them");
  TRY(set.parse(args));
  s.seconds = std::atof(seconds.c_str());
  return s;
}

Task<> drive(Load& load) {
  if (load.settings.workload.starts_with("watch")) {
    co_await run_watch(load);
    co_return;
  }
  TaskGroup group;
  load.end = load.clock.now() +
             std::chrono::duration_cast<Duration>(std::chrono::duration<double>(load.settings.seconds));
  for (std::int64_t i = 0; i < load.settings.clients; ++i)
    group.spawn(load.pool.executors()[0], run_unary_client(load, i));
  co_await group.join();
}

int run(LoadSettings settings) {
  Load load(std::move(settings));
  const double cpu = cpu_seconds();
  const MonoTime begin = load.clock.now();
  block_on(load.pool.executors()[0], drive(load));
  const double seconds = std::chrono::duration<double>(load.clock.now() - begin).count();
  const auto done = static_cast<double>(load.settings.workload.starts_with("watch")
                                            ? load.issued
                                            : static_cast<std::int64_t>(load.latencies.count()));
  std::printf(
      "{\"workload\":\"%s\",\"clients\":%lld,\"ops\":%.0f,\"events\":%lld,\"errors\":%lld,\"seconds\":%.3f,"
      "\"ops_per_second\":%.1f,"
      "\"p50_us\":%.1f,\"p99_us\":%.1f,\"load_cpu_us_per_op\":%.2f}\n",
      load.settings.workload.c_str(), static_cast<long long>(load.settings.clients), done,
      static_cast<long long>(load.events), static_cast<long long>(load.errors), seconds, done / seconds,
      load.latencies.quantile(0.5), load.latencies.quantile(0.99),
      done > 0 ? (cpu_seconds() - cpu) / done * 1e6 : 0);
  return load.errors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace keelson::bench

int main(int argc, char** argv) {
  auto settings = keelson::bench::parse(std::vector<std::string>(argv + 1, argv + argc));
  if (!settings) {
    std::fprintf(stderr, "store_load: %s\n", settings.error().message.c_str());
    return 2;
  }
  return keelson::bench::run(std::move(*settings));
}
