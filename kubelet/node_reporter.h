// NodeReporter: this node in the API: registers the Node object, keeps its status and conditions current
// (looked at every 10 s, written when something changed or after 5 min), and renews the Lease in
// kube-node-lease every 10 s. Thread rule: on the kubelet's strand.
#pragma once

#include <functional>
#include <string>

#include "api/object.h"
#include "base/clock.h"
#include "base/log.h"
#include "client/event_recorder.h"
#include "client/transport.h"
#include "kubelet/cri/runtime.h"
#include "kubelet/node_facts.h"
#include "kubelet/options.h"

namespace keelson::kubelet {

class NodeReporter {
 public:
  // Everything referenced outlives the reporter. `runtime_ok` tells whether pods can run now, with a reason
  // when not.
  NodeReporter(const KubeletOptions& options, MachineFacts facts, client::Transport& transport,
               cri::Runtime& runtime, client::EventRecorder& events, Clock& clock, Logger logger,
               std::function<bool()> runtime_ok);

  // Registers the node, then reports until cancelled.
  Task<> run_status();
  Task<> run_lease();
  // The Node as last written or read; null before registration.
  api::ObjectPtr node() const { return node_; }

 private:
  Task<Result<void>> register_node();
  Task<Result<void>> report(bool force);
  Task<Result<void>> renew_lease();
  api::ObjectPtr wanted_node(const api::ObjectPtr& base) const;

  const KubeletOptions& options_;
  const MachineFacts facts_;
  client::Transport& transport_;
  cri::Runtime& runtime_;
  client::EventRecorder& events_;
  Clock& clock_;
  Logger log_;
  std::function<bool()> runtime_ok_;
  std::string runtime_version_ = "containerd://unknown";
  bool runtime_ready_ = false, network_ready_ = false;
  std::string not_ready_why_;
  api::ObjectPtr node_, lease_;
  std::string last_status_;
  MonoTime last_write_{};
  bool was_ready_ = false;
};

}  // namespace keelson::kubelet
