// What the registry does to every kind alike: stamping versions, moving whole top-level fields ("spec", "status") between
// objects, comparing. By the schema, so that no kind needs code of its own.
// Thread rule: as the object's.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "api/object.h"
#include "base/clock.h"
#include "base/error.h"

namespace keelson::apiserver {

// Stamps metadata.resourceVersion; 0 clears it. REQUIRES: the object has metadata (ObjectMeta).
void set_resource_version(api::Object& object, std::int64_t revision);
// metadata.resourceVersion as a number: 0 when empty. Go's text for what does not parse (kInvalidArgument):
// strconv.ParseUint: parsing "abc": invalid syntax
Result<std::int64_t> parse_resource_version(std::string_view text);
api::Time to_api_time(WallTime t);

// Deep copies the top-level field from `from`; absent there, it becomes absent.
void copy_top(api::Object& to, const api::Object& from, std::string_view field);
void clear_top(api::Object& object, std::string_view field);
bool equal_top(const api::Object& a, const api::Object& b, std::string_view field);
// A nested value by path; absent when any step is: value_at(pod, {"spec", "nodeName"}).
const api::Value& value_at(const api::Object& object, std::initializer_list<std::string_view> path);
std::string_view text_at(const api::Object& object, std::initializer_list<std::string_view> path);
// Empty lists and maps become absent, as they do where upstream stores protobuf and reads it back.
void drop_empty_collections(api::Object& object);
// Semantic equality of all fields; metadata.resourceVersion is not looked at.
bool same_content(const api::Object& a, const api::Object& b);

}  // namespace keelson::apiserver
