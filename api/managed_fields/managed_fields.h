// managedFields: who last wrote which field of an object (KEP-555), as upstream keeps them for plain writes.
//
// Place in a write: after decoding and defaulting (for patches: after patching), before admission and before
// the kind's own preparation. So what the server itself fills in (uid, clusterIP …) belongs to nobody.
//
//   std::unique_ptr<Object> next = decode(body);
//   track_update(live.get(), *next, {.manager = manager_of(field_manager, user_agent), .subresource =
//   "status", .now = now});
//
// Rules (structured-merge-diff): a write takes the leaves that it added or changed; every other entry loses
// them, and loses what is gone; an emptied entry goes; the writer's time moves only when it took something.
// Entries are one per (manager, operation, apiVersion, subresource); more than ten Update entries are merged
// into "ancient-changes", oldest first. An object whose managedFields were cleared is not tracked any more.
// Not yet: entries written in another apiVersion are compared as if in this one; server-side apply.
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/managed_fields/field_set.h"
#include "api/object.h"

namespace keelson::api {

struct ManagedEntry {
  std::string manager;
  bool applied = false;  // operation Apply, else Update
  std::string api_version;
  std::string subresource;
  std::optional<Time> time;
  FieldSet fields;
  // Whether both are the same entry: an applier is the same in every version.
  bool same_writer(const ManagedEntry& other) const;
};

using ManagedEntries = std::vector<ManagedEntry>;

// Reads metadata.managedFields. Error: kInvalidArgument with upstream's text.
Result<ManagedEntries> read_managed_fields(meta_v1::ObjectMeta meta);
// Writes them in upstream's order (operation, time, manager, apiVersion, subresource); none: the field is
// absent.
void write_managed_fields(meta_v1::ObjectMetaMut meta, ManagedEntries entries);

// `field_manager` if given, else the User-Agent up to its first '/': printable characters, at most 128 bytes.
std::string manager_of(std::string_view field_manager, std::string_view user_agent);

struct UpdateWriter {
  std::string_view manager;
  std::string_view subresource;  // "" for the object itself
  Time now;
};

// Sets next's managedFields. `live` is null on create. REQUIRES: both are of one kind with an ObjectMeta.
void track_update(const Object* live, Object& next, const UpdateWriter& writer);

// Where `next` differs from `live` in nothing but times of managedFields, gives it live's managedFields, so
// that the write has no effect. Call last, before comparing for "nothing changed".
void ignore_managed_times(const Object& live, Object& next);

// Scale: what the parent's managedFields become when `writer` sets spec.replicas through the scale
// subresource. As upstream: the entry has no time, and replicas that nobody owns (any more) stay so.
void track_scale(const Object& live, Object& next, const UpdateWriter& writer);

}  // namespace keelson::api
