#include "kubelet/containerd_instance.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/async.h"
#include "base/process.h"
#include "kubelet/digest.h"
#include "kubelet/files.h"
#include "kubelet/images/builtin_images.h"

namespace keelson::kubelet {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSocketPathMax = 100;  // sun_path holds 108, containerd adds ".ttrpc"
constexpr auto kStartTimeout = 30s;

std::string cni_bin_dir() {
  for (const char* dir : {"/usr/lib/cni", "/opt/cni/bin"}) {
    if (access((std::string(dir) + "/bridge").c_str(), X_OK) == 0) return dir;
  }
  return "";
}

// Lowering oom_score_adj needs CAP_SYS_RESOURCE; where it is denied every sandbox would fail in runc.
bool may_lower_oom_score() {
  auto now = read_file("/proc/self/oom_score_adj");
  if (!now) return false;
  const int value = std::atoi(now->c_str());
  FILE* f = std::fopen("/proc/self/oom_score_adj", "we");
  if (!f) return false;
  std::fprintf(f, "%d", value - 1);
  const bool ok = std::fclose(f) == 0;
  if (ok) {
    if (FILE* back = std::fopen("/proc/self/oom_score_adj", "we")) {
      std::fprintf(back, "%d", value);
      std::fclose(back);
    }
  }
  return ok;
}

// Overlay mounts do not nest on every file system (an overlay root, for one): try it where the snapshots will
// be.
bool overlay_works(const std::string& dir) {
  const std::string top = dir + "/overlay-probe";
  for (const char* d : {"/lower", "/upper", "/work", "/merged"}) {
    if (!make_directories(top + d)) return false;
  }
  const std::string opts = fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", top);
  const bool ok = mount("overlay", (top + "/merged").c_str(), "overlay", 0, opts.c_str()) == 0;
  if (ok) umount2((top + "/merged").c_str(), MNT_DETACH);
  (void)remove_tree(top);
  return ok;
}

bool socket_answers(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
  const bool ok = connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0;
  close(fd);
  return ok;
}

std::string network_namespace_of(int pid) {
  char buf[64] = {};
  const ssize_t n = readlink(fmt::format("/proc/{}/ns/net", pid).c_str(), buf, sizeof buf - 1);
  return n > 0 ? std::string(buf, static_cast<std::size_t>(n)) : "";
}

bool runs_with(int pid, const std::string& config_path) {
  auto cmdline = read_file(fmt::format("/proc/{}/cmdline", pid));
  return cmdline && cmdline->find(config_path) != std::string::npos;
}

}  // namespace

std::vector<std::string> missing_for_containers() {
  std::vector<std::string> missing;
  if (geteuid() != 0)
    missing.push_back("root: containers, mounts and pod networks need it; run keelson as root");
  struct Need {
    const char *program, *package;
  };
  for (auto [program, package] : {Need{"containerd", "containerd"}, Need{"ctr", "containerd"},
                                  Need{"containerd-shim-runc-v2", "containerd"}, Need{"runc", "runc"},
                                  Need{"iptables", "iptables"}, Need{"ip", "iproute2"}}) {
    if (find_program(program).empty()) {
      missing.push_back(fmt::format("{}: install the Debian package {}", program, package));
    }
  }
  const std::string cni = cni_bin_dir();
  for (const char* plugin : {"bridge", "host-local", "loopback", "portmap"}) {
    if (cni.empty() || access(fmt::format("{}/{}", cni, plugin).c_str(), X_OK) != 0) {
      missing.push_back(
          fmt::format("CNI plugin {} in /usr/lib/cni or /opt/cni/bin: install the Debian package "
                      "containernetworking-plugins",
                      plugin));
    }
  }
  if (access("/bin/busybox", X_OK) != 0)
    missing.push_back("/bin/busybox: install the Debian package busybox-static");
  return missing;
}

ContainerdInstance::ContainerdInstance(ContainerdOptions options, Clock& clock, Logger logger)
    : options_(std::move(options)), clock_(clock), log_(logger.named("containerd")) {
  dir_ = options_.data_dir + "/containerd";
  run_dir_ = dir_ + "/run";
  if (run_dir_.size() + std::strlen("/containerd.sock.ttrpc") > kSocketPathMax) {
    run_dir_ = "/run/keelson-" + short_digest(options_.data_dir);
  }
  socket_ = run_dir_ + "/containerd.sock";
}

std::string ContainerdInstance::config_toml() const {
  return fmt::format(R"(version = 2
root = "{dir}/root"
state = "{run}/state"
# Written by keelson at each start; edits are lost.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{run}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = {restrict}
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_bin}"
    conf_dir = "{data}/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
)",
                     fmt::arg("dir", dir_), fmt::arg("run", run_dir_), fmt::arg("data", options_.data_dir),
                     fmt::arg("pause", kPauseImage), fmt::arg("restrict", !may_lower_oom_score()),
                     fmt::arg("cni_bin", cni_bin_dir()),
                     fmt::arg("snapshotter", overlay_works(dir_) ? "overlayfs" : "native"));
}

std::string ContainerdInstance::cni_conflist() const {
  return fmt::format(R"({{"cniVersion":"0.4.0","name":"keelson","plugins":[
{{"type":"bridge","bridge":"{bridge}","isGateway":true,"ipMasq":true,"hairpinMode":true,"ipam":{{"type":"host-local",
  "dataDir":"{data}/cni/ipam","ranges":[[{{"subnet":"{cidr}"}}]],"routes":[{{"dst":"0.0.0.0/0"}}]}}}},
{{"type":"portmap","capabilities":{{"portMappings":true}}}}]}}
)",
                     fmt::arg("bridge", options_.bridge), fmt::arg("data", options_.data_dir),
                     fmt::arg("cidr", options_.pod_cidr));
}

Result<void> ContainerdInstance::prepare_files() {
  TRY(make_directories(dir_ + "/root", 0711));
  // State that a reboot has made meaningless goes away, whatever file system it is on.
  const std::string boot = read_file("/proc/sys/kernel/random/boot_id").value_or("");
  if (read_file(run_dir_ + "/boot_id").value_or("") != boot) {
    TRY(unmount_below(run_dir_));
    TRY(remove_tree(run_dir_));
    TRY(remove_tree(options_.data_dir + "/cni/ipam"));
  }
  TRY(make_directories(run_dir_, 0711));
  TRY(write_file(run_dir_ + "/boot_id", boot));
  TRY(make_directories(options_.data_dir + "/cni/net.d"));
  TRY(make_directories(options_.data_dir + "/cni/ipam"));
  TRY(write_file(options_.data_dir + "/cni/net.d/10-keelson.conflist", cni_conflist()));
  return write_file(dir_ + "/config.toml", config_toml());
}

// True when a containerd of ours runs and answers; one in another network namespace is ended (its pods' shims
// live on).
Result<bool> ContainerdInstance::adopt() {
  auto text = read_file(dir_ + "/containerd.pid");
  const int pid = text ? std::atoi(text->c_str()) : 0;
  if (pid <= 0 || !runs_with(pid, dir_ + "/config.toml")) return false;
  if (network_namespace_of(pid) != network_namespace_of(getpid())) {
    log_.warn("containerd runs in another network namespace; replacing it", {{"pid", pid}});
    kill(pid, SIGTERM);
    for (int i = 0; i < 100 && runs_with(pid, dir_ + "/config.toml"); ++i) usleep(50'000);
    return false;
  }
  pid_ = pid;
  child_ = false;
  log_.info("adopted", {{"pid", pid}});
  return true;
}

Result<void> ContainerdInstance::spawn() {
  TRY(prepare_files());
  unlink(socket_.c_str());
  pid_ = TRY(start_daemon({"containerd", "--config", dir_ + "/config.toml"}, dir_ + "/containerd.log"));
  child_ = true;
  log_.info("started", {{"pid", pid_}, {"socket", socket_}});
  return write_file(dir_ + "/containerd.pid", std::to_string(pid_));
}

std::string ContainerdInstance::last_log_lines() const {
  const std::string text = read_file(dir_ + "/containerd.log").value_or("");
  std::size_t at = text.size();
  for (int lines = 0; at > 0 && lines < 6; --at) lines += text[at - 1] == '\n';
  return text.substr(at);
}

Task<Result<void>> ContainerdInstance::start() {
  co_await resume_on(options_.pool);
  if (auto missing = missing_for_containers(); !missing.empty()) {
    std::string text = "this host cannot run pods; missing:";
    for (const auto& m : missing) text += "\n  - " + m;
    co_return fail(Code::kFailedPrecondition, text);
  }
  if (!CO_TRY(adopt())) CO_TRY(spawn());
  const MonoTime deadline = clock_.now() + kStartTimeout;
  while (!socket_answers(socket_)) {
    if (!alive() || clock_.now() > deadline) {
      co_return fail(Code::kUnavailable,
                     "containerd did not come up; the end of its log:\n" + last_log_lines());
    }
    co_await clock_.sleep_for(20ms);
  }
  co_await resume_on(options_.pool);
  co_return import_images();
}

bool ContainerdInstance::alive() {
  if (pid_ <= 0) return false;
  if (child_) return waitpid(pid_, nullptr, WNOHANG) == 0;
  return runs_with(pid_, dir_ + "/config.toml");
}

Result<void> ContainerdInstance::import_image(const std::string& name, const std::string& tarball) {
  const std::string marker = fmt::format("{}/root/imported-{}", dir_, short_digest(name));
  const std::string digest = sha256_hex(tarball);
  if (read_file(marker).value_or("") == digest) return {};
  const std::string tar_path = dir_ + "/import.tar";
  TRY(write_file(tar_path, tarball, 0600));
  CommandResult r;
  for (int attempt = 0; attempt < 50; ++attempt) {  // the socket is there before every service is
    r = TRY(run_command({"ctr", "-a", socket_, "-n", "k8s.io", "images", "import", "--base-name",
                         name.substr(0, name.rfind(':')), tar_path},
                        60s));
    if (r.exit_code == 0) break;
    usleep(100'000);
  }
  unlink(tar_path.c_str());
  if (r.exit_code != 0) return fail(Code::kInternal, "import of " + name + ": " + r.output);
  log_.info("imported image", {{"image", name}});
  return write_file(marker, digest);
}

Result<void> ContainerdInstance::import_images() {
  for (const OciImage& image : {pause_image(), TRY(demo_image())}) {
    TRY(import_image(image.name, build_oci_tarball(image)));
  }
  return {};
}

Task<Result<void>> ContainerdInstance::shut_down() {
  co_await resume_on(options_.pool);
  if (pid_ == 0) CO_TRY(adopt());
  if (alive()) kill(pid_, SIGTERM);
  for (int i = 0; i < 200 && alive(); ++i) {
    if (i == 150) kill(pid_, SIGKILL);
    co_await clock_.sleep_for(50ms);
  }
  co_await resume_on(options_.pool);
  pid_ = 0;
  unlink((dir_ + "/containerd.pid").c_str());
  (void)run_command({"ip", "link", "delete", options_.bridge}, 5s);
  CO_TRY(unmount_below(run_dir_));
  co_return unmount_below(dir_);
}

}  // namespace keelson::kubelet
