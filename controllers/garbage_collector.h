// GarbageCollector: deletes objects whose owners are gone, by metadata.ownerReferences.
//
// The graph is not kept apart: every kind's informer has an index from an owner's uid to its dependents, so
// the caches are the graph.
//   dependent, all owners absent           → deleted (Background, or as its own finalizers say)
//   dependent, some owner there, some not  → the references to absent owners are taken off
//   dependent of an owner in foreground deletion, no other owner → deleted (Foreground when it has dependents
//   itself) owner with finalizer foregroundDeletion → let go when no dependent with blockOwnerDeletion is
//   left owner with finalizer orphan             → dependents lose their reference, then it is let go
// An owner not in the cache is looked up on the server before it counts as absent (by name and uid). An owner
// of an unknown kind counts as there. An owner that lives in another namespace counts as absent, with event
// OwnerRefInvalidNamespace.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/gen/meta_v1.h"
#include "controllers/controller.h"

namespace keelson::controllers {

class GarbageCollector final : public Controller {
 public:
  explicit GarbageCollector(const Context& context, int workers = 20);

 protected:
  // The key is "<number of the kind>|<object key>".
  Task<Result<void>> sync(std::string key) override;
  // Half a minute at most: a kind that this server does not serve must not hold up all others.
  Task<> wait_for_informers() override;

 private:
  struct Watched {
    const api::KindInfo* kind;
    client::Informer* informer;
  };
  enum class OwnerState : std::uint8_t { kThere, kAbsent, kWaiting };

  void watch(std::size_t number);
  void on_changed(const api::ObjectPtr& old, const api::ObjectPtr& now);
  void on_deleted(const api::ObjectPtr& object);
  void free_owners(const api::Object& object);
  void enqueue(const api::Object& object);
  void enqueue_dependents(std::string_view owner_uid);
  std::vector<api::ObjectPtr> dependents(std::string_view owner_uid) const;

  Task<Result<void>> orphan_dependents(api::ObjectPtr owner);
  Task<Result<void>> finish_foreground(api::ObjectPtr owner);
  Task<Result<void>> collect(api::ObjectPtr object);
  Task<Result<OwnerState>> look_up_owner(api::ObjectPtr object, std::string api_version, std::string kind,
                                         std::string name, std::string uid);
  Task<Result<void>> remove_finalizer(api::ObjectPtr object, std::string finalizer);
  Task<Result<void>> remove_owners(api::ObjectPtr object, std::vector<std::string> uids);
  Task<Result<void>> remove(api::ObjectPtr object, std::string policy);

  client::EventRecorder recorder_;
  std::vector<Watched> watched_;
  std::map<const api::KindInfo*, std::size_t> number_of_;
};

}  // namespace keelson::controllers
