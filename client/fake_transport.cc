#include "client/fake_transport.h"

#include <algorithm>
#include <boost/json/parse.hpp>

#include "api/gen/core_v1.h"
#include "api/json.h"
#include "api/json_value.h"
#include "api/object.h"
#include "api/patch/json_patch.h"
#include "api/patch/merge_patch.h"
#include "api/patch/strategic_patch.h"
#include "api/selector/field_selector.h"
#include "api/selector/label_selector.h"
#include "api/status.h"
#include "base/check.h"
#include "client/store.h"

namespace keelson::client {

namespace core = api::core_v1;

namespace {

struct Filter {
  std::string ns;
  api::LabelSelector labels;
  api::FieldSelector fields;

  bool matches(const api::Object& object) const {
    if (!ns.empty() && object.namespace_() != ns) return false;
    const auto have = object.meta().labels();
    if (!labels.matches([&](std::string_view key) { return have.find(key); })) return false;
    return fields.matches([&](std::string_view path) -> std::string_view {
      api::StructRef at = object.root();
      for (;;) {
        const auto dot = path.find('.');
        const api::Value& v = at.find(path.substr(0, dot));
        if (v.absent()) return {};
        if (dot == std::string_view::npos) return v.as_text();
        at = api::StructRef(v.as_struct());
        path.remove_prefix(dot + 1);
      }
    });
  }
};

Result<Filter> make_filter(const std::string& ns, const ListOptions& options) {
  Filter f{ns, {}, {}};
  f.labels = TRY(api::LabelSelector::parse(options.label_selector));
  f.fields = TRY(api::FieldSelector::parse(options.field_selector));
  return f;
}

// Copies one field of the root (by JSON name) from one object to another of the same type.
void copy_field(api::Object& to, const api::Object& from, std::string_view name) {
  const api::Field* field = to.type().find(name);
  if (field == nullptr) return;
  to.root().slot_mut(field->index) = api::copy_value(to.arena(), from.root().slot(*field));
}

bool same_field(const api::Object& a, const api::Object& b, std::string_view name) {
  const api::Field* field = a.type().find(name);
  return field == nullptr || api::equal(*field, a.root().slot(*field), b.root().slot(*field));
}

}  // namespace

struct FakeTransport::Watcher {
  const api::KindInfo* kind = nullptr;
  Filter filter;
  Channel<WatchEvent> events{1u << 16};
  bool expired = false;
};

class FakeTransport::Stream final : public WatchStream {
 public:
  Stream(FakeTransport& owner, std::shared_ptr<Watcher> watcher)
      : owner_(owner), watcher_(std::move(watcher)) {}
  ~Stream() override {
    std::lock_guard lock(owner_.mu_);
    owner_.watchers_.remove(watcher_);
  }
  Task<Result<WatchEvent>> next() override {
    auto event = co_await watcher_->events.pop();
    if (event) co_return std::move(*event);
    if (watcher_->expired) co_return fail(api::expired("too old resource version"));
    co_return fail(Code::kUnavailable, "the watch was broken");
  }

 private:
  FakeTransport& owner_;
  std::shared_ptr<Watcher> watcher_;
};

FakeTransport::FakeTransport(Clock& clock, Rng rng) : clock_(clock), rng_(rng) {}
FakeTransport::~FakeTransport() {
  CHECK(watchers_.empty());
}

std::optional<Error> FakeTransport::fault(Action action) {
  Fault f;
  {
    std::lock_guard lock(mu_);
    actions_.push_back(action);
    f = fault_;
  }
  return f ? f(action) : std::nullopt;
}

std::vector<FakeTransport::Action> FakeTransport::actions() const {
  std::lock_guard lock(mu_);
  return actions_;
}

void FakeTransport::clear_actions() {
  std::lock_guard lock(mu_);
  actions_.clear();
}

void FakeTransport::set_fault(Fault fault) {
  std::lock_guard lock(mu_);
  fault_ = std::move(fault);
}

std::int64_t FakeTransport::revision() const {
  std::lock_guard lock(mu_);
  return revision_;
}

void FakeTransport::break_watches(bool forget) {
  std::lock_guard lock(mu_);
  if (forget) {
    log_.clear();
    oldest_ = revision_;
    // So that "0 changes since" cannot resume.
    ++revision_;
    oldest_ = revision_;
  }
  for (auto& w : watchers_) {
    w->expired = forget;
    w->events.close();
  }
}

api::ObjectPtr FakeTransport::seed(std::string_view json) {
  auto type = api::find_type_meta(json);
  CHECK(type.has_value());
  const api::KindInfo* kind = api::find_kind(type->api_version, type->kind);
  CHECK(kind != nullptr);
  auto object = api::parse_json(json, *kind);
  CHECK_MSG(object.has_value(), object ? "" : object.error().message.c_str());
  std::lock_guard lock(mu_);
  const std::string ns((*object)->namespace_());
  auto created = create_locked(*kind, ns, **object);
  CHECK_MSG(created.has_value(), created ? "" : created.error().message.c_str());
  return *created;
}

api::ObjectPtr FakeTransport::find_locked(const api::KindInfo& kind, std::string_view ns,
                                          std::string_view name) const {
  auto of_kind = objects_.find(&kind);
  if (of_kind == objects_.end()) return nullptr;
  auto it = of_kind->second.find(object_key(kind.namespaced ? ns : "", name));
  return it == of_kind->second.end() ? nullptr : it->second;
}

api::ObjectPtr FakeTransport::read(const api::KindInfo& kind, std::string_view ns,
                                   std::string_view name) const {
  std::lock_guard lock(mu_);
  return find_locked(kind, ns, name);
}

std::vector<api::ObjectPtr> FakeTransport::read_all(const api::KindInfo& kind, std::string_view ns) const {
  std::lock_guard lock(mu_);
  std::vector<api::ObjectPtr> out;
  auto of_kind = objects_.find(&kind);
  if (of_kind == objects_.end()) return out;
  for (const auto& [key, object] : of_kind->second) {
    if (ns.empty() || object->namespace_() == ns) out.push_back(object);
  }
  return out;
}

api::ObjectPtr FakeTransport::overwrite(std::unique_ptr<api::Object> object) {
  std::lock_guard lock(mu_);
  const api::KindInfo& kind = *object->kind();
  return store_locked(kind, std::move(object), false);
}

void FakeTransport::erase(const api::KindInfo& kind, std::string_view ns, std::string_view name) {
  std::lock_guard lock(mu_);
  if (auto object = find_locked(kind, ns, name)) erase_locked(kind, *object);
}

void FakeTransport::publish_locked(const api::KindInfo& kind, WatchEvent event) {
  log_.push_back({revision_, &kind, event});
  for (auto& w : watchers_) {
    if (w->kind != &kind || !w->filter.matches(*event.object)) continue;
    WatchEvent copy = event;
    if (!w->events.try_push(std::move(copy))) w->events.close();
  }
}

api::ObjectPtr FakeTransport::store_locked(const api::KindInfo& kind, std::unique_ptr<api::Object> object,
                                           bool fresh) {
  object->mutable_meta().set_resource_version(std::to_string(++revision_));
  const std::string key = object_key(*object);
  api::ObjectPtr stored = api::freeze(std::move(object));
  objects_[&kind][key] = stored;
  publish_locked(kind, {fresh ? WatchEvent::Type::kAdded : WatchEvent::Type::kModified, stored});
  return stored;
}

void FakeTransport::erase_locked(const api::KindInfo& kind, const api::Object& object) {
  auto last = object.clone();
  objects_[&kind].erase(object_key(object));
  last->mutable_meta().set_resource_version(std::to_string(++revision_));
  publish_locked(kind, {WatchEvent::Type::kDeleted, api::freeze(std::move(last))});
}

// ---- reads ----

Task<Result<api::ObjectPtr>> FakeTransport::get(const api::KindInfo& kind, std::string ns, std::string name,
                                                GetOptions) {
  if (auto e = fault({"get", std::string(kind.kind), "", ns, name})) co_return fail(*e);
  std::lock_guard lock(mu_);
  auto object = find_locked(kind, ns, name);
  if (!object) co_return fail(api::not_found(api::resource_of(kind), name));
  co_return object;
}

Task<Result<ListResult>> FakeTransport::list(const api::KindInfo& kind, std::string ns, ListOptions options) {
  if (auto e = fault({"list", std::string(kind.kind), "", ns, ""})) co_return fail(*e);
  Filter filter = CO_TRY(make_filter(ns, options));
  std::lock_guard lock(mu_);
  ListResult out;
  out.resource_version = std::to_string(revision_);
  for (const auto& [key, object] : objects_[&kind]) {
    if (filter.matches(*object)) out.items.push_back(object);
  }
  co_return out;
}

Task<Result<std::unique_ptr<WatchStream>>> FakeTransport::watch(const api::KindInfo& kind, std::string ns,
                                                                WatchOptions options) {
  if (auto e = fault({"watch", std::string(kind.kind), "", ns, ""})) co_return fail(*e);
  auto watcher = std::make_shared<Watcher>();
  watcher->kind = &kind;
  watcher->filter = CO_TRY(make_filter(ns, options));
  std::lock_guard lock(mu_);
  const std::int64_t from = options.resource_version.empty() ? 0 : std::stoll(options.resource_version);
  if (from == 0) {
    for (const auto& [key, object] : objects_[&kind]) {
      if (watcher->filter.matches(*object)) watcher->events.try_push({WatchEvent::Type::kAdded, object});
    }
  } else {
    if (from < oldest_) co_return fail(api::expired("too old resource version"));
    for (const auto& change : log_) {
      if (change.revision <= from || change.kind != &kind || !watcher->filter.matches(*change.event.object))
        continue;
      WatchEvent copy = change.event;
      watcher->events.try_push(std::move(copy));
    }
  }
  watchers_.push_back(watcher);
  co_return std::make_unique<Stream>(*this, watcher);
}

// ---- writes ----

namespace {
Error namespace_terminating(const api::KindInfo& kind, const std::string& ns, std::string_view name) {
  Error e =
      api::forbidden(api::resource_of(kind), name,
                     "unable to create new content in namespace " + ns + " because it is being terminated");
  auto detail = std::make_shared<api::StatusDetail>(*api::status_detail(e));
  detail->causes.push_back(
      {"NamespaceTerminating", "namespace " + ns + " is being terminated", "metadata.namespace"});
  e.detail = std::move(detail);
  return e;
}
}  // namespace

Result<api::ObjectPtr> FakeTransport::create_locked(const api::KindInfo& kind, const std::string& ns,
                                                    const api::Object& object) {
  if (kind.namespaced && kind.kind != "Event") {
    auto home = find_locked(core::Namespace::kind_info(), "", ns);
    if (home && home->meta().has_deletion_timestamp())
      return fail(namespace_terminating(kind, ns, object.name()));
  }
  auto copy = object.clone();
  auto metadata = copy->mutable_meta();
  if (kind.namespaced) metadata.set_namespace(ns);
  if (copy->name().empty()) {
    metadata.set_name(std::string(copy->meta().generate_name()) + rng_.name_suffix(5));
  }
  if (find_locked(kind, ns, copy->name()))
    return fail(api::already_exists(api::resource_of(kind), copy->name()));
  if (copy->uid().empty()) metadata.set_uid(rng_.uuid());
  if (copy->meta().creation_timestamp().is_zero()) {
    metadata.set_creation_timestamp(
        {std::chrono::floor<std::chrono::seconds>(clock_.wall()).time_since_epoch().count(), 0});
  }
  if (kind.type->find("spec") != nullptr) metadata.set_generation(1);
  if (&kind == &core::Namespace::kind_info()) {
    auto n = core::NamespaceMut::of(*copy);
    if (n.view().spec().finalizers().empty()) n.mutable_spec().add_finalizers("kubernetes");
    if (n.view().status().phase().empty()) n.mutable_status().set_phase("Active");
  }
  if (&kind == &core::Pod::kind_info() && core::Pod::of(*copy).status().phase().empty()) {
    core::PodMut::of(*copy).mutable_status().set_phase("Pending");
  }
  return store_locked(kind, std::move(copy), true);
}

Result<api::ObjectPtr> FakeTransport::bind_locked(const api::Object& object, const std::string& ns) {
  const auto binding = core::Binding::of(object);
  auto pod = find_locked(core::Pod::kind_info(), ns, object.name());
  if (!pod) return fail(api::not_found({"", "pods"}, object.name()));
  auto copy = pod->clone();
  auto p = core::PodMut::of(*copy);
  if (!p.view().spec().node_name().empty())
    return fail(api::conflict({"", "pods/binding"}, object.name(), "already assigned"));
  p.mutable_spec().set_node_name(binding.target().name());
  auto condition = p.mutable_status().add_conditions();
  condition.set_type("PodScheduled");
  condition.set_status("True");
  return store_locked(core::Pod::kind_info(), std::move(copy), false);
}

Task<Result<api::ObjectPtr>> FakeTransport::create(const api::KindInfo& kind, std::string ns,
                                                   api::ObjectPtr object, WriteOptions options) {
  if (auto e =
          fault({"create", std::string(kind.kind), options.subresource, ns, std::string(object->name())})) {
    co_return fail(*e);
  }
  std::lock_guard lock(mu_);
  if (options.subresource == "binding") co_return bind_locked(*object, ns);
  if (!options.subresource.empty())
    co_return fail(Code::kUnimplemented, "not in the fake: " + options.subresource);
  co_return create_locked(kind, ns, *object);
}

Result<api::ObjectPtr> FakeTransport::write_locked(const api::KindInfo& kind, const api::Object& current,
                                                   std::unique_ptr<api::Object> next,
                                                   const std::string& subresource) {
  if (!subresource.empty()) {
    // Status and finalize change their part, and annotations.
    auto merged = current.clone();
    copy_field(*merged, *next, subresource == "finalize" ? "spec" : "status");
    if (next->meta().has_annotations()) merged->mutable_meta().set_annotations(next->meta().annotations());
    next = std::move(merged);
  } else if (kind.subresource("status") != nullptr) {
    copy_field(*next, current, "status");
  }
  auto metadata = next->mutable_meta();
  metadata.set_uid(current.uid());
  metadata.set_namespace(current.namespace_());
  metadata.set_name(current.name());
  metadata.set_creation_timestamp(current.meta().creation_timestamp());
  if (current.meta().has_deletion_timestamp()) {
    metadata.set_deletion_timestamp(current.meta().deletion_timestamp());
  }
  metadata.set_resource_version(current.resource_version());
  if (!same_field(current, *next, "spec") && subresource != "finalize") {
    metadata.set_generation(current.meta().generation() + 1);
  } else {
    metadata.set_generation(current.meta().generation());
  }
  const bool is_namespace = &kind == &core::Namespace::kind_info();
  const bool kept =
      !next->meta().finalizers().empty() ||
      (is_namespace && !core::Namespace::of(*next).spec().finalizers().empty()) ||
      (&kind == &core::Pod::kind_info() && next->meta().deletion_grace_period_seconds_or(0) > 0);
  if (next->meta().has_deletion_timestamp() && !kept) {
    erase_locked(kind, *next);
    return api::freeze(std::move(next));
  }
  if (api::equal(current.root(), next->root()))
    return find_locked(kind, current.namespace_(), current.name());
  return store_locked(kind, std::move(next), false);
}

Task<Result<api::ObjectPtr>> FakeTransport::update(const api::KindInfo& kind, std::string ns,
                                                   api::ObjectPtr object, WriteOptions options) {
  const std::string name(object->name());
  if (auto e = fault({"update", std::string(kind.kind), options.subresource, ns, name})) co_return fail(*e);
  std::lock_guard lock(mu_);
  auto current = find_locked(kind, ns, name);
  if (!current) co_return fail(api::not_found(api::resource_of(kind), name));
  if (!object->resource_version().empty() && object->resource_version() != current->resource_version()) {
    co_return fail(
        api::conflict(api::resource_of(kind), name,
                      "the object has been modified; please apply your changes to the latest version and "
                      "try again"));
  }
  co_return write_locked(kind, *current, object->clone(), options.subresource);
}

Task<Result<api::ObjectPtr>> FakeTransport::patch(const api::KindInfo& kind, std::string ns, std::string name,
                                                  PatchType type, std::string body, WriteOptions options) {
  if (auto e = fault({"patch", std::string(kind.kind), options.subresource, ns, name})) co_return fail(*e);
  std::lock_guard lock(mu_);
  auto current = find_locked(kind, ns, name);
  if (!current) co_return fail(api::not_found(api::resource_of(kind), name));
  boost::json::value doc = api::to_json_value(*current);
  boost::json::value change = CO_TRY(api::parse_json_value(body));
  switch (type) {
    case PatchType::kJson:
      CO_TRY(api::apply_json_patch(change, doc));
      break;
    case PatchType::kMerge:
      api::apply_merge_patch(std::move(change), doc);
      break;
    case PatchType::kStrategicMerge:
      CO_TRY(api::apply_strategic_patch(doc.as_object(), std::move(change.as_object()), *kind.type));
      break;
    case PatchType::kApply:
      co_return fail(Code::kUnimplemented, "apply is not in the fake");
  }
  auto next = CO_TRY(api::from_json_value(doc, kind));
  if (next.object->uid() != current->uid()) {
    co_return fail(api::conflict(api::resource_of(kind), name, "Precondition failed: UID in precondition"));
  }
  if (next.object->resource_version() != current->resource_version()) {
    co_return fail(api::conflict(api::resource_of(kind), name, "the object has been modified"));
  }
  co_return write_locked(kind, *current, std::move(next.object), options.subresource);
}

Result<api::ObjectPtr> FakeTransport::remove_locked(const api::KindInfo& kind, const api::Object& current,
                                                    const DeleteOptions& options) {
  if (!options.precondition_uid.empty() && options.precondition_uid != current.uid()) {
    return fail(
        api::conflict(api::resource_of(kind), current.name(), "Precondition failed: UID in precondition"));
  }
  if (!options.precondition_resource_version.empty() &&
      options.precondition_resource_version != current.resource_version()) {
    return fail(
        api::conflict(api::resource_of(kind), current.name(), "Precondition failed: ResourceVersion"));
  }
  auto next = current.clone();
  auto metadata = next->mutable_meta();
  std::int64_t grace = 0;
  if (&kind == &core::Pod::kind_info()) {
    const auto pod = core::Pod::of(current);
    grace = options.grace_period_s.value_or(pod.spec().termination_grace_period_seconds_or(30));
    if (pod.spec().node_name().empty() || pod.status().phase() == "Failed" ||
        pod.status().phase() == "Succeeded") {
      grace = 0;
    }
  }
  if (options.propagation_policy == "Orphan" && !next->meta().finalizers().contains("orphan")) {
    metadata.add_finalizers("orphan");
  }
  if (options.propagation_policy == "Foreground" &&
      !next->meta().finalizers().contains("foregroundDeletion")) {
    metadata.add_finalizers("foregroundDeletion");
  }
  const bool is_namespace = &kind == &core::Namespace::kind_info();
  const bool kept = !next->meta().finalizers().empty() || grace > 0 ||
                    (is_namespace && !core::Namespace::of(*next).spec().finalizers().empty());
  if (!kept) {
    erase_locked(kind, current);
    return api::freeze(std::move(next));
  }
  const std::int64_t now = std::chrono::floor<std::chrono::seconds>(clock_.wall()).time_since_epoch().count();
  if (!next->meta().has_deletion_timestamp()) {
    metadata.set_deletion_timestamp({now + grace, 0});
    if (!is_namespace) metadata.set_deletion_grace_period_seconds(grace);
  }
  if (is_namespace) core::NamespaceMut::of(*next).mutable_status().set_phase("Terminating");
  if (api::equal(current.root(), next->root()))
    return find_locked(kind, current.namespace_(), current.name());
  return store_locked(kind, std::move(next), false);
}

Task<Result<api::ObjectPtr>> FakeTransport::remove(const api::KindInfo& kind, std::string ns,
                                                   std::string name, DeleteOptions options) {
  if (auto e = fault({"delete", std::string(kind.kind), "", ns, name})) co_return fail(*e);
  std::lock_guard lock(mu_);
  auto current = find_locked(kind, ns, name);
  if (!current) co_return fail(api::not_found(api::resource_of(kind), name));
  co_return remove_locked(kind, *current, options);
}

Task<Result<void>> FakeTransport::delete_collection(const api::KindInfo& kind, std::string ns,
                                                    DeleteOptions options, ListOptions which) {
  if (auto e = fault({"deletecollection", std::string(kind.kind), "", ns, ""})) co_return fail(*e);
  Filter filter = CO_TRY(make_filter(ns, which));
  std::lock_guard lock(mu_);
  std::vector<api::ObjectPtr> doomed;
  for (const auto& [key, object] : objects_[&kind]) {
    if (filter.matches(*object)) doomed.push_back(object);
  }
  for (const auto& object : doomed) CO_TRY(remove_locked(kind, *object, options));
  co_return Result<void>{};
}

}  // namespace keelson::client
