// FakeTransport: an API server in memory, for tests of whatever talks to the API: resourceVersions,
// conflicts, watches from any version, label and field selectors, patches, status and other subresources,
// generateName, finalizers, graceful deletion of pods, no new content in namespaces being deleted. No
// validation, no defaults, no admission, no authorization. Thread rule: thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/clock.h"
#include "base/rng.h"
#include "client/transport.h"

namespace keelson::client {

class FakeTransport final : public Transport {
 public:
  // A write that was asked for.
  struct Action {
    std::string verb;  // "create", "update", "patch", "delete", "deletecollection"
    std::string kind;
    std::string subresource;
    std::string ns;
    std::string name;
    friend bool operator==(const Action&, const Action&) = default;
  };
  // Decides whether a request fails: an Error to answer with, or nothing.
  using Fault = std::function<std::optional<Error>(const Action& action)>;

  FakeTransport(Clock& clock, Rng rng);
  ~FakeTransport() override;

  // ---- for tests: synchronous ----
  // Creates an object from JSON text with apiVersion and kind. CHECKs that it is well-formed.
  api::ObjectPtr seed(std::string_view json);
  // Null where there is none.
  api::ObjectPtr read(const api::KindInfo& kind, std::string_view ns, std::string_view name) const;
  std::vector<api::ObjectPtr> read_all(const api::KindInfo& kind, std::string_view ns = "") const;
  // Replaces, without conflict checks, metadata, spec and status alike.
  api::ObjectPtr overwrite(std::unique_ptr<api::Object> object);
  // Removes at once, whatever finalizers there are.
  void erase(const api::KindInfo& kind, std::string_view ns, std::string_view name);
  std::vector<Action> actions() const;
  void clear_actions();
  void set_fault(Fault fault);
  // Ends all watches; with `forget`, resourceVersions up to now answer 410.
  void break_watches(bool forget);
  std::int64_t revision() const;

  // ---- Transport ----
  Task<Result<api::ObjectPtr>> get(const api::KindInfo& kind, std::string ns, std::string name,
                                   GetOptions options) override;
  Task<Result<ListResult>> list(const api::KindInfo& kind, std::string ns, ListOptions options) override;
  Task<Result<std::unique_ptr<WatchStream>>> watch(const api::KindInfo& kind, std::string ns,
                                                   WatchOptions options) override;
  Task<Result<api::ObjectPtr>> create(const api::KindInfo& kind, std::string ns, api::ObjectPtr object,
                                      WriteOptions options) override;
  Task<Result<api::ObjectPtr>> update(const api::KindInfo& kind, std::string ns, api::ObjectPtr object,
                                      WriteOptions options) override;
  Task<Result<api::ObjectPtr>> patch(const api::KindInfo& kind, std::string ns, std::string name,
                                     PatchType type, std::string body, WriteOptions options) override;
  Task<Result<api::ObjectPtr>> remove(const api::KindInfo& kind, std::string ns, std::string name,
                                      DeleteOptions options) override;
  Task<Result<void>> delete_collection(const api::KindInfo& kind, std::string ns, DeleteOptions options,
                                       ListOptions which) override;

 private:
  struct Watcher;
  class Stream;
  struct Change {
    std::int64_t revision;
    const api::KindInfo* kind;
    WatchEvent event;
  };
  std::optional<Error> fault(Action action);
  api::ObjectPtr find_locked(const api::KindInfo& kind, std::string_view ns, std::string_view name) const;
  // Gives the object the next revision and tells watchers.
  api::ObjectPtr store_locked(const api::KindInfo& kind, std::unique_ptr<api::Object> object, bool fresh);
  void erase_locked(const api::KindInfo& kind, const api::Object& object);
  // Stores, or erases when the last reason to keep a deleted object is gone.
  Result<api::ObjectPtr> write_locked(const api::KindInfo& kind, const api::Object& current,
                                      std::unique_ptr<api::Object> next, const std::string& subresource);
  Result<api::ObjectPtr> create_locked(const api::KindInfo& kind, const std::string& ns,
                                       const api::Object& object);
  Result<api::ObjectPtr> bind_locked(const api::Object& binding, const std::string& ns);
  Result<api::ObjectPtr> remove_locked(const api::KindInfo& kind, const api::Object& current,
                                       const DeleteOptions& options);
  void publish_locked(const api::KindInfo& kind, WatchEvent event);

  Clock& clock_;
  mutable std::mutex mu_;
  Rng rng_;
  std::int64_t revision_ = 1;
  std::int64_t oldest_ = 0;  // watches from below answer 410
  std::map<const api::KindInfo*, std::map<std::string, api::ObjectPtr>> objects_;
  std::deque<Change> log_;
  std::list<std::shared_ptr<Watcher>> watchers_;
  std::vector<Action> actions_;
  Fault fault_;
};

}  // namespace keelson::client
