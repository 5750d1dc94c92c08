#include "controllers/service_pods.h"

#include <algorithm>
#include <set>

#include "controllers/claim.h"

namespace keelson::controllers {

namespace {

std::optional<std::int32_t> container_port(core::Pod pod, std::string_view name, std::string_view protocol) {
  auto in = [&](auto containers) -> std::optional<std::int32_t> {
    for (core::Container c : containers) {
      for (core::ContainerPort p : c.ports()) {
        const std::string_view proto = p.protocol().empty() ? "TCP" : p.protocol();
        if (p.name() == name && proto == protocol) return p.container_port();
      }
    }
    return std::nullopt;
  };
  if (auto port = in(pod.spec().containers())) return port;
  // Sidecars too.
  for (core::Container c : pod.spec().init_containers()) {
    if (c.restart_policy() != "Always") continue;
    for (core::ContainerPort p : c.ports()) {
      if (p.name() == name && (p.protocol().empty() ? "TCP" : p.protocol()) == protocol)
        return p.container_port();
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<ServedPort> served_ports(core::Service service, core::Pod pod) {
  std::vector<ServedPort> out;
  for (core::ServicePort sp : service.spec().ports()) {
    ServedPort p;
    p.name = sp.name();
    p.protocol = sp.protocol().empty() ? "TCP" : std::string(sp.protocol());
    p.app_protocol = sp.app_protocol();
    const api::IntOrString target = sp.target_port();
    if (target.is_int) {
      p.port = target.number != 0 ? target.number : sp.port();
    } else if (auto found = container_port(pod, target.text, p.protocol)) {
      p.port = *found;
    } else {
      continue;
    }
    out.push_back(std::move(p));
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool may_serve(core::Pod pod, bool include_terminating) {
  if (is_terminal(pod)) return false;
  if (pod.status().pod_ip().empty() && pod.status().pod_ips().empty()) return false;
  return include_terminating || !is_terminating(pod);
}

std::string pod_ip(core::Pod pod, std::string_view family) {
  auto of_family = [&](std::string_view ip) {
    const bool v6 = ip.find(':') != std::string_view::npos;
    return !ip.empty() && v6 == (family == "IPv6");
  };
  for (core::PodIP ip : pod.status().pod_ips()) {
    if (of_family(ip.ip())) return std::string(ip.ip());
  }
  return of_family(pod.status().pod_ip()) ? std::string(pod.status().pod_ip()) : std::string();
}

bool is_headless(core::Service service) {
  return service.spec().cluster_ip() == "None";
}

std::vector<std::string> ip_families(core::Service service) {
  std::vector<std::string> out;
  for (std::string_view f : service.spec().ip_families()) out.emplace_back(f);
  if (out.empty()) out.emplace_back("IPv4");
  return out;
}

std::string hostname_in(core::Service service, core::Pod pod) {
  if (pod.spec().hostname().empty() || pod.spec().subdomain() != service.metadata().name()) return {};
  return std::string(pod.spec().hostname());
}

std::optional<api::Time> TriggerTimes::next(const std::string& key, core::Service service,
                                            const std::vector<api::ObjectPtr>& pods) {
  auto [it, first] = known_.try_emplace(key);
  Known& known = it->second;
  std::optional<api::Time> earliest;
  auto take = [&](api::Time t) {
    if (!earliest || t < *earliest) earliest = t;
  };
  std::map<std::string, api::Time> seen;
  for (const auto& object : pods) {
    const api::Time t = pod_condition(core::Pod::of(*object), "Ready").last_transition_time();
    if (t.is_zero()) continue;
    const std::string uid(object->uid());
    auto before = known.pods.find(uid);
    if (before == known.pods.end() || before->second < t) take(t);
    seen.emplace(uid, t);
  }
  known.pods = std::move(seen);
  const api::Time created = service.metadata().creation_timestamp();
  if (first || known.service < created) take(created);
  known.service = created;
  return earliest;
}

namespace {

void enqueue_services_of(const client::Store& services, const api::Object& pod, client::WorkQueue& queue) {
  for (const auto& object : services.list_namespace(pod.namespace_())) {
    const auto service = core::Service::of(*object);
    if (service.spec().selector().empty()) continue;
    if (Selector::from(service.spec().selector()).matches(pod.meta().labels())) {
      queue.add(client::object_key(*object));
    }
  }
}

// What endpoints show of a pod.
bool endpoint_changed(core::Pod a, core::Pod b) {
  return !api::equal(a.status(), b.status()) || is_terminating(a) != is_terminating(b) ||
         a.spec().node_name() != b.spec().node_name() || a.spec().hostname() != b.spec().hostname();
}

}  // namespace

void watch_services_and_pods(client::Informer& services, client::Informer& pods, client::WorkQueue& queue) {
  auto by_key = [&queue](const api::ObjectPtr& s) { queue.add(client::object_key(*s)); };
  services.add_handler({.on_add = by_key,
                        .on_update = [by_key](const api::ObjectPtr&, const api::ObjectPtr& s) { by_key(s); },
                        .on_delete = by_key});
  const client::Store& store = services.store();
  auto by_pod = [&queue, &store](const api::ObjectPtr& pod) { enqueue_services_of(store, *pod, queue); };
  pods.add_handler({
      .on_add = by_pod,
      .on_update =
          [by_pod](const api::ObjectPtr& old, const api::ObjectPtr& now) {
            if (old->resource_version() == now->resource_version()) return;
            bool labels = old->meta().labels().size() != now->meta().labels().size();
            for (auto [k, v] : now->meta().labels()) labels = labels || old->meta().labels().get(k) != v;
            if (labels) by_pod(old);
            if (labels || endpoint_changed(core::Pod::of(*old), core::Pod::of(*now))) by_pod(now);
          },
      .on_delete = by_pod,
  });
}

}  // namespace keelson::controllers
