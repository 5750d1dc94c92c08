// EndpointsController: the Endpoints object of each Service with a selector: addresses of ready and not ready
// pods by port.
#pragma once

#include "controllers/controller.h"
#include "controllers/service_pods.h"

namespace keelson::controllers {

class EndpointsController final : public Controller {
 public:
  explicit EndpointsController(const Context& context, int workers = 5);

 protected:
  Task<Result<void>> sync(std::string key) override;

 private:
  client::Informer& services_;
  client::Informer& pods_;
  client::Informer& endpoints_;
  TriggerTimes trigger_times_;
};

// Puts the subsets of `service` over `pods` into `out`: ports with the same addresses share a subset;
// addresses sorted.
void put_subsets(core::Service service, const std::vector<api::ObjectPtr>& pods, core::EndpointsMut out);

}  // namespace keelson::controllers
