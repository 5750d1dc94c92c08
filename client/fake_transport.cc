#include "client/fake_transport.h"

#include "api/json.h"
#include "api/status.h"
#include "base/check.h"
#include "client/fake_filter.h"
#include "client/store.h"

namespace keelson::client {

struct FakeTransport::Watcher {
  const api::KindInfo* kind = nullptr;
  FakeFilter filter;
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
  FakeFilter filter = CO_TRY(FakeFilter::make(ns, options));
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
  watcher->filter = CO_TRY(FakeFilter::make(ns, options));
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

}  // namespace keelson::client
