// NamespaceController: empties a namespace that is being deleted, then lets it go.
//
// Nothing is touched for a few seconds after the DELETE (an API server's caches elsewhere may still admit
// objects). Then pods go first, everything else when no pod is left; five conditions tell what remains; when
// nothing does, the finalizer "kubernetes" is taken off through /finalize.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controllers/controller.h"

namespace keelson::controllers {

class NamespaceController final : public Controller {
 public:
  NamespaceController(const Context& context, Duration grace = std::chrono::seconds(5), int workers = 4);

  // What one pass over a namespace found.
  struct Remains {
    std::map<std::string, std::int64_t> objects;     // "configmaps." → how many
    std::map<std::string, std::int64_t> finalizers;  // name → objects that have it
    std::vector<std::string> failures;               // messages
    bool empty() const { return objects.empty() && failures.empty(); }
  };

 protected:
  Task<Result<void>> sync(std::string key) override;

 private:
  // Namespaced kinds that can be listed and deleted, pods first; one per storage.
  static std::vector<const api::KindInfo*> content_kinds();
  Task<Remains> delete_content(std::string ns);
  Task<> delete_kind(const api::KindInfo* kind, std::string ns, Remains* remains);
  Task<Result<api::ObjectPtr>> write_conditions(api::ObjectPtr ns, Remains remains);
  Task<Result<void>> finalize(api::ObjectPtr ns);

  const Duration grace_;
  client::Informer& namespaces_;
};

}  // namespace keelson::controllers
