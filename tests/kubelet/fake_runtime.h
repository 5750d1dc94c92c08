// FakeRuntime: a container runtime in memory. Containers run until a test ends them. Thread rule: one thread.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/cri/runtime.h"

namespace keelson::kubelet {

class FakeRuntime final : public cri::Runtime {
 public:
  explicit FakeRuntime(Clock& clock) : clock_(clock) {}

  struct Box {
    cri::PodSandbox sandbox;
    cri::PodSandboxConfig config;
  };
  struct Run {
    cri::Container container;
    cri::ContainerStatus status;
    cri::ContainerConfig config;
  };
  std::map<std::string, Box> boxes;
  std::map<std::string, Run> runs;
  std::set<std::string> images{"localhost/keelson/demo:1"};
  std::vector<std::string> log;  // "create web", "start web", "stop web 30", "sandbox", …
  std::optional<Error> pull_error;
  std::map<std::string, int> exit_at_start;  // container name → exit code: ends as soon as it runs
  std::map<std::string, int> probe_exit;     // first word of an exec → exit code

  // The newest container of that name, or null.
  Run* find(const std::string& name) {
    Run* best = nullptr;
    for (auto& [id, r] : runs) {
      if (r.container.metadata.name == name && (!best || r.container.created_at > best->container.created_at))
        best = &r;
    }
    return best;
  }
  void end(Run& r, int code) {
    r.container.state = r.status.state = cri::ContainerState::kExited;
    r.status.exit_code = code;
    r.status.finished_at = wall();
    r.status.reason = code == 0 ? "Completed" : "Error";
  }

  Task<Result<cri::VersionResponse>> version() override {
    co_return cri::VersionResponse{"0.1.0", "containerd", "1.6.20", "v1"};
  }
  Task<Result<cri::StatusResponse>> status() override {
    co_return cri::StatusResponse{{{{"RuntimeReady", true, "", ""}, {"NetworkReady", true, "", ""}}}};
  }
  Task<Result<std::string>> run_sandbox(cri::PodSandboxConfig c) override {
    log.push_back("sandbox " + c.metadata.name);
    const std::string id = fmt::format("box{}", ++next_);
    boxes[id] = {{id, c.metadata, cri::SandboxState::kReady, wall(), c.labels, c.annotations}, c};
    co_return id;
  }
  Task<Result<void>> stop_sandbox(std::string id) override {
    if (boxes.contains(id)) boxes[id].sandbox.state = cri::SandboxState::kNotReady;
    for (auto& [cid, r] : runs) {
      if (r.container.pod_sandbox_id == id && r.container.state == cri::ContainerState::kRunning) end(r, 137);
    }
    co_return Result<void>{};
  }
  Task<Result<void>> remove_sandbox(std::string id) override {
    std::erase_if(runs, [&](auto& r) { return r.second.container.pod_sandbox_id == id; });
    boxes.erase(id);
    co_return Result<void>{};
  }
  Task<Result<cri::PodSandboxStatus>> sandbox_status(std::string id) override {
    const auto& b = boxes.at(id);
    co_return cri::PodSandboxStatus{id,
                                    b.sandbox.metadata,
                                    b.sandbox.state,
                                    b.sandbox.created_at,
                                    {"10.22.0.9", {}},
                                    b.sandbox.labels,
                                    b.sandbox.annotations};
  }
  Task<Result<std::vector<cri::PodSandbox>>> list_sandboxes(std::string uid) override {
    std::vector<cri::PodSandbox> out;
    for (auto& [id, b] : boxes) {
      if (uid.empty() || b.sandbox.metadata.uid == uid) out.push_back(b.sandbox);
    }
    co_return out;
  }
  Task<Result<std::string>> create_container(cri::CreateContainerRequest r) override {
    log.push_back("create " + r.config.metadata.name);
    const std::string id = fmt::format("run{}", ++next_);
    Run run;
    run.config = r.config;
    run.container = {id,
                     r.pod_sandbox_id,
                     r.config.metadata,
                     r.config.image,
                     r.config.image.image,
                     cri::ContainerState::kCreated,
                     wall() + next_,
                     r.config.labels,
                     r.config.annotations};
    run.status.id = id;
    run.status.metadata = r.config.metadata;
    run.status.labels = r.config.labels;
    run.status.annotations = r.config.annotations;
    run.status.image = r.config.image;
    run.status.image_ref = r.config.image.image;
    run.status.created_at = run.container.created_at;
    runs[id] = run;
    co_return id;
  }
  Task<Result<void>> start_container(std::string id) override {
    Run& r = runs.at(id);
    log.push_back("start " + r.config.metadata.name);
    r.container.state = r.status.state = cri::ContainerState::kRunning;
    r.status.started_at = wall();
    if (auto it = exit_at_start.find(r.config.metadata.name); it != exit_at_start.end()) end(r, it->second);
    co_return Result<void>{};
  }
  Task<Result<void>> stop_container(std::string id, std::int64_t grace) override {
    Run& r = runs.at(id);
    log.push_back(fmt::format("stop {} {}", r.config.metadata.name, grace));
    if (r.container.state == cri::ContainerState::kRunning) end(r, 143);
    co_return Result<void>{};
  }
  Task<Result<void>> remove_container(std::string id) override {
    runs.erase(id);
    co_return Result<void>{};
  }
  Task<Result<std::vector<cri::Container>>> list_containers(std::string uid) override {
    std::vector<cri::Container> out;
    for (auto& [id, r] : runs) {
      if (uid.empty() || r.container.labels[cri::kLabelPodUid] == uid) out.push_back(r.container);
    }
    co_return out;
  }
  Task<Result<cri::ContainerStatus>> container_status(std::string id) override {
    if (!runs.contains(id)) co_return fail(Code::kNotFound, "no container " + id);
    co_return runs.at(id).status;
  }
  Task<Result<void>> reopen_log(std::string) override { co_return Result<void>{}; }
  Task<Result<cri::ExecSyncResponse>> exec_sync(std::string, std::vector<std::string> command,
                                                std::int64_t) override {
    co_return cri::ExecSyncResponse{"out", "", probe_exit[command[0]]};
  }
  Task<Result<std::string>> exec_url(cri::ExecRequest) override { co_return std::string("http://x"); }
  Task<Result<std::string>> attach_url(cri::AttachRequest) override { co_return std::string("http://x"); }
  Task<Result<std::string>> port_forward_url(cri::PortForwardRequest) override {
    co_return std::string("http://x");
  }
  Task<Result<std::optional<cri::Image>>> image_status(std::string image) override {
    if (!images.contains(image)) co_return std::optional<cri::Image>();
    co_return cri::Image{image, {image}, {}, 1000, std::nullopt, "", false};
  }
  Task<Result<std::string>> pull_image(std::string image) override {
    log.push_back("pull " + image);
    if (pull_error) co_return std::unexpected(*pull_error);
    images.insert(image);
    co_return image;
  }
  Task<Result<std::vector<cri::Image>>> list_images() override { co_return std::vector<cri::Image>{}; }
  Task<Result<void>> remove_image(std::string) override { co_return Result<void>{}; }

 private:
  std::int64_t wall() const { return clock_.wall().time_since_epoch().count(); }
  Clock& clock_;
  int next_ = 0;
};

}  // namespace keelson::kubelet
