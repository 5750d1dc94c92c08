// embedded_bench DIR [seconds]: the embedded store in this process, with fsync, beside the same disk's own
// fdatasync. Prints the tables of docs/benchmarks/store-embedded.md.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/async.h"
#include "kvstore/server/replicated_store.h"
#include "net/asio_clock.h"

namespace keelson {
namespace {

using kvstore::ReplicatedStore;
using kvstore::ReplicatedStoreOptions;
using kvstore::Store;

double seconds_between(MonoTime a, MonoTime b) {
  return std::chrono::duration<double>(b - a).count();
}

double cpu_seconds() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  auto s = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return s(u.ru_utime) + s(u.ru_stime);
}

double rss_mb() {
  std::ifstream in("/proc/self/statm");
  double pages = 0;
  in >> pages >> pages;
  return pages * 4096 / 1e6;
}

struct Latencies {
  std::vector<float> us;
  float at(double q) {
    if (us.empty()) return 0;
    std::sort(us.begin(), us.end());
    return us[std::min(us.size() - 1, static_cast<std::size_t>(q * static_cast<double>(us.size())))];
  }
};

void disk(Clock& clock, const std::string& dir, double seconds) {
  auto& fs = posix_file_system();
  auto file = *fs.open(dir + "/probe", OpenMode::kCreate);
  constexpr std::uint64_t kSize = 16 << 20;
  if (!file->zero_fill(kSize)) std::abort();
  const std::string block(4096, 'x');
  Latencies l;
  const auto begin = clock.now();
  auto now = begin;
  for (std::uint64_t at = 0; seconds_between(begin, now) < seconds; at = (at + block.size()) % kSize) {
    const auto start = clock.now();
    if (!file->pwrite(block, at) || !file->datasync()) std::abort();
    now = clock.now();
    l.us.push_back(static_cast<float>(seconds_between(start, now) * 1e6));
  }
  std::printf("disk: write + fdatasync of 4 KiB: %.0f/s, p50 %.0f us, p99 %.0f us\n",
              static_cast<double>(l.us.size()) / seconds_between(begin, now), l.at(0.5), l.at(0.99));
}

Task<> writer(Store* store, Clock* clock, int id, MonoTime end, Latencies* out) {
  const std::string value(256, 'v');
  for (int i = 0; clock->now() < end; ++i) {
    kvstore::TxnRequest t;
    auto& op = t.success.emplace_back();
    op.kind = kvstore::TxnOp::Kind::kPut;
    char key[32];
    std::snprintf(key, sizeof key, "k%07d%08d", id, i % 100000);
    op.put.key = key;
    op.put.value = Bytes(value);
    const auto start = clock->now();
    auto r = co_await store->txn(std::move(t));
    if (!r) std::abort();
    out->us.push_back(static_cast<float>(seconds_between(start, clock->now()) * 1e6));
  }
}

void puts_row(ReplicatedStore& store, Clock& clock, boost::asio::io_context& io, int writers, double seconds) {
  std::vector<Latencies> each(static_cast<std::size_t>(writers));
  const double cpu = cpu_seconds();
  const auto begin = clock.now();
  const auto end = begin + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  TaskGroup group;
  for (int i = 0; i < writers; ++i) {
    group.spawn(io.get_executor(), writer(&store, &clock, i, end, &each[static_cast<std::size_t>(i)]));
  }
  block_on(io.get_executor(), group.join());
  const double took = seconds_between(begin, clock.now());
  const double used = cpu_seconds() - cpu;
  Latencies all;
  for (auto& l : each) all.us.insert(all.us.end(), l.us.begin(), l.us.end());
  const auto n = static_cast<double>(all.us.size());
  std::printf("| %7d | %8.0f | %8.0f | %8.0f | %6.1f |\n", writers, n / took, all.at(0.5), all.at(0.99),
              used / n * 1e6);
  std::fflush(stdout);
}

Task<> load(Store* store, int from, int to) {
  const std::string value(256, 'v');
  for (int i = from; i < to;) {
    kvstore::TxnRequest t;
    for (int n = 0; n < 100 && i < to; ++n, ++i) {
      auto& op = t.success.emplace_back();
      op.kind = kvstore::TxnOp::Kind::kPut;
      char key[80];
      // 64 bytes, in an order that is not the tree's.
      std::snprintf(key, sizeof key, "/registry/bench/%048llu",
                    static_cast<unsigned long long>(i) * 2654435761ULL % 1000003ULL * 1000003ULL +
                        static_cast<unsigned long long>(i));
      op.put.key = key;
      op.put.value = Bytes(value);
    }
    auto r = co_await store->txn(std::move(t));
    if (!r) std::abort();
  }
}

void reads(ReplicatedStore& store, Clock& clock) {
  kvstore::RangeRequest r;
  r.key = "/registry/bench/";
  r.end = "/registry/bench0";
  r.limit = 500;
  const int pages = 2000;
  auto begin = clock.now();
  for (int i = 0; i < pages; ++i) {
    if (!*store.range_now(r)) std::abort();
  }
  std::printf("range of 500 keys: %.0f us; ", seconds_between(begin, clock.now()) / pages * 1e6);
  std::vector<std::string> keys;
  r.limit = 100000;
  const auto page = store.range_now(r);
  for (const auto& kv : (*page)->kvs) keys.emplace_back(kv.key.view());
  begin = clock.now();
  std::size_t at = 0;
  const int gets = 1000000;
  kvstore::RangeRequest one;
  for (int i = 0; i < gets; ++i) {
    one.key = keys[at = (at + 7919) % keys.size()];
    if ((*store.range_now(one))->kvs.empty()) std::abort();
  }
  std::printf("get of one key: %.2f us\n", seconds_between(begin, clock.now()) / gets * 1e6);
}

int main_in(const std::string& dir, double seconds) {
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  net::AsioClock clock;
  boost::asio::io_context io(1);
  auto guard = boost::asio::make_work_guard(io);
  std::thread io_thread([&] { io.run(); });
  auto open = [&](const std::string& name) {
    ReplicatedStoreOptions o;
    o.data_dir = dir + "/" + name;
    o.clock = &clock;
    auto store = ReplicatedStore::open(o);
    if (!store) {
      std::fprintf(stderr, "%s\n", store.error().message.c_str());
      std::exit(1);
    }
    (*store)->start();
    return std::move(*store);
  };
  disk(clock, dir, std::min(seconds, 3.0));
  {
    auto store = open("puts");
    std::printf("| writers |   puts/s |  p50 us  |  p99 us  | CPU us per put |\n|---|---|---|---|---|\n");
    for (int writers : {1, 64, 1000}) puts_row(*store, clock, io, writers, seconds);
  }
  const int keys = 1000000;
  {
    auto store = open("million");
    const auto begin = clock.now();
    const double cpu = cpu_seconds();
    TaskGroup group;
    for (int i = 0; i < 8; ++i)
      group.spawn(io.get_executor(), load(store.get(), keys / 8 * i, keys / 8 * (i + 1)));
    block_on(io.get_executor(), group.join());
    std::printf("load of %d keys (64 B/256 B): %.1f s, CPU %.1f s, RSS %.0f MB\n", keys,
                seconds_between(begin, clock.now()), cpu_seconds() - cpu, rss_mb());
    reads(*store, clock);
  }
  // A process of its own, so that its memory is its own.
  io.stop();
  io_thread.join();
  return 0;
}

int restart(const std::string& dir) {
  net::AsioClock clock;
  ReplicatedStoreOptions o;
  o.data_dir = dir + "/million";
  o.clock = &clock;
  const auto begin = clock.now();
  const double cpu = cpu_seconds();
  auto store = ReplicatedStore::open(o);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message.c_str());
    return 1;
  }
  (*store)->start();
  std::printf("restart at revision %lld: %.2f s, CPU %.2f s, RSS %.0f MB\n",
              static_cast<long long>((*store)->current_revision()), seconds_between(begin, clock.now()),
              cpu_seconds() - cpu, rss_mb());
  return 0;
}

}  // namespace
}  // namespace keelson

int main(int argc, char** argv) {
  if (argc >= 3 && std::string_view(argv[2]) == "restart") return keelson::restart(argv[1]);
  if (argc < 2) {
    std::fprintf(stderr, "usage: embedded_bench DIR [seconds | restart]\n");
    return 2;
  }
  return keelson::main_in(argv[1], argc > 2 ? std::atof(argv[2]) : 5);
}
