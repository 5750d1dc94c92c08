#include "api/patch/merge_patch.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace keelson::api {

namespace json = boost::json;

void prune_nulls(json::value& v) {
  if (auto* a = v.if_array()) {
    for (json::value& e : *a) prune_nulls(e);
  } else if (auto* o = v.if_object()) {
    for (auto it = o->begin(); it != o->end();) {
      if (it->value().is_null()) {
        it = o->stable_erase(it);
      } else {
        prune_nulls(it->value());
        ++it;
      }
    }
  }
}

void apply_merge_patch(json::value patch, json::value& doc) {
  json::object& into = doc.as_object();
  for (auto& member : patch.as_object()) {
    json::value& v = member.value();
    if (v.is_null()) {
      if (auto it = into.find(member.key()); it != into.end()) into.stable_erase(it);
      continue;
    }
    json::value& old = into[member.key()];
    if (old.is_object() && v.is_object()) {
      apply_merge_patch(std::move(v), old);
    } else {
      // An object's place may be taken by an array with nulls left inside.
      if (!old.is_object()) prune_nulls(v);
      old = std::move(v);
    }
  }
}

}  // namespace keelson::api
