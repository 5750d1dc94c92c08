#include "cmd/local_transport.h"

#include <deque>

#include "api/object.h"

namespace keelson::cmd {
namespace {

client::WatchEvent::Type type_of(apiserver::WatchEvent::Type t) {
  switch (t) {
    case apiserver::WatchEvent::Type::kAdded: return client::WatchEvent::Type::kAdded;
    case apiserver::WatchEvent::Type::kModified: return client::WatchEvent::Type::kModified;
    case apiserver::WatchEvent::Type::kDeleted: return client::WatchEvent::Type::kDeleted;
    case apiserver::WatchEvent::Type::kBookmark: return client::WatchEvent::Type::kBookmark;
  }
  return client::WatchEvent::Type::kError;
}

apiserver::PatchType type_of(client::PatchType t) {
  switch (t) {
    case client::PatchType::kJson: return apiserver::PatchType::kJson;
    case client::PatchType::kMerge: return apiserver::PatchType::kMerge;
    case client::PatchType::kStrategicMerge: return apiserver::PatchType::kStrategicMerge;
    case client::PatchType::kApply: return apiserver::PatchType::kApply;
  }
  return apiserver::PatchType::kMerge;
}

class LocalWatch final : public client::WatchStream {
 public:
  explicit LocalWatch(std::unique_ptr<apiserver::WatchStream> stream) : stream_(std::move(stream)) {}

  Task<Result<client::WatchEvent>> next() override {
    if (pending_.empty()) {
      auto events = CO_TRY(co_await stream_->next());
      for (auto& e : events) pending_.push_back({type_of(e.type), e.object->object()});
    }
    if (pending_.empty()) co_return fail(Code::kUnavailable, "the watch ended");
    auto event = std::move(pending_.front());
    pending_.pop_front();
    co_return event;
  }

 private:
  std::unique_ptr<apiserver::WatchStream> stream_;
  std::deque<client::WatchEvent> pending_;
};

apiserver::ListOptions list_options(client::ListOptions& o) {
  apiserver::ListOptions out;
  out.label_selector = std::move(o.label_selector);
  out.field_selector = std::move(o.field_selector);
  out.resource_version = std::move(o.resource_version);
  out.resource_version_match = std::move(o.resource_version_match);
  out.continue_token = std::move(o.continue_token);
  out.limit = o.limit;
  return out;
}

apiserver::DeleteOptions delete_options(client::DeleteOptions& o) {
  apiserver::DeleteOptions out;
  out.grace_period_s = o.grace_period_s;
  if (!o.propagation_policy.empty()) out.propagation_policy = std::move(o.propagation_policy);
  if (!o.precondition_uid.empty()) out.precondition_uid = std::move(o.precondition_uid);
  if (!o.precondition_resource_version.empty()) out.precondition_resource_version = std::move(o.precondition_resource_version);
  return out;
}

}  // namespace

LocalTransport::LocalTransport(apiserver::Endpoint& endpoint, auth::UserInfo user, std::string user_agent)
    : endpoint_(endpoint), user_agent_(std::move(user_agent)) {
  if (!user.in_group(auth::kGroupAuthenticated)) user.groups.emplace_back(auth::kGroupAuthenticated);
  user_ = std::make_shared<const auth::UserInfo>(std::move(user));
}

apiserver::Request LocalTransport::request(apiserver::Verb verb, const api::KindInfo& kind, std::string ns, std::string name) const {
  apiserver::Request r;
  r.user = user_;
  r.verb = verb;
  r.kind = &kind;
  r.namespace_ = std::move(ns);
  r.name = std::move(name);
  r.user_agent = user_agent_;
  r.write.field_validation = apiserver::FieldValidation::kIgnore;
  return r;
}

Task<Result<api::ObjectPtr>> LocalTransport::call_object(apiserver::Request request) {
  auto response = CO_TRY(co_await endpoint_.call(std::move(request)));
  co_return response.object ? response.object->object() : nullptr;
}

Task<Result<api::ObjectPtr>> LocalTransport::get(const api::KindInfo& kind, std::string ns, std::string name, client::GetOptions options) {
  auto r = request(apiserver::Verb::kGet, kind, std::move(ns), std::move(name));
  r.subresource = std::move(options.subresource);
  r.resource_version = std::move(options.resource_version);
  return call_object(std::move(r));
}

Task<Result<client::ListResult>> LocalTransport::list(const api::KindInfo& kind, std::string ns, client::ListOptions options) {
  auto r = request(apiserver::Verb::kList, kind, std::move(ns), "");
  r.list = list_options(options);
  auto response = CO_TRY(co_await endpoint_.call(std::move(r)));
  client::ListResult out;
  out.resource_version = std::to_string(response.list.revision);
  out.continue_token = std::move(response.list.continue_token);
  out.items.reserve(response.list.items.size());
  for (const auto& item : response.list.items) out.items.push_back(item->object());
  co_return out;
}

Task<Result<std::unique_ptr<client::WatchStream>>> LocalTransport::watch(const api::KindInfo& kind, std::string ns,
                                                                         client::WatchOptions options) {
  auto r = request(apiserver::Verb::kWatch, kind, std::move(ns), "");
  r.list = list_options(options);
  r.list.allow_bookmarks = options.allow_bookmarks;
  if (options.send_initial_events) {
    r.list.send_initial_events = true;
    r.list.resource_version_match = "NotOlderThan";
  }
  if (options.timeout_s != 0) r.list.timeout_s = options.timeout_s;
  auto response = CO_TRY(co_await endpoint_.call(std::move(r)));
  if (!response.watch) co_return fail(Code::kInternal, "the server gave no watch");
  co_return std::make_unique<LocalWatch>(std::move(response.watch));
}

Task<Result<api::ObjectPtr>> LocalTransport::write(apiserver::Verb verb, const api::KindInfo& kind, std::string ns, api::ObjectPtr object,
                                                   client::WriteOptions options) {
  auto r = request(verb, kind, std::move(ns), "");
  if (verb == apiserver::Verb::kUpdate || !options.subresource.empty()) r.name = object->name();
  r.subresource = std::move(options.subresource);
  r.write.dry_run = options.dry_run;
  r.write.field_manager = std::move(options.field_manager);
  r.object = object->clone();
  return call_object(std::move(r));
}

Task<Result<api::ObjectPtr>> LocalTransport::create(const api::KindInfo& kind, std::string ns, api::ObjectPtr object,
                                                    client::WriteOptions options) {
  return write(apiserver::Verb::kCreate, kind, std::move(ns), std::move(object), std::move(options));
}

Task<Result<api::ObjectPtr>> LocalTransport::update(const api::KindInfo& kind, std::string ns, api::ObjectPtr object,
                                                    client::WriteOptions options) {
  return write(apiserver::Verb::kUpdate, kind, std::move(ns), std::move(object), std::move(options));
}

Task<Result<api::ObjectPtr>> LocalTransport::patch(const api::KindInfo& kind, std::string ns, std::string name, client::PatchType type,
                                                   std::string body, client::WriteOptions options) {
  auto r = request(apiserver::Verb::kPatch, kind, std::move(ns), std::move(name));
  r.subresource = std::move(options.subresource);
  r.write.dry_run = options.dry_run;
  r.write.field_manager = std::move(options.field_manager);
  r.patch_type = type_of(type);
  r.patch = std::move(body);
  return call_object(std::move(r));
}

Task<Result<api::ObjectPtr>> LocalTransport::remove(const api::KindInfo& kind, std::string ns, std::string name,
                                                    client::DeleteOptions options) {
  auto r = request(apiserver::Verb::kDelete, kind, std::move(ns), std::move(name));
  r.del = delete_options(options);
  auto object = CO_TRY(co_await call_object(std::move(r)));
  // A Status that says Success is not the object.
  if (object && object->kind() != &kind) object = nullptr;
  co_return object;
}

Task<Result<void>> LocalTransport::delete_collection(const api::KindInfo& kind, std::string ns, client::DeleteOptions options,
                                                     client::ListOptions which) {
  auto r = request(apiserver::Verb::kDeleteCollection, kind, std::move(ns), "");
  r.del = delete_options(options);
  r.list = list_options(which);
  auto done = co_await endpoint_.call(std::move(r));
  if (!done) co_return std::unexpected(done.error());
  co_return Result<void>();
}

}  // namespace keelson::cmd
