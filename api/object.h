// Object: one API object (or list, options object, Status …) of any kind: an arena, a root struct and its
// Type.
//
// Life: made empty (make), decoded (api/json.h, api/protobuf.h) or cloned by one owner, changed through
// StructMut or the generated ...Mut views, then frozen and shared as ObjectPtr. A shared object never
// changes; to change it, clone() it.
//
//   std::unique_ptr<Object> pod = Object::make(core_v1::Pod::kind_info());
//   core_v1::PodMut p = core_v1::PodMut::of(*pod);
//   p.mutable_metadata().set_name("web");
//   ObjectPtr shared = freeze(std::move(pod));
//
// kind and apiVersion: an Object with a KindInfo has them from there; the fields "kind" and "apiVersion" of
// its root are only what a decoder found in the text. Encoders write the KindInfo's (api/json.h). Thread
// rule: const methods of a frozen object from any thread.
#pragma once

#include <memory>
#include <string_view>

#include "api/gen/meta_v1.h"
#include "api/kinds.h"
#include "api/typed.h"

namespace keelson::api {

class Object;
using ObjectPtr = std::shared_ptr<const Object>;

class Object {
 public:
  // Empty. `arena_bytes`: a guess of its size.
  static std::unique_ptr<Object> make(const KindInfo& kind, std::size_t arena_bytes = 1024);
  // Of a type that is no registered kind, e.g. a list. kind() is null.
  static std::unique_ptr<Object> make(const Type& type, std::size_t arena_bytes = 1024);

  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  const Type& type() const { return *root_->type; }
  // Null where the type is no kind's own (lists).
  const KindInfo* kind() const { return kind_; }
  StructRef root() const { return StructRef(root_); }
  StructMut root() { return StructMut(root_, &arena_); }
  Arena& arena() { return arena_; }
  // Bytes of memory held.
  std::size_t memory() const { return sizeof(Object) + arena_.bytes(); }

  // metadata, where it is an ObjectMeta; else absent, and the rest empty.
  meta_v1::ObjectMeta meta() const {
    return meta_slot_ >= 0 ? meta_v1::ObjectMeta(root_->slots()[meta_slot_].as_struct())
                           : meta_v1::ObjectMeta();
  }
  // REQUIRES: the type has an ObjectMeta.
  meta_v1::ObjectMetaMut mutable_meta();
  std::string_view name() const { return meta().name(); }
  std::string_view namespace_() const { return meta().namespace_(); }
  std::string_view uid() const { return meta().uid(); }
  std::string_view resource_version() const { return meta().resource_version(); }

  std::unique_ptr<Object> clone() const;

 private:
  Object(const Type& type, const KindInfo* kind, std::size_t arena_bytes, const StructData* copy_from);

  Arena arena_;
  const KindInfo* kind_;
  StructData* root_;
  int meta_slot_ = -1;
};

ObjectPtr freeze(std::unique_ptr<Object> object);

}  // namespace keelson::api
