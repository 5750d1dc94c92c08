#include "base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

extern char** environ;

namespace keelson {
namespace {

constexpr std::string_view kSbin = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t kOutputMax = 64 * 1024;

std::string search_path() {
  const char* p = std::getenv("PATH");
  return p && *p ? std::string(p) + ":" + std::string(kSbin) : std::string(kSbin);
}

// The environment with a PATH that finds runc and iptables also where the caller's lacks sbin.
std::vector<std::string> child_environment() {
  std::vector<std::string> env;
  for (char** e = environ; e && *e; ++e) {
    if (!std::string_view(*e).starts_with("PATH=")) env.emplace_back(*e);
  }
  env.push_back("PATH=" + search_path());
  return env;
}

std::vector<char*> pointers(const std::vector<std::string>& v) {
  std::vector<char*> out;
  for (const auto& s : v) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

struct SpawnActions {
  SpawnActions() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  }
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
  }
  Result<int> spawn(const std::vector<std::string>& argv, short flags) {
    const std::string program = find_program(argv[0]);
    if (program.empty()) return fail(Code::kNotFound, "no program " + argv[0]);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_setflags(&attr,
                             static_cast<short>(flags | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    auto env = child_environment();
    pid_t pid = 0;
    const int rc =
        posix_spawn(&pid, program.c_str(), &files, &attr, pointers(argv).data(), pointers(env).data());
    if (rc != 0) return fail(Code::kInternal, fmt::format("start {}: {}", program, std::strerror(rc)));
    return pid;
  }
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attr;
};

// Reads until the end of the pipe or `deadline`. False when the time ran out.
bool drain(int fd, std::chrono::steady_clock::time_point deadline, std::string& out) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    pollfd p{fd, POLLIN, 0};
    const int ready = left > 0 ? poll(&p, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    char buf[4096];
    const ssize_t n = read(fd, buf, sizeof buf);
    if (n <= 0) return true;
    if (out.size() < kOutputMax) out.append(buf, static_cast<std::size_t>(n));
  }
}

// An unnamed file that holds `text`, read from its start.
int memory_file(std::string_view text) {
  const int fd = memfd_create("input", MFD_CLOEXEC);
  while (fd >= 0 && !text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n <= 0) break;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (fd >= 0) lseek(fd, 0, SEEK_SET);
  return fd;
}

}  // namespace

void lower_thread_priority() {
  static thread_local bool low = false;
  // Linux: a thread's own, though it says process.
  if (!std::exchange(low, true)) (void)::setpriority(PRIO_PROCESS, 0, 10);
}

std::string find_program(const std::string& program) {
  if (program.find('/') != std::string::npos) return access(program.c_str(), X_OK) == 0 ? program : "";
  const std::string path = search_path();
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string candidate = path.substr(at, end - at) + "/" + program;
    if (end > at && access(candidate.c_str(), X_OK) == 0) return candidate;
    at = end + 1;
  }
  return "";
}

Result<CommandResult> run_command(const std::vector<std::string>& argv, std::chrono::seconds timeout,
                                  std::string_view input) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return fail(Code::kInternal, "pipe: " + std::string(std::strerror(errno)));
  SpawnActions actions;
  const int in = input.empty() ? -1 : memory_file(input);
  if (in >= 0) posix_spawn_file_actions_adddup2(&actions.files, in, 0);
  posix_spawn_file_actions_adddup2(&actions.files, fds[1], 1);
  posix_spawn_file_actions_adddup2(&actions.files, fds[1], 2);
  auto pid = actions.spawn(argv, 0);
  close(fds[1]);
  if (in >= 0) close(in);
  if (!pid) {
    close(fds[0]);
    return std::unexpected(pid.error());
  }
  CommandResult result;
  const bool ended = drain(fds[0], std::chrono::steady_clock::now() + timeout, result.output);
  close(fds[0]);
  if (!ended) kill(*pid, SIGKILL);
  int status = 0;
  while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended)
    return fail(Code::kDeadlineExceeded, fmt::format("{} took longer than {} s", argv[0], timeout.count()));
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

Result<int> start_daemon(const std::vector<std::string>& argv, const std::string& log_file) {
  SpawnActions actions;
  posix_spawn_file_actions_addopen(&actions.files, 1, log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0640);
  posix_spawn_file_actions_adddup2(&actions.files, 1, 2);
  return actions.spawn(argv, POSIX_SPAWN_SETSID);
}

}  // namespace keelson
