// EndpointSliceController: the EndpointSlices of each Service with a selector, at most 100 endpoints each.
//
// Endpoints with the same ports share slices. An endpoint stays in the slice it is in, so that a change
// touches few of them; new ones fill slices that change anyway, then those with room, then new ones. A
// Service without endpoints keeps one empty slice per address family.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/gen/discovery_v1.h"
#include "controllers/controller.h"
#include "controllers/service_pods.h"

namespace keelson::controllers {

namespace discovery = api::discovery_v1;

class EndpointSliceController final : public Controller {
 public:
  explicit EndpointSliceController(const Context& context, int workers = 5);

 protected:
  Task<Result<void>> sync(std::string key) override;

 private:
  void watch_slices();
  Task<Result<void>> sync_family(api::ObjectPtr service, std::string family, std::vector<api::ObjectPtr> pods,
                                 std::vector<api::ObjectPtr> slices, std::optional<api::Time> trigger);

  client::Informer& services_;
  client::Informer& pods_;
  client::Informer& nodes_;
  client::Informer& slices_;
  TriggerTimes trigger_times_;
  // Service key → the resourceVersion of our last write of a slice: until the cache has seen it, acting on
  // the cache would make slices twice.
  std::map<std::string, std::int64_t> written_;
};

// ---- planning, without I/O ----

// One endpoint wanted: a pod, with what the slice says of it.
struct WantedEndpoint {
  std::string ip;
  api::ObjectPtr pod;
  bool ready = false, serving = false, terminating = false;
  std::string hostname;
  std::string node;
  std::string zone;
};

struct SlicePlan {
  struct Slice {
    api::ObjectPtr current;  // null: to be created
    std::vector<ServedPort> ports;
    std::vector<WantedEndpoint> endpoints;
  };
  std::vector<Slice> slices;            // as they are to be; unchanged ones included
  std::vector<api::ObjectPtr> surplus;  // to be deleted
};

// Places `endpoints` (by ports) into slices, starting from `current` slices (of one address family).
SlicePlan plan_slices(const std::map<std::vector<ServedPort>, std::vector<WantedEndpoint>>& endpoints,
                      const std::vector<api::ObjectPtr>& current, std::size_t max_per_slice = 100);
// The slice object that `slice` describes; a changed copy of slice.current where there is one.
std::unique_ptr<api::Object> render_slice(const api::Object& service, std::string_view family,
                                          const SlicePlan::Slice& slice);

}  // namespace keelson::controllers
