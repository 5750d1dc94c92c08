// Strategy: what a kind does beyond the generic registry, as data and a few functions. One static table per kind
// (strategy/*.cc); kinds without a table have the plain one. Nothing is instantiated per kind.
// Thread rule: constant; the functions are pure but for the object they are given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <optional>

#include "api/object.h"
#include "base/clock.h"

namespace keelson::apiserver {

struct Strategy {
  // When metadata.generation starts at 1 and grows.
  enum class Generation : std::uint8_t { kNone, kSpec, kSpecOrAnnotations, kAllButMetadata };
  enum class Gc : std::uint8_t { kDelete, kOrphan, kUnsupported };

  bool has_status = false;             // status is the server's: dropped on create, kept on update, own subresource
  bool keeps_status_on_create = false; // nodes: status of the body is stored
  Generation generation = Generation::kNone;
  bool unconditional_update = true;    // PUT without resourceVersion overwrites
  bool create_on_update = false;       // PUT of an absent object creates it
  bool returns_deleted = false;        // DELETE answers the object instead of a Status
  bool graceful = false;               // pods: deletion waits for the kubelet
  Gc gc = Gc::kDelete;
  std::int64_t ttl_s = 0;              // events: 3600

  void (*prepare_create)(api::Object& object) = nullptr;
  void (*prepare_update)(api::Object& updated, const api::Object& old) = nullptr;
  void (*prepare_status_update)(api::Object& updated, const api::Object& old) = nullptr;
  // After validation, before storage (upstream's Canonicalize and Decorator): changes that validation must not see.
  void (*canonicalize)(api::Object& object) = nullptr;
  // Graceful kinds: the grace period this object gets.
  std::int64_t (*grace_period)(const api::Object& object, std::optional<std::int64_t> asked) = nullptr;
  // Whether an object with a deletionTimestamp may go for good (namespaces wait for their spec.finalizers).
  bool (*may_go)(const api::Object& object) = nullptr;
  // Marks an object whose deletion must wait for may_go() (namespaces: phase Terminating).
  void (*mark_deleting)(api::Object& object) = nullptr;
};

// The table of a kind; the plain one where it has none.
const Strategy& strategy_of(const api::KindInfo& kind);

// Puts back what a write may not touch, before managedFields are computed: nobody comes to own it (upstream's reset fields).
void reset_untouchable(const Strategy& strategy, api::Object& object, const api::Object* old, bool status_only);
// prepare_create/-update with the generic parts: status isolation and generation.
void run_prepare_create(const Strategy& strategy, api::Object& object);
void run_prepare_update(const Strategy& strategy, api::Object& updated, const api::Object& old);
void run_prepare_status_update(const Strategy& strategy, api::Object& updated, const api::Object& old);

// Tables (strategy/*.cc).
extern const Strategy kPodStrategy, kServiceStrategy, kNamespaceStrategy, kNodeStrategy, kSecretStrategy,
    kServiceAccountStrategy;
// spec.nodeName of a pod.
std::string_view pod_node_name(const api::Object& pod);

}  // namespace keelson::apiserver
