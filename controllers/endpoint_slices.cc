#include "controllers/endpoint_slices.h"

#include <algorithm>
#include <charconv>

#include "api/status.h"
#include "controllers/claim.h"
#include "controllers/replica_controller.h"

namespace keelson::controllers {

namespace {

constexpr std::string_view kServiceName = "kubernetes.io/service-name";
constexpr std::string_view kManagedBy = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view kController = "endpointslice-controller.k8s.io";
constexpr std::string_view kByService = "service";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";

// resourceVersions of one server are numbers that grow.
std::int64_t version_number(std::string_view rv) {
  std::int64_t n = 0;
  std::from_chars(rv.data(), rv.data() + rv.size(), n);
  return n;
}

bool is_ours(const api::Object& slice) {
  return slice.meta().labels().get(kManagedBy) == kController;
}

void index_by_service(const api::Object& slice, std::vector<std::string>& values) {
  const auto service = slice.meta().labels().get(kServiceName);
  if (is_ours(slice) && !service.empty()) values.push_back(client::object_key(slice.namespace_(), service));
}

}  // namespace

EndpointSliceController::EndpointSliceController(const Context& context, int workers)
    : Controller(context, "endpoint_slice", workers),
      services_(informer("v1", "Service")),
      pods_(informer("v1", "Pod")),
      nodes_(informer("v1", "Node")),
      slices_(informer("discovery.k8s.io/v1", "EndpointSlice")) {
  slices_.add_index(std::string(kByService), index_by_service);
  watch_services_and_pods(services_, pods_, queue_);
  watch_slices();
}

void EndpointSliceController::watch_slices() {
  // Somebody else's change is put right after a second; our own finds nothing to do.
  auto enqueue = [this](const api::ObjectPtr& slice) {
    std::vector<std::string> keys;
    index_by_service(*slice, keys);
    for (auto& key : keys) queue_.add_after(std::move(key), std::chrono::seconds(1));
  };
  slices_.add_handler({.on_update =
                           [enqueue](const api::ObjectPtr& old, const api::ObjectPtr& now) {
                             enqueue(old);
                             enqueue(now);
                           },
                       .on_delete = enqueue});
}

Task<Result<void>> EndpointSliceController::sync(std::string key) {
  auto service = services_.store().get_by_key(key);
  if (!service) {
    // Its slices go by their owner reference.
    trigger_times_.forget(key);
    written_.erase(key);
    co_return Result<void>{};
  }
  const auto view = core::Service::of(*service);
  if (view.spec().type() == "ExternalName" || view.spec().selector().empty()) co_return Result<void>{};
  if (service->meta().has_deletion_timestamp()) co_return Result<void>{};
  const Selector selector = Selector::from(view.spec().selector());
  std::vector<api::ObjectPtr> pods;
  for (auto& pod : pods_.store().list_namespace(service->namespace_())) {
    if (selector.matches(pod->meta().labels()) && may_serve(core::Pod::of(*pod), true))
      pods.push_back(std::move(pod));
  }
  if (auto it = written_.find(key); it != written_.end()) {
    if (version_number(slices_.last_resource_version()) < it->second) {
      co_return fail(Code::kFailedPrecondition, "the cache has not seen our last write yet");
    }
    written_.erase(it);
  }
  const auto trigger = trigger_times_.next(key, view, pods);
  const auto all = slices_.store().by_index(kByService, key);
  const auto families = ip_families(view);
  for (const std::string& family : families) {
    std::vector<api::ObjectPtr> slices;
    for (const auto& slice : all) {
      if (discovery::EndpointSlice::of(*slice).address_type() == family) slices.push_back(slice);
    }
    CO_TRY(co_await sync_family(service, family, pods, std::move(slices), trigger));
  }
  // A family the Service no longer has.
  for (const auto& slice : all) {
    const auto type = discovery::EndpointSlice::of(*slice).address_type();
    if (std::find(families.begin(), families.end(), type) != families.end()) continue;
    auto done = co_await transport_.remove(discovery::EndpointSlice::kind_info(),
                                           std::string(slice->namespace_()), std::string(slice->name()), {});
    if (!done && !api::is_not_found(done.error())) co_return fail(done.error());
  }
  co_return Result<void>{};
}

Task<Result<void>> EndpointSliceController::sync_family(api::ObjectPtr service, std::string family,
                                                        std::vector<api::ObjectPtr> pods,
                                                        std::vector<api::ObjectPtr> slices,
                                                        std::optional<api::Time> trigger) {
  const auto view = core::Service::of(*service);
  std::map<std::vector<ServedPort>, std::vector<WantedEndpoint>> wanted;
  for (const auto& object : pods) {
    const auto pod = core::Pod::of(*object);
    WantedEndpoint e;
    e.ip = pod_ip(pod, family);
    if (e.ip.empty()) continue;
    e.pod = object;
    e.serving = is_ready(pod);
    e.terminating = is_terminating(pod);
    e.ready = view.spec().publish_not_ready_addresses() || (e.serving && !e.terminating);
    e.hostname = hostname_in(view, pod);
    e.node = pod.spec().node_name();
    if (auto node = nodes_.store().get("", e.node)) e.zone = node->meta().labels().get(kZone);
    wanted[served_ports(view, pod)].push_back(std::move(e));
  }
  const std::string ns(service->namespace_());
  const auto& kind = discovery::EndpointSlice::kind_info();
  SlicePlan plan = plan_slices(wanted, slices);
  for (const auto& slice : plan.slices) {
    auto object = render_slice(*service, family, slice);
    if (slice.current && api::equal(slice.current->root(), object->root())) continue;
    auto metadata = object->mutable_meta();
    if (trigger) {
      metadata.mutable_annotations().set(kTriggerTime, api::format_time(*trigger));
    } else {
      metadata.mutable_annotations().erase(kTriggerTime);
      if (object->meta().annotations().empty()) metadata.clear_annotations();
    }
    auto frozen = api::freeze(std::move(object));
    auto done = slice.current ? co_await transport_.update(kind, ns, frozen, {})
                              : co_await transport_.create(kind, ns, frozen, {});
    if (done) {
      written_[client::object_key(*service)] = version_number((*done)->resource_version());
    } else if (!is_namespace_terminating(done.error())) {
      co_return fail(done.error());
    }
  }
  for (const auto& slice : plan.surplus) {
    auto done = co_await transport_.remove(kind, ns, std::string(slice->name()), {});
    if (!done && !api::is_not_found(done.error())) co_return fail(done.error());
  }
  co_return Result<void>{};
}

}  // namespace keelson::controllers
