#include <fmt/format.h>

#include "api/json.h"
#include "api/object.h"
#include "kubelet/blocking.h"
#include "kubelet/files.h"
#include "kubelet/pod_worker.h"
#include "kubelet/resources.h"

namespace keelson::kubelet {

using namespace std::chrono_literals;
using namespace api::core_v1;

namespace {

constexpr std::size_t kMessageMax = 4096;
constexpr std::size_t kLogTailMax = 2048;

std::string annotation(const ObservedContainer& c, const char* key) {
  auto it = c.status.annotations.find(key);
  return it == c.status.annotations.end() ? "" : it->second;
}

// The text of the last lines of a CRI log ("time stream tag text").
std::string log_tail(const std::string& path) {
  std::string text = read_file(path).value_or("");
  if (text.size() > 4 * kLogTailMax) text = text.substr(text.size() - 4 * kLogTailMax);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    for (int skip = 0; skip < 3 && !line.empty(); ++skip) {
      const auto space = line.find(' ');
      line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
    }
    out.append(line);
    out += '\n';
    at = end + 1;
  }
  return out.size() > kLogTailMax ? out.substr(out.size() - kLogTailMax) : out;
}

}  // namespace

// What ended containers left in their termination message files.
Task<> PodWorker::read_termination_messages() {
  for (const auto& c : seen_->containers) {
    if (!c.exited() || messages_.contains(c.status.id)) continue;
    const bool fall_back =
        annotation(c, kAnnotationMessagePolicy) == "FallbackToLogsOnError" && c.status.exit_code != 0;
    auto text = co_await run_blocking(
        s_.pool, [file = annotation(c, kAnnotationMessageFile), log = c.status.log_path, fall_back] {
          std::string t = file.empty() ? "" : read_file(file).value_or("").substr(0, kMessageMax);
          return t.empty() && fall_back ? log_tail(log) : t;
        });
    if (text.empty()) text = c.status.message;
    messages_[c.status.id] = std::move(text);
  }
}

Task<> PodWorker::report() {
  if (gone_ || !pod_ || !seen_) co_return;
  co_await read_termination_messages();
  StatusInput in;
  in.pod = view();
  in.seen = seen_.get();
  in.waiting = waiting_;
  in.messages = messages_;
  in.host_ip = s_.node.host_ip;
  in.start_time = start_time_;
  in.now = s_.clock.wall();
  in.failed = failed_;
  in.terminal = terminated_ || (view().metadata().has_deletion_timestamp() && !seen_->any_running());
  for (const auto& c : seen_->containers) {
    if (!c.running()) continue;
    if (s_.prober.started(c.status.id)) in.started.insert(c.status.id);
    if (s_.prober.ready(c.status.id)) in.ready.insert(c.status.id);
  }
  const api::ObjectPtr base = pod_;
  auto wanted = api::Object::make(Pod::kind_info());
  auto status = PodMut::of(*wanted).mutable_status();
  compute_status(in, status);
  if (status.view().qos_class().empty()) status.set_qos_class(qos_class(in.pod.spec()));
  if (api::encode_json(status) == api::encode_json(in.pod.status())) co_return;

  client::WriteOptions options;
  options.subresource = "status";
  options.field_manager = "kubelet";
  auto r = co_await s_.transport.patch(Pod::kind_info(), std::string(base->namespace_()),
                                       std::string(base->name()), client::PatchType::kMerge,
                                       status_patch(in.pod, status.view()), options);
  if (r) {
    // Our own words are no news; what others changed in the meantime is.
    const bool news = (*r)->meta().generation() != base->meta().generation() ||
                      (*r)->meta().has_deletion_timestamp() != base->meta().has_deletion_timestamp();
    if (adopt(std::move(*r)) && news) wake_.set();
    co_return;
  }
  if (r.error().code == Code::kNotFound || r.error().code == Code::kAborted) co_return;
  s_.log.warn("writing the pod's status failed", {{"pod", title()}, {"error", r.error()}});
  look_again_in(1s);
}

}  // namespace keelson::kubelet
