// Deleting a pod on behalf of the cluster: first the condition DisruptionTarget says why, then the pod is
// deleted.
#pragma once

#include <optional>
#include <string>

#include "client/transport.h"
#include "controllers/pod_util.h"

namespace keelson::controllers {

// `set_failed` sets phase Failed with it, for pods whose kubelet is gone. A pod that is gone already is
// success.
Task<Result<void>> disrupt_and_delete(client::Transport& transport, api::ObjectPtr pod, std::string reason,
                                      std::string message, bool set_failed,
                                      std::optional<std::int64_t> grace_s, api::Time now);

}  // namespace keelson::controllers
