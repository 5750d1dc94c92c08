#include "scheduler/snapshot.h"

namespace keelson::scheduler {

namespace core = api::core_v1;

PodInfo::PodInfo(api::ObjectPtr o) : object(std::move(o)) {
  const auto spec = pod().spec();
  requests = pod_requests(spec);
  scoring_requests = pod_requests_for_scoring(spec);
  priority = spec.priority();
  for (core::Container c : spec.containers()) {
    for (core::ContainerPort p : c.ports()) {
      if (p.host_port() == 0) continue;
      ports.emplace_back(p.protocol().empty() ? "TCP" : std::string(p.protocol()),
                         p.host_ip().empty() ? "0.0.0.0" : std::string(p.host_ip()), p.host_port());
    }
  }
}

std::string PodInfo::key() const { return std::string(object->namespace_()) + "/" + std::string(object->name()); }

void NodeInfo::set_object(api::ObjectPtr n) {
  object = std::move(n);
  allocatable = object ? resources_of(node().status().allocatable()) : Resources{};
}

void NodeInfo::add(const PodInfoPtr& pod) {
  const std::string uid(pod->object->uid());
  remove(uid);
  requested.add(pod->requests);
  scoring_requested.add(pod->scoring_requests);
  for (const auto& p : pod->ports) ports.insert(p);
  pods.emplace(uid, pod);
}

void NodeInfo::remove(const std::string& uid) {
  const auto it = pods.find(uid);
  if (it == pods.end()) return;
  requested.subtract(it->second->requests);
  scoring_requested.subtract(it->second->scoring_requests);
  for (const auto& p : it->second->ports) ports.erase(ports.find(p));
  pods.erase(it);
}

bool NodeInfo::port_conflict(const HostPort& wanted) const {
  static const std::string kAny = "0.0.0.0";
  const auto& [protocol, ip, port] = wanted;
  for (const auto& [have_protocol, have_ip, have_port] : ports) {
    if (have_protocol == protocol && have_port == port && (have_ip == ip || have_ip == kAny || ip == kAny)) return true;
  }
  return false;
}

std::vector<const NodeInfo*> Snapshot::usable() const {
  std::vector<const NodeInfo*> out;
  for (const auto& [name, n] : nodes) {
    if (n.object) out.push_back(&n);
  }
  return out;
}

}  // namespace keelson::scheduler
