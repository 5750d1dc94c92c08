// TaintEvictionController: deletes pods from nodes with NoExecute taints that they do not tolerate, or no
// longer: tolerationSeconds counts from when this controller first sees pod and taints together.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controllers/controller.h"
#include "controllers/pod_util.h"

namespace keelson::controllers {

// How long `pod` may stay beside these NoExecute taints: nothing = for ever, zero = not at all.
std::optional<Duration> tolerated_for(core::Pod pod, const std::vector<core::Taint>& taints);

class TaintEvictionController final : public Controller {
 public:
  explicit TaintEvictionController(const Context& context);

 protected:
  // One pod.
  Task<Result<void>> sync(std::string key) override;

 private:
  Task<Result<void>> evict(api::ObjectPtr pod);

  client::EventRecorder recorder_;
  client::Informer& nodes_;
  client::Informer& pods_;
  // Pods under a deadline: uid and since when.
  std::map<std::string, std::pair<std::string, MonoTime>> waiting_;
};

}  // namespace keelson::controllers
