// PodGarbageCollector: deletes pods that nobody else will: of nodes that are gone (after 40 s, in case the
// node comes back), being deleted but never placed, on nodes marked out-of-service, and the oldest finished
// pods above a threshold.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controllers/controller.h"
#include "controllers/pod_util.h"

namespace keelson::controllers {

struct PodGcOptions {
  Duration period = std::chrono::seconds(20);
  Duration quarantine = std::chrono::seconds(40);
  std::size_t terminated_pods_max = 12500;  // 0: no limit
};

class PodGarbageCollector final : public Controller {
 public:
  PodGarbageCollector(const Context& context, PodGcOptions options = {});
  void start() override;
  // One pass.
  Task<> collect();

 protected:
  Task<Result<void>> sync(std::string key) override;

 private:
  Task<> run();
  Task<> collect_terminated(std::vector<api::ObjectPtr> pods);
  Task<> collect_orphaned(std::vector<api::ObjectPtr> pods);
  Task<> collect_unscheduled(std::vector<api::ObjectPtr> pods);
  Task<> collect_out_of_service(std::vector<api::ObjectPtr> pods);
  Task<> force_delete(api::ObjectPtr pod);
  // Gone for the whole quarantine, and the API server agrees.
  Task<bool> is_node_gone(std::string node);

  const PodGcOptions options_;
  client::Informer& nodes_;
  client::Informer& pods_;
  std::map<std::string, MonoTime> missing_since_;
};

}  // namespace keelson::controllers
