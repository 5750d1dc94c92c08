// Registry: what a verb does to a stored resource, for all kinds alike: create, read, update, patch, delete, with the
// rules upstream's generic store has (names, uids, resourceVersions, finalizers, graceful deletion, dry run). Kinds
// differ by their Strategy and by schema only.
//
// The caller has authorized. Admission runs here, between defaulting and validation.
// Thread rule: any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "admission/plugin.h"
#include "apiserver/endpoint.h"
#include "apiserver/resource.h"
#include "apiserver/storage.h"
#include "base/rng.h"

namespace keelson::apiserver {

class ServiceAllocator;

// Which of an object's parts an update may touch.
enum class UpdateScope : std::uint8_t { kMain, kStatus, kFinalize, kEphemeralContainers, kResize, kBinding };

// Where an update's new object comes from; asked again after each conflict.
class UpdateSource {
 public:
  virtual ~UpdateSource() = default;
  // The object wanted, given what is stored (null: nothing). Admission has not seen it yet.
  virtual Result<std::unique_ptr<api::Object>> next(const api::Object* existing) = 0;
  // The uid the request insists on, or empty.
  virtual std::string uid() const { return {}; }
};

struct UpdateOptions {
  UpdateScope scope = UpdateScope::kMain;
  bool dry_run = false;
  bool may_create = false;          // forced: server-side apply
  std::string subresource;          // as admission sees it
  auth::UserPtr user;
  std::vector<std::string>* warnings = nullptr;
  bool admit = true;
};

struct Updated {
  VersionPtr object;
  bool created = false;
};

struct Deleted {
  VersionPtr object;
  bool gone = false;  // false: it waits for its grace period or finalizers
};

class Registry {
 public:
  struct Parts {
    Storage* storage = nullptr;
    ResourceMap* resources = nullptr;
    Clock* clock = nullptr;
    ServiceAllocator* services = nullptr;     // null in tests
    std::function<const admission::Chain*()> admission;  // may answer null
  };
  Registry(Parts parts, Rng rng);

  Task<Result<VersionPtr>> get(const Resource& resource, std::string ns, std::string name, std::string resource_version);
  Task<Result<ListResult>> list(const Resource& resource, std::string ns, std::string name, ListOptions options);

  // `object` has been decoded, defaulted and carries its managedFields.
  Task<Result<VersionPtr>> create(const Resource& resource, std::string ns, std::unique_ptr<api::Object> object,
                                  UpdateOptions options);
  Task<Result<Updated>> update(const Resource& resource, std::string ns, std::string name, UpdateSource& source,
                               UpdateOptions options);
  Task<Result<Deleted>> remove(const Resource& resource, std::string ns, std::string name, DeleteOptions del,
                               UpdateOptions options);
  Task<Result<ListResult>> remove_collection(const Resource& resource, std::string ns, DeleteOptions del,
                                             ListOptions which, UpdateOptions options);

  Storage& storage() { return *parts_.storage; }
  const ResourceMap& resources() const { return *parts_.resources; }
  std::string new_uid();
  std::string name_suffix();

 private:
  Task<Result<VersionPtr>> create_once(const Resource& resource, std::string ns, std::unique_ptr<api::Object> object,
                                       const UpdateOptions& options);
  Task<Result<Updated>> create_by_update(const Resource& resource, std::string ns, std::string name,
                                         UpdateSource& source, const UpdateOptions& options);
  Task<Result<Deleted>> remove_now(const Resource& resource, std::string ns, std::string name, VersionPtr version,
                                   const DeleteOptions& del, bool dry_run);
  Task<Result<void>> admit(const Resource& resource, std::string_view ns, std::string_view name,
                           admission::Operation operation, api::Object* object, const api::Object* old,
                           const UpdateOptions& options);
  Task<Result<void>> validate_admission(const Resource& resource, std::string_view ns, std::string_view name,
                                        admission::Operation operation, api::Object* object, const api::Object* old,
                                        const UpdateOptions& options);

  Parts parts_;
  std::mutex rng_mu_;
  Rng rng_;
};

}  // namespace keelson::apiserver
