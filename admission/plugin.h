// Admission: what looks at, and may change, a write between authorization and storage .
// Mutating plugins run first, in order, then validating ones. Thread rule: plugins are shared by all requests and keep
// no per-request state; admit()/validate() run on the request's coroutine.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/user.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/task.h"

namespace keelson::api {
class Object;
struct KindInfo;
using ObjectPtr = std::shared_ptr<const Object>;
}  // namespace keelson::api

namespace keelson::admission {

enum class Operation : std::uint8_t { kCreate, kUpdate, kDelete, kConnect };

// One write. Pointers live as long as the request.
struct Attributes {
  const auth::UserInfo* user = nullptr;
  Operation operation = Operation::kCreate;
  const api::KindInfo* kind = nullptr;  // of the resource in the path
  std::string_view subresource;
  std::string_view namespace_;
  std::string_view name;             // may be empty on create
  api::Object* object = nullptr;     // what will be stored; mutable in admit(); null on delete
  const api::Object* old = nullptr;  // what is stored; null on create
  bool dry_run = false;
  std::vector<std::string>* warnings = nullptr;  // Warning headers of the reply
};

// Read access to the cluster's objects, from the API server's own caches.
class Lister {
 public:
  virtual ~Lister() = default;
  // From the watch cache, which may be a moment behind; null when absent.
  virtual api::ObjectPtr cached(const api::KindInfo& kind, std::string_view ns, std::string_view name) = 0;
  virtual std::vector<api::ObjectPtr> cached_list(const api::KindInfo& kind, std::string_view ns) = 0;
  // From the store, linearizable; null when absent.
  virtual Task<Result<api::ObjectPtr>> live(const api::KindInfo& kind, std::string ns, std::string name) = 0;
};

class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual std::string_view name() const = 0;
  // An Error refuses the request; it carries a Kubernetes Status (api/status.h), mostly 403.
  virtual Task<Result<void>> admit(Attributes& attributes);
  virtual Task<Result<void>> validate(const Attributes& attributes);
};

class Chain {
 public:
  explicit Chain(std::vector<std::unique_ptr<Plugin>> plugins);
  ~Chain();
  // Runs every plugin's admit(), in order, until one refuses; then validate() likewise.
  Task<Result<void>> admit(Attributes& attributes) const;
  Task<Result<void>> validate(const Attributes& attributes) const;
  std::vector<std::string_view> names() const;

 private:
  std::vector<std::unique_ptr<Plugin>> plugins_;
};

// The chain that `--enable-admission-plugins` and `--disable-admission-plugins` ask for, in upstream's order. Names that
// upstream knows and we do not build yet are accepted with a line in `warnings`; unknown ones are kInvalidArgument.
Result<std::unique_ptr<Chain>> make_chain(const std::vector<std::string>& enable,
                                          const std::vector<std::string>& disable, Lister& lister, Rng rng,
                                          std::vector<std::string>& warnings);

// The plugins themselves; `lister` outlives them.
std::unique_ptr<Plugin> namespace_lifecycle(Lister& lister);
std::unique_ptr<Plugin> service_account(Lister& lister, Rng rng);
std::unique_ptr<Plugin> taint_nodes_by_condition();
std::unique_ptr<Plugin> priority(Lister& lister);
std::unique_ptr<Plugin> default_toleration_seconds();
std::unique_ptr<Plugin> runtime_class(Lister& lister);

}  // namespace keelson::admission
