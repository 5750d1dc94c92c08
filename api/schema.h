// The schema of the object model: what every codec, patch, validator and OpenAPI writer knows about a kind.
//
// Tables of Type, Field and KindInfo are generated at build time from api/schema/*.schema
// (tools/schemagen.py) as constant data; the same structures can be built at run time (custom resources).
// Nothing about a kind is written twice.
//
// Field indices: a struct's fields are numbered 0, 1, … in Go's order, with inlined Go structs flattened; an
// object keeps one 16-byte slot per field (api/value.h). In protobuf an inlined struct is a message of its
// own: ProtoEntry::group. Thread rule: immutable, may be read from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace keelson::api {

struct Type;

enum class Scalar : std::uint8_t {
  kBool,
  kInt32,
  kInt64,
  kDouble,
  kString,
  kBytes,        // base64 in JSON
  kTime,         // metav1.Time: whole seconds
  kMicroTime,    // metav1.MicroTime: six decimals
  kDuration,     // metav1.Duration: "1h0m0s" in JSON, nanoseconds in protobuf
  kQuantity,     // resource.Quantity: kept as canonical text
  kIntOrString,  // intstr.IntOrString
  kFieldsV1,     // raw JSON text (managedFields)
  kRaw,          // runtime.RawExtension: raw JSON text
  kAny,          // interface{}: raw JSON text; never in protobuf
  kStruct,
};

enum class Shape : std::uint8_t { kSingle, kList, kMap };
enum class ListType : std::uint8_t { kNone, kAtomic, kSet, kMap };

// The facts of a field that codecs do not need at every step.
struct FieldFacts {
  std::string_view default_json;                    // OpenAPI default as JSON text; empty: none
  std::span<const std::string_view> enum_values;    // of the value, or of the items where shape is list
  std::span<const std::string_view> list_map_keys;  // JSON names
  std::string_view patch_strategy;                  // "merge", "retainKeys", "merge,retainKeys", …
  std::string_view merge_key;
  std::string_view map_type;  // x-kubernetes-map-type of the field itself
  std::string_view go_elem;   // Go type of one element, e.g. "v1.PullPolicy"; empty: the scalar's usual name
  std::string_view go_key;    // of a map's key; empty: "string"
  std::string_view go_container;  // named Go map or slice type, e.g. "v1.ResourceList"
  std::string_view
      go_embedded;  // Go names of the inlined structs on the way to the field: "VolumeSource", "A.B"
  std::string_view description;  // in our own words; may be empty
};

struct Field {
  std::string_view name;              // JSON name; case matters
  std::string_view key;               // the name as JSON writes it: `"name":`
  const Type* type = nullptr;         // of kStruct (of the elements where shape is list or map)
  const FieldFacts* facts = nullptr;  // never null in a finished Type
  std::uint32_t number = 0;           // protobuf number inside its message; 0: not in protobuf
  std::uint16_t index = 0;            // slot
  Scalar scalar = Scalar::kString;
  Shape shape = Shape::kSingle;
  ListType list_type = ListType::kNone;
  bool pointer = false;     // Go pointer (or a single struct that wraps a list): zero is a value of its own
  bool omit_empty = false;  // Go json omitempty
  bool omit_zero = false;   // Go json omitzero
  bool required = false;    // OpenAPI required
  bool type_meta = false;   // kind or apiVersion of an inlined TypeMeta

  // Whether the field distinguishes absent from zero: pointers, lists, maps, bytes and raw texts do.
  bool nullable() const {
    return pointer || shape != Shape::kSingle || scalar == Scalar::kBytes || scalar == Scalar::kRaw ||
           scalar == Scalar::kAny || scalar == Scalar::kFieldsV1;
  }
};

struct ProtoGroup;

// One entry of a protobuf message, in ascending order of number: a field, or an inlined struct with fields of
// its own.
struct ProtoEntry {
  std::uint32_t number = 0;
  std::int32_t field = -1;            // index into Type::fields, or -1
  const ProtoGroup* group = nullptr;  // set when field is -1; such a message is always written
};
struct ProtoGroup {
  std::span<const ProtoEntry> entries;
};

struct UnionFact {
  std::string_view discriminator;
  std::span<const std::string_view> fields;  // pairs: JSON name, discriminator value
};

struct Type {
  std::string_view name;     // OpenAPI component: "io.k8s.api.core.v1.PodSpec"
  std::string_view go_name;  // "v1.PodSpec"
  std::span<const Field> fields;
  ProtoGroup proto;
  // Perfect hash of the JSON names: slot (hash(name) >> (64 - hash_bits)) holds field index + 1, 0 where
  // empty.
  std::uint64_t hash_seed = 0;
  std::span<const std::uint8_t> hash_slots;
  std::uint8_t hash_bits = 0;  // 0: search one by one
  bool wraps_list = false;     // JSON of the struct is its only list (Go: type Verbs []string)
  std::string_view map_type;   // "atomic" or empty
  std::span<const UnionFact> unions;
  std::string_view description;

  // "PodSpec": go_name without its package.
  std::string_view short_name() const { return go_name.substr(go_name.find('.') + 1); }
  // The field of that JSON name, or null.
  const Field* find(std::string_view name) const;
};

// The hash that Type::hash_slots is built with (tools/schemagen.py computes the same).
std::uint64_t field_name_hash(std::string_view name, std::uint64_t seed);

struct SubresourceInfo {
  std::string_view name;                  // "status"
  std::string_view group, version, kind;  // of the object it answers with or takes
  std::span<const std::string_view> verbs;
};

struct ColumnInfo {
  std::string_view name, type, format;
  int priority = 0;
  std::string_view description;
};

struct KindInfo {
  std::string_view group, version, kind;
  std::string_view api_version;  // "v1", "apps/v1"
  std::string_view list_kind;    // "PodList"; empty: has no list
  std::string_view resource;     // plural; empty: the kind is no resource (options, Status …)
  std::string_view singular;
  bool namespaced = false;
  std::span<const std::string_view> short_names;
  std::span<const std::string_view> categories;
  std::span<const std::string_view> verbs;
  std::span<const SubresourceInfo> subresources;
  std::span<const ColumnInfo> columns;
  std::string_view
      storage_prefix;  // below /registry/: "pods", "minions", "services/specs"; empty: not stored
  const Type* type = nullptr;
  const Type* list_type = nullptr;  // null where list_kind is empty

  bool has_verb(std::string_view verb) const;
  const SubresourceInfo* subresource(std::string_view name) const;
};

}  // namespace keelson::api
