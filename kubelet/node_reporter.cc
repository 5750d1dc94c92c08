#include "kubelet/node_reporter.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/gen/coordination_v1.h"
#include "api/gen/core_v1.h"
#include "api/json.h"

namespace keelson::kubelet {

using namespace std::chrono_literals;
using namespace api::core_v1;
namespace coordination = api::coordination_v1;

namespace {

constexpr Duration kStatusPeriod = 10s, kStatusWrite = 5min, kLeasePeriod = 10s;
constexpr std::int32_t kLeaseSeconds = 40;
constexpr const char* kLeaseNamespace = "kube-node-lease";
constexpr std::int64_t kMemoryReserve = 100
                                        << 20;  // upstream's hard eviction threshold memory.available<100Mi
constexpr double kDiskFreeMin = 0.10;           // nodefs.available<10%
constexpr std::size_t kImagesMax = 50;

api::Time whole_seconds(WallTime t) {
  return api::Time::from(std::chrono::floor<std::chrono::seconds>(t));
}

struct Condition {
  const char* type;
  bool status;
  std::string reason, message;
};

std::vector<Condition> conditions_of(const Pressure& pressure, bool ready, const std::string& why_not) {
  const bool memory = pressure.memory_available_bytes < kMemoryReserve;
  const bool disk = pressure.disk_free_share < kDiskFreeMin;
  return {{"MemoryPressure", memory, memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
           memory ? "kubelet has insufficient memory available" : "kubelet has sufficient memory available"},
          {"DiskPressure", disk, disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
           disk ? "kubelet has disk pressure" : "kubelet has no disk pressure"},
          {"PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
          {"Ready", ready, ready ? "KubeletReady" : "KubeletNotReady",
           ready ? "kubelet is posting ready status" : why_not}};
}

}  // namespace

NodeReporter::NodeReporter(const KubeletOptions& options, MachineFacts facts, client::Transport& transport,
                           cri::Runtime& runtime, client::EventRecorder& events, Clock& clock, Logger logger,
                           std::function<bool()> runtime_ok)
    : options_(options),
      facts_(std::move(facts)),
      transport_(transport),
      runtime_(runtime),
      events_(events),
      clock_(clock),
      log_(logger.named("node")),
      runtime_ok_(std::move(runtime_ok)) {}

api::ObjectPtr NodeReporter::wanted_node(const api::ObjectPtr& base) const {
  auto object = api::Object::make(Node::kind_info());
  NodeMut node = NodeMut::of(*object);
  auto meta = node.mutable_metadata();
  meta.set_name(options_.node_name);
  auto labels = meta.mutable_labels();
  labels.set("kubernetes.io/hostname", options_.node_name);
  labels.set("kubernetes.io/os", "linux");
  labels.set("kubernetes.io/arch", facts_.architecture);
  labels.set("beta.kubernetes.io/os", "linux");
  labels.set("beta.kubernetes.io/arch", facts_.architecture);
  for (const auto& [k, v] : options_.node_labels) labels.set(k, v);

  auto status = node.mutable_status();
  const std::int64_t memory_ki = facts_.memory_bytes / 1024, disk_ki = facts_.disk_bytes / 1024;
  const auto put = [&](auto map, std::int64_t memory, std::int64_t disk_bytes) {
    map.set("cpu", api::Quantity(facts_.cpus));
    map.set("memory", api::Quantity(memory * 1024, api::Quantity::Format::kBinarySI));
    map.set("ephemeral-storage", api::Quantity(disk_bytes, api::Quantity::Format::kBinarySI));
    map.set("hugepages-1Gi", api::Quantity(0));
    map.set("hugepages-2Mi", api::Quantity(0));
    map.set("pods", api::Quantity(options_.max_pods));
  };
  put(status.mutable_capacity(), memory_ki, disk_ki * 1024);
  put(status.mutable_allocatable(), memory_ki - kMemoryReserve / 1024, disk_ki * 1024 / 10 * 9);
  auto address = status.add_addresses();
  address.set_type("InternalIP");
  address.set_address(options_.node_ip);
  address = status.add_addresses();
  address.set_type("Hostname");
  address.set_address(options_.node_name);
  status.mutable_daemon_endpoints().mutable_kubelet_endpoint().set_port(options_.port);
  auto info = status.mutable_node_info();
  info.set_machine_id(facts_.machine_id);
  info.set_system_uuid(facts_.system_uuid);
  info.set_boot_id(facts_.boot_id);
  info.set_kernel_version(facts_.kernel_version);
  info.set_os_image(facts_.os_image);
  info.set_container_runtime_version(runtime_version_);
  info.set_kubelet_version(options_.version);
  info.set_operating_system("linux");
  info.set_architecture(facts_.architecture);

  const api::Time now = whole_seconds(clock_.wall());
  const auto old = base ? Node::of(*base).status().conditions() : Node().status().conditions();
  const bool ready = runtime_ready_ && network_ready_;
  const auto own = conditions_of(present_pressure(options_.data_dir), ready, not_ready_why_);
  for (NodeCondition other : old) {
    if (std::none_of(own.begin(), own.end(), [&](const Condition& c) { return other.type() == c.type; })) {
      status.mutable_conditions().add_copy(other);
    }
  }
  for (const Condition& c : own) {
    auto out = status.add_conditions();
    out.set_type(c.type);
    out.set_status(c.status ? "True" : "False");
    out.set_reason(c.reason);
    out.set_message(c.message);
    out.set_last_heartbeat_time(now);
    out.set_last_transition_time(now);
    for (NodeCondition before : old) {
      if (before.type() == c.type && before.status() == (c.status ? "True" : "False")) {
        out.set_last_transition_time(before.last_transition_time());
      }
    }
  }
  return api::freeze(std::move(object));
}

Task<Result<void>> NodeReporter::register_node() {
  const auto wanted = wanted_node(nullptr);
  auto made = co_await transport_.create(Node::kind_info(), "", wanted, {});
  if (made) {
    node_ = std::move(*made);
    log_.info("registered", {{"node", options_.node_name}});
    co_return Result<void>{};
  }
  if (made.error().code != Code::kAlreadyExists) co_return std::unexpected(made.error());
  // Labels that are ours are set again; what others added stays.
  std::string labels;
  for (auto [k, v] : wanted->meta().labels()) {
    labels += fmt::format("{}\"{}\":\"{}\"", labels.empty() ? "" : ",", k, v);
  }
  auto patched =
      co_await transport_.patch(Node::kind_info(), "", options_.node_name, client::PatchType::kMerge,
                                fmt::format(R"({{"metadata":{{"labels":{{{}}}}}}})", labels), {});
  if (!patched) co_return std::unexpected(patched.error());
  node_ = std::move(*patched);
  co_return Result<void>{};
}

Task<Result<void>> NodeReporter::report(bool force) {
  auto present = co_await transport_.get(Node::kind_info(), "", options_.node_name, {});
  if (!present && present.error().code == Code::kNotFound) {
    CO_TRY(co_await register_node());
    present = node_;
  }
  if (!present) co_return std::unexpected(present.error());
  node_ = *present;

  auto status = co_await runtime_.status();
  runtime_ready_ = network_ready_ = false;
  not_ready_why_ = "container runtime is down";
  if (status) {
    not_ready_why_.clear();
    for (const auto& c : status->status.conditions) {
      if (c.type == "RuntimeReady") runtime_ready_ = c.status;
      if (c.type == "NetworkReady") network_ready_ = c.status;
      if (!c.status) {
        not_ready_why_ = fmt::format("container runtime network not ready: {}={} reason:{} message:{}",
                                     c.type, c.status, c.reason, c.message);
      }
    }
  }
  if (!runtime_ok_()) runtime_ready_ = false;

  auto wanted = wanted_node(node_)->clone();
  NodeMut node = NodeMut::of(*wanted);
  if (auto images = co_await runtime_.list_images()) {
    std::sort(images->begin(), images->end(), [](const auto& a, const auto& b) { return a.size > b.size; });
    for (std::size_t i = 0; i < images->size() && i < kImagesMax; ++i) {
      auto out = node.mutable_status().add_images();
      for (const auto& name : (*images)[i].repo_digests) out.add_names(name);
      for (const auto& name : (*images)[i].repo_tags) out.add_names(name);
      out.set_size_bytes(static_cast<std::int64_t>((*images)[i].size));
    }
  }
  const bool ready = runtime_ready_ && network_ready_;
  // Heartbeat times do not count as a change.
  auto bare = wanted->clone();
  auto bare_conditions = NodeMut::of(*bare).mutable_status().mutable_conditions();
  for (std::size_t i = 0; i < bare_conditions.size(); ++i) bare_conditions.at(i).clear_last_heartbeat_time();
  const std::string text = api::encode_json(Node::of(*bare).status());
  bool stale = false;  // the node lifecycle controller may have spoken for us meanwhile
  for (NodeCondition c : Node::of(*node_).status().conditions())
    stale |= c.type() == "Ready" && c.status() == "Unknown";
  if (!force && !stale && text == last_status_ && clock_.now() - last_write_ < kStatusWrite)
    co_return Result<void>{};

  client::WriteOptions options;
  options.subresource = "status";
  options.field_manager = "kubelet";
  auto body = fmt::format(R"({{"status":{}}})", api::encode_json(Node::of(*wanted).status()));
  auto r = co_await transport_.patch(Node::kind_info(), "", options_.node_name, client::PatchType::kMerge,
                                     body, options);
  if (!r) co_return std::unexpected(r.error());
  node_ = std::move(*r);
  last_status_ = text;
  last_write_ = clock_.now();
  if (ready != was_ready_) {
    events_.event(
        *node_, "Normal", ready ? "NodeReady" : "NodeNotReady",
        fmt::format("Node {} status is now: {}", options_.node_name, ready ? "NodeReady" : "NodeNotReady"));
  }
  was_ready_ = ready;
  co_return Result<void>{};
}

Task<> NodeReporter::run_status() {
  if (auto v = co_await runtime_.version()) {
    runtime_version_ = fmt::format("{}://{}", v->runtime_name, v->runtime_version);
  }
  bool first = true;
  for (;;) {
    auto r = co_await report(first);
    if (!r) {
      log_.warn("reporting the node failed", {{"error", r.error()}});
      co_await clock_.sleep_for(500ms);
      continue;
    }
    if (first) events_.event(*node_, "Normal", "Starting", "Starting kubelet.");
    first = false;
    // While not ready, look again soon: pods wait for it.
    co_await clock_.sleep_for(was_ready_ ? kStatusPeriod : Duration(500ms));
  }
}

Task<Result<void>> NodeReporter::renew_lease() {
  const api::Time now = api::Time::from(clock_.wall());
  if (lease_) {
    auto next = lease_->clone();
    auto spec = coordination::LeaseMut::of(*next).mutable_spec();
    spec.set_renew_time(now);
    spec.set_holder_identity(options_.node_name);
    auto r = co_await transport_.update(coordination::Lease::kind_info(), kLeaseNamespace,
                                        api::freeze(std::move(next)), {});
    if (r) {
      lease_ = std::move(*r);
      co_return Result<void>{};
    }
    lease_ = nullptr;
    if (r.error().code != Code::kAborted && r.error().code != Code::kNotFound)
      co_return std::unexpected(r.error());
  }
  auto found =
      co_await transport_.get(coordination::Lease::kind_info(), kLeaseNamespace, options_.node_name, {});
  if (found) {
    lease_ = std::move(*found);
    co_return co_await renew_lease();
  }
  if (found.error().code != Code::kNotFound) co_return std::unexpected(found.error());
  auto object = api::Object::make(coordination::Lease::kind_info());
  auto lease = coordination::LeaseMut::of(*object);
  lease.mutable_metadata().set_name(options_.node_name);
  lease.mutable_metadata().set_namespace(kLeaseNamespace);
  if (node_) {
    auto owner = lease.mutable_metadata().add_owner_references();
    owner.set_api_version("v1");
    owner.set_kind("Node");
    owner.set_name(options_.node_name);
    owner.set_uid(node_->uid());
  }
  lease.mutable_spec().set_holder_identity(options_.node_name);
  lease.mutable_spec().set_lease_duration_seconds(kLeaseSeconds);
  lease.mutable_spec().set_renew_time(now);
  auto r = co_await transport_.create(coordination::Lease::kind_info(), kLeaseNamespace,
                                      api::freeze(std::move(object)), {});
  if (!r) co_return std::unexpected(r.error());
  lease_ = std::move(*r);
  co_return Result<void>{};
}

Task<> NodeReporter::run_lease() {
  while (!node_) co_await clock_.sleep_for(100ms);
  for (;;) {
    auto r = co_await renew_lease();
    if (!r) log_.warn("renewing the lease failed", {{"error", r.error()}});
    co_await clock_.sleep_for(r ? kLeasePeriod : Duration(1s));
  }
}

}  // namespace keelson::kubelet
