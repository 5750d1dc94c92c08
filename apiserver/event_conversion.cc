#include "apiserver/event_conversion.h"

#include <array>

#include "base/check.h"

namespace keelson::apiserver {
namespace {

struct Names {
  std::string_view core, events;
};
constexpr std::array<Names, 15> kFields{{{"metadata", "metadata"},
                                         {"involvedObject", "regarding"},
                                         {"reason", "reason"},
                                         {"message", "note"},
                                         {"source", "deprecatedSource"},
                                         {"firstTimestamp", "deprecatedFirstTimestamp"},
                                         {"lastTimestamp", "deprecatedLastTimestamp"},
                                         {"count", "deprecatedCount"},
                                         {"type", "type"},
                                         {"eventTime", "eventTime"},
                                         {"series", "series"},
                                         {"action", "action"},
                                         {"related", "related"},
                                         {"reportingComponent", "reportingController"},
                                         {"reportingInstance", "reportingInstance"}}};

// A struct of another type with the same field names (the two EventSeries).
api::Value copy_struct_as(api::Arena& arena, const api::StructData* from, const api::Type& to) {
  auto* made = api::StructData::make(arena, to);
  api::StructMut out(made, &arena);
  for (const auto& field : to.fields) out.slot_mut(field.index) = api::copy_value(arena, api::StructRef(from).find(field.name));
  return api::Value::of(made);
}

}  // namespace

std::unique_ptr<api::Object> convert_event(const api::Object& from, const api::KindInfo& to) {
  if (from.kind() == &to) return from.clone();
  const bool to_core = to.group.empty();
  auto out = api::Object::make(to);
  for (const Names& names : kFields) {
    const auto& value = from.root().find(to_core ? names.events : names.core);
    if (value.absent()) continue;
    const api::Field* field = out->type().find(to_core ? names.core : names.events);
    CHECK(field != nullptr);
    auto root = out->root();
    if (value.tag == api::Tag::kStruct && value.as_struct()->type != field->type)
      root.slot_mut(field->index) = copy_struct_as(out->arena(), value.as_struct(), *field->type);
    else
      root.slot_mut(field->index) = api::copy_value(out->arena(), value);
  }
  return out;
}

}  // namespace keelson::apiserver
