#include "chaos/sim/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

#include "base/check.h"

namespace keelson::sim {
namespace {

using Steady = std::chrono::steady_clock;

// What a child writes for each seed: this, then `text` bytes of text.
struct Wire {
  std::uint64_t seed = 0;
  std::uint64_t done = 0;  // 0: it begins
  std::uint64_t ok = 0;
  std::uint64_t digest = 0;
  double seconds = 0;
  double cpu_seconds = 0;
  Counters counters;
  std::uint64_t text = 0;
};

double cpu_seconds() {
  timespec t{};
  CHECK(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

bool write_all(int fd, const void* data, std::size_t n) {
  const char* p = static_cast<const char*>(data);
  while (n > 0) {
    const ssize_t w = ::write(fd, p, n);
    if (w <= 0) return false;
    p += w;
    n -= static_cast<std::size_t>(w);
  }
  return true;
}

struct Child {
  pid_t pid = 0;
  int out = -1;
  int err = -1;
  std::string buffer;
  std::string errors;  // what it wrote on stderr
  std::uint64_t seed = 0;
  bool in_seed = false;
  Steady::time_point since{};
  std::vector<std::uint64_t> seeds;  // still to be begun
};

[[noreturn]] void work(int out, const std::vector<std::uint64_t>& seeds,
                       const std::function<RunResult(std::uint64_t)>& run) {
  for (std::uint64_t seed : seeds) {
    Wire w;
    w.seed = seed;
    if (!write_all(out, &w, sizeof w)) break;
    const auto begin = Steady::now();
    const double cpu = cpu_seconds();
    const RunResult r = run(seed);
    w.done = 1;
    w.ok = r.violations.empty();
    w.digest = r.digest;
    w.counters = r.counters;
    w.seconds = std::chrono::duration<double>(Steady::now() - begin).count();
    w.cpu_seconds = cpu_seconds() - cpu;
    std::string text;
    for (const auto& v : r.violations) text += "  " + v.property + ": " + v.text + "\n";
    w.text = text.size();
    if (!write_all(out, &w, sizeof w) || !write_all(out, text.data(), text.size())) break;
  }
  ::_exit(0);
}

void spawn(Child& c, const std::function<RunResult(std::uint64_t)>& run) {
  int out[2];
  int err[2];
  CHECK(::pipe2(out, O_CLOEXEC) == 0 && ::pipe2(err, O_CLOEXEC) == 0);
  std::fflush(nullptr);
  c.pid = ::fork();
  CHECK(c.pid >= 0);
  if (c.pid == 0) {
    ::close(out[0]);
    ::dup2(err[1], 2);
    work(out[1], c.seeds, run);
  }
  ::close(out[1]);
  ::close(err[1]);
  c.out = out[0];
  c.err = err[0];
  c.buffer.clear();
  c.errors.clear();
  c.in_seed = false;
  c.since = Steady::now();
}

}  // namespace

void run_pool(const PoolOptions& options, const std::vector<std::uint64_t>& seeds,
              const std::function<RunResult(std::uint64_t)>& run,
              const std::function<bool(const SeedResult&)>& got) {
  std::vector<Child> children(static_cast<std::size_t>(options.jobs));
  for (std::size_t i = 0; i < seeds.size(); ++i) children[i % children.size()].seeds.push_back(seeds[i]);
  bool on = true;
  for (auto& c : children) {
    if (!c.seeds.empty()) spawn(c, run);
  }
  const auto take = [&](Child& c) {  // whole messages in its buffer
    while (on && c.buffer.size() >= sizeof(Wire)) {
      Wire w;
      std::memcpy(static_cast<void*>(&w), c.buffer.data(), sizeof w);
      if (c.buffer.size() < sizeof w + w.text) return;
      SeedResult r;
      r.seed = w.seed;
      r.ok = w.ok != 0;
      r.digest = w.digest;
      r.seconds = w.seconds;
      r.cpu_seconds = w.cpu_seconds;
      r.counters = w.counters;
      r.text = c.buffer.substr(sizeof w, w.text);
      c.buffer.erase(0, sizeof w + w.text);
      c.in_seed = w.done == 0;
      c.seed = w.seed;
      c.since = Steady::now();
      if (w.done == 0) {
        std::erase(c.seeds, w.seed);
      } else {
        on = got(r);
      }
    }
  };
  const auto end = [&](Child& c, bool kill) {
    if (kill) ::kill(c.pid, SIGKILL);
    int status = 0;
    ::waitpid(c.pid, &status, 0);
    ::close(c.out);
    ::close(c.err);
    c.out = -1;
    if (!on || !c.in_seed) return;
    SeedResult r;
    r.seed = c.seed;
    r.text = kill ? "  hangs\n"
                  : "  process: ended by signal " +
                        std::to_string(WIFSIGNALED(status) ? WTERMSIG(status) : 0) + "\n" +
                        c.errors.substr(0, 4000);
    r.seconds = std::chrono::duration<double>(Steady::now() - c.since).count();
    on = got(r);
    if (on && !c.seeds.empty()) spawn(c, run);
  };
  for (;;) {
    std::vector<pollfd> fds;
    std::vector<Child*> owners;
    for (auto& c : children) {
      if (c.out < 0) continue;
      fds.push_back({c.out, POLLIN, 0});
      fds.push_back({c.err, POLLIN, 0});
      owners.push_back(&c);
    }
    if (fds.empty()) return;
    if (!on) {
      for (auto* c : owners) end(*c, true);
      return;
    }
    ::poll(fds.data(), fds.size(), 500);
    for (std::size_t i = 0; i < owners.size(); ++i) {
      Child& c = *owners[i];
      char bytes[65536];
      if (fds[2 * i + 1].revents != 0) {
        const ssize_t n = ::read(c.err, bytes, sizeof bytes);
        if (n > 0 && c.errors.size() < 100'000) c.errors.append(bytes, static_cast<std::size_t>(n));
      }
      if (fds[2 * i].revents != 0) {
        const ssize_t n = ::read(c.out, bytes, sizeof bytes);
        if (n > 0) {
          c.buffer.append(bytes, static_cast<std::size_t>(n));
          take(c);
        } else {
          end(c, false);
        }
      } else if (c.in_seed &&
                 Steady::now() - c.since > std::chrono::duration<double>(options.seed_seconds_max)) {
        end(c, true);
      }
    }
  }
}

}  // namespace keelson::sim
