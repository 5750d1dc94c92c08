// keelson-sim: the program behind ./x sim.
//
//   keelson-sim --seeds 200 [--base B] [--jobs 2]     so many seeds from B on (default: a fresh one)
//   keelson-sim --seed S [--trace FILE|-] [--logs]    one seed, here, with all that happened
//   keelson-sim --canaries [--find] [--within 300]    every planted bug must be found: by the seeds of the
//                                                     table first, then by those from 1 on (any change of
//                                                     the code moves what a seed does); --find begins with
//                                                     the latter, and rewrites the table
//   --canary NAME     plants a bug, with any of the above
//   --ops N           acknowledged operations per seed (5000)
//   --table FILE      the canaries' seeds
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "base/rng.h"
#include "chaos/sim/canaries.h"
#include "chaos/sim/pool.h"

namespace keelson::sim {
namespace {

constexpr std::uint64_t kFullRun = 2'000;  // seeds
constexpr std::uint64_t kTelling = 200;    // fewer need not have seen everything

struct Args {
  std::uint64_t seeds = 0;
  std::optional<std::uint64_t> base;
  std::optional<std::uint64_t> seed;
  int jobs = 1;
  std::uint64_t operations = 5000;
  std::string trace;
  bool logs = false;
  bool canaries = false;
  bool find = false;
  std::uint64_t within = 300;
  std::string canary;
  std::string table = KEELSON_SOURCE_DIR "/chaos/sim/canaries.txt";
  std::string trace_dir;
  bool keep_going = false;
};

[[noreturn]] void usage(const std::string& why) {
  std::fprintf(stderr, "keelson-sim: %s; see the top of chaos/sim/main.cc\n", why.c_str());
  std::exit(2);
}

Args parse(int argc, char** argv) {
  Args a;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argc) usage(name + " needs a value");
      return argv[++i];
    };
    const auto number = [&] { return std::strtoull(value().c_str(), nullptr, 0); };
    if (name == "--seeds")
      a.seeds = number();
    else if (name == "--base")
      a.base = number();
    else if (name == "--seed")
      a.seed = number();
    else if (name == "--jobs")
      a.jobs = static_cast<int>(number());
    else if (name == "--ops")
      a.operations = number();
    else if (name == "--trace")
      a.trace = value();
    else if (name == "--trace-dir")
      a.trace_dir = value();
    else if (name == "--logs")
      a.logs = true;
    else if (name == "--canaries")
      a.canaries = true;
    else if (name == "--find")
      a.find = true;
    else if (name == "--within")
      a.within = number();
    else if (name == "--canary")
      a.canary = value();
    else if (name == "--table")
      a.table = value();
    else if (name == "--keep-going")
      a.keep_going = true;
    else
      usage("unknown argument " + name);
  }
  return a;
}

WorldOptions world_options(const Args& a, std::uint64_t seed, const Canary* canary) {
  WorldOptions o;
  o.seed = seed;
  o.operations = a.operations;
  if (canary != nullptr) canary->plant(o.faults);
  return o;
}

std::string replay_command(const Args& a, std::uint64_t seed) {
  std::string out = "./x sim --seed " + std::to_string(seed) + " --trace -";
  if (a.operations != 5000) out += " --ops " + std::to_string(a.operations);
  if (!a.canary.empty()) out += " --canary " + a.canary;
  return out;
}

void print_counters(const Counters& c) {
  for (std::size_t i = 0; i < kCounts; ++i) {
    const auto which = static_cast<Count>(i);
    std::printf("  %-28s %12llu\n", std::string(count_name(which)).c_str(),
                static_cast<unsigned long long>(c[which]));
  }
}

// Whether it was a run that proves something: enough of everything for its number of seeds. Says what is
// missing.
bool enough_happened(const Counters& total, std::uint64_t seeds) {
  bool enough = true;
  for (std::size_t i = 0; i < kCounts; ++i) {
    const auto which = static_cast<Count>(i);
    const std::uint64_t least = count_least(which) * std::min(seeds, kFullRun) / kFullRun;
    if (total[which] >= least) continue;
    enough = false;
    std::printf("TOO FEW %s: %llu of %llu\n", std::string(count_name(which)).c_str(),
                static_cast<unsigned long long>(total[which]), static_cast<unsigned long long>(least));
  }
  if (enough)
    std::printf("enough of everything happened for %llu seeds\n", static_cast<unsigned long long>(seeds));
  return enough;
}

int run_one(const Args& a, const Canary* canary) {
  WorldOptions o = world_options(a, *a.seed, canary);
  if (!a.trace.empty()) o.trace = a.trace == "-" ? stdout : std::fopen(a.trace.c_str(), "w");
  o.member_logs = a.logs;
  std::setvbuf(stdout, nullptr, a.trace == "-" ? _IOLBF : _IOFBF, 1 << 16);
  const RunResult r = run_world(o);
  print_counters(r.counters);
  std::printf("seed %llu: %llu events, %.1f s of virtual time, digest %016llx\n",
              static_cast<unsigned long long>(*a.seed), static_cast<unsigned long long>(r.events),
              static_cast<double>(r.virtual_time.count()) / 1e9, static_cast<unsigned long long>(r.digest));
  for (const auto& v : r.violations) std::printf("VIOLATION %s: %s\n", v.property.c_str(), v.text.c_str());
  return r.violations.empty() ? 0 : 1;
}

// Runs the failing seed again with a trace beside the results, and shows its end.
void show_failure(const Args& a, const SeedResult& r, const Canary* canary) {
  std::printf("seed %llu FAILED after %.1f s\n%s  replay: %s\n", static_cast<unsigned long long>(r.seed),
              r.seconds, r.text.c_str(), replay_command(a, r.seed).c_str());
  if (a.trace_dir.empty()) return;
  const std::string path = a.trace_dir + "/seed-" + std::to_string(r.seed) + ".trace";
  run_pool(
      {}, {r.seed},
      [&](std::uint64_t seed) {
        WorldOptions o = world_options(a, seed, canary);
        o.trace = std::fopen(path.c_str(), "w");
        std::setvbuf(o.trace, nullptr, _IOLBF, 1 << 16);
        o.history = std::fopen((a.trace_dir + "/seed-" + std::to_string(seed) + ".jsonl").c_str(), "w");
        const RunResult result = run_world(o);
        std::fclose(o.history);  // the process ends without doing so
        return result;
      },
      [](const SeedResult&) { return true; });
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
  std::printf("  trace: %s; its end:\n", path.c_str());
  for (std::size_t i = lines.size() > 30 ? lines.size() - 30 : 0; i < lines.size(); ++i) {
    std::printf("    %s\n", lines[i].c_str());
  }
}

int run_seeds(const Args& a, const Canary* canary) {
  const std::uint64_t base = a.base ? *a.base : os_entropy() % 1'000'000'000;
  std::printf("seeds %llu to %llu (--base %llu)\n", static_cast<unsigned long long>(base),
              static_cast<unsigned long long>(base + a.seeds - 1), static_cast<unsigned long long>(base));
  std::vector<std::uint64_t> seeds(a.seeds);
  for (std::uint64_t i = 0; i < a.seeds; ++i) seeds[i] = base + i;
  Counters total;
  std::uint64_t done = 0;
  std::uint64_t bad = 0;
  double slowest = 0;
  double cpu = 0;
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t least = ~std::uint64_t{0};
  PoolOptions pool;
  pool.jobs = a.jobs;
  run_pool(
      pool, seeds, [&](std::uint64_t seed) { return run_world(world_options(a, seed, canary)); },
      [&](const SeedResult& r) {
        ++done;
        total.add(r.counters);
        slowest = std::max(slowest, r.seconds);
        cpu += r.cpu_seconds;
        if (r.ok) least = std::min(least, r.counters[Count::kOpsOk]);
        if (!r.ok) {
          ++bad;
          show_failure(a, r, canary);
        }
        if (done % 50 == 0) {
          std::printf("%llu seeds, %llu failed, %.2f s of CPU each\n", static_cast<unsigned long long>(done),
                      static_cast<unsigned long long>(bad), cpu / static_cast<double>(done));
        }
        std::fflush(stdout);
        return a.keep_going || bad < 20;
      });
  print_counters(total);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf(
      "%llu seeds, %llu failed; %.0f s with %d at a time, %.0f s of CPU, slowest seed %.1f s; least "
      "acknowledged "
      "operations of a seed: %llu\n",
      static_cast<unsigned long long>(done), static_cast<unsigned long long>(bad), took.count(), a.jobs, cpu,
      slowest, static_cast<unsigned long long>(least));
  const bool enough = done < kTelling || enough_happened(total, done);
  return bad == 0 && (enough || done < kFullRun) ? 0 : 1;
}

std::map<std::string, std::vector<std::uint64_t>> read_table(const std::string& path) {
  std::map<std::string, std::vector<std::uint64_t>> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name;
    words >> name;
    for (std::uint64_t s = 0; words >> s;) out[name].push_back(s);
  }
  return out;
}

// The first seeds of `seeds` that find the planted bug, at most `want`; and how many were tried.
std::pair<std::vector<std::uint64_t>, std::uint64_t> seeds_that_find(const Args& a, const Canary& canary,
                                                                     const std::vector<std::uint64_t>& seeds,
                                                                     std::size_t want, std::string& how) {
  std::vector<std::uint64_t> found;
  std::uint64_t tried = 0;
  PoolOptions pool;
  pool.jobs = a.jobs;
  run_pool(
      pool, seeds, [&](std::uint64_t seed) { return run_world(world_options(a, seed, &canary)); },
      [&](const SeedResult& r) {
        ++tried;
        if (r.ok) return true;
        if (found.empty()) how = r.text.substr(0, r.text.find('\n'));
        found.push_back(r.seed);
        return found.size() < want;
      });
  std::sort(found.begin(), found.end());
  return {found, tried};
}

int run_canaries(const Args& a) {
  auto table = read_table(a.table);
  std::map<std::string, std::vector<std::uint64_t>> fresh;
  int bad = 0;
  for (const auto& canary : canaries()) {
    if (!a.canary.empty() && canary.name != a.canary) continue;
    std::vector<std::uint64_t> seeds;
    const std::string name(canary.name);
    if (!a.find) seeds = table[name];
    const std::size_t known = seeds.size();
    for (std::uint64_t s = 1; s <= a.within; ++s) {
      if (std::find(seeds.begin(), seeds.end(), s) == seeds.end()) seeds.push_back(s);
    }
    std::string how;
    const auto [found, tried] = seeds_that_find(a, canary, seeds, 2, how);
    const bool ok = !found.empty();
    if (ok && !a.find && tried > known) how += " (not by the seeds of the table: rewrite it with --find)";
    std::string text;
    for (std::uint64_t s : found) text += " " + std::to_string(s);
    std::printf("%-24s %s by%s of %llu tried%s\n", name.c_str(), ok ? "found" : "NOT FOUND",
                text.empty() ? " none" : text.c_str(), static_cast<unsigned long long>(tried), how.c_str());
    std::fflush(stdout);
    if (!ok) ++bad;
    fresh[name] = found;
  }
  if (a.find) {
    for (auto& [name, seeds] : fresh) table[name] = seeds;
    std::ofstream out(a.table);
    out << "# canary and the seeds known to find it; written by ./x sim --canaries --find\n";
    for (const auto& canary : canaries()) {
      out << canary.name;
      for (std::uint64_t s : table[std::string(canary.name)]) out << " " << s;
      out << "\n";
    }
  }
  std::printf("%zu canaries, %d not found\n", a.canary.empty() ? canaries().size() : 1, bad);
  return bad == 0 ? 0 : 1;
}

int main(int argc, char** argv) {
  const Args a = parse(argc, argv);
  if (a.canaries) return run_canaries(a);
  const Canary* canary = nullptr;
  if (!a.canary.empty()) {
    canary = find_canary(a.canary);
    if (canary == nullptr) usage("no canary " + a.canary);
  }
  if (a.seed) return run_one(a, canary);
  if (a.seeds == 0) usage("what to do?");
  return run_seeds(a, canary);
}

}  // namespace
}  // namespace keelson::sim

int main(int argc, char** argv) {
  return keelson::sim::main(argc, argv);
}
