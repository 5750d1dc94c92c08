// Which pods are behind a Service, and on which ports: shared by the Endpoints and EndpointSlice controllers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/gen/core_v1.h"
#include "api/object.h"
#include "client/informer.h"
#include "client/work_queue.h"
#include "controllers/pod_util.h"

namespace keelson::controllers {

// One port as a pod serves it.
struct ServedPort {
  std::string name;
  std::int32_t port = 0;
  std::string protocol;
  std::string app_protocol;
  friend auto operator<=>(const ServedPort&, const ServedPort&) = default;
};

// The ports of `service` on `pod`, sorted; a named targetPort that no container has is left out.
std::vector<ServedPort> served_ports(core::Service service, core::Pod pod);
// Has an address and is not over; pods being deleted only with `include_terminating`.
bool may_serve(core::Pod pod, bool include_terminating);
// The pod's address of that family ("IPv4", "IPv6"); empty when it has none.
std::string pod_ip(core::Pod pod, std::string_view family);
bool is_headless(core::Service service);
// Families of the Service, IPv4 when it names none.
std::vector<std::string> ip_families(core::Service service);
// The pod's name in the Service's subdomain; empty when it has none there.
std::string hostname_in(core::Service service, core::Pod pod);

// When the change that led to a sync began: the earliest of the Service's creation and its pods' Ready
// transitions not seen by an earlier sync. It becomes the annotation
// endpoints.kubernetes.io/last-change-trigger-time.
class TriggerTimes {
 public:
  // Nothing when no newer time is known.
  std::optional<api::Time> next(const std::string& key, core::Service service,
                                const std::vector<api::ObjectPtr>& pods);
  void forget(const std::string& key) { known_.erase(key); }

 private:
  struct Known {
    api::Time service;
    std::map<std::string, api::Time> pods;
  };
  std::map<std::string, Known> known_;
};
inline constexpr std::string_view kTriggerTime = "endpoints.kubernetes.io/last-change-trigger-time";

// Handlers that enqueue the Services a pod belongs to, and changed Services themselves.
void watch_services_and_pods(client::Informer& services, client::Informer& pods, client::WorkQueue& queue);

}  // namespace keelson::controllers
