#include "controllers/disruption.h"

#include <fmt/format.h>

#include "api/status.h"
#include "base/log.h"

namespace keelson::controllers {

namespace {
std::string quoted(std::string_view s) {
  std::string out;
  append_json_string(out, s);
  return out;
}
}  // namespace

Task<Result<void>> disrupt_and_delete(client::Transport& transport, api::ObjectPtr pod, std::string reason,
                                      std::string message, bool set_failed,
                                      std::optional<std::int64_t> grace_s, api::Time now) {
  const auto& kind = core::Pod::kind_info();
  const std::string ns(pod->namespace_()), name(pod->name());
  const std::string phase = set_failed ? R"("phase":"Failed",)" : "";
  const std::string patch = fmt::format(
      R"({{"metadata":{{"uid":{}}},"status":{{{}"conditions":[{{"type":"DisruptionTarget","status":"True","observedGeneration":{},"lastTransitionTime":"{}","reason":{},"message":{}}}]}}}})",
      quoted(pod->uid()), phase, pod->meta().generation(), api::format_time(now), quoted(reason),
      quoted(message));
  auto patched = co_await transport.patch(kind, ns, name, client::PatchType::kStrategicMerge, patch,
                                          {.subresource = "status"});
  if (!patched) {
    if (api::is_not_found(patched.error())) co_return Result<void>{};
    co_return fail(patched.error());
  }
  client::DeleteOptions options;
  options.grace_period_s = grace_s;
  options.precondition_uid = pod->uid();
  auto deleted = co_await transport.remove(kind, ns, name, options);
  if (!deleted && !api::is_not_found(deleted.error())) co_return fail(deleted.error());
  co_return Result<void>{};
}

}  // namespace keelson::controllers
