#include "api/patch/patch.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "api/json_value.h"
#include "api/patch/json_patch.h"
#include "api/patch/json_text.h"
#include "api/patch/merge_patch.h"
#include "api/patch/strategic_patch.h"
#include "api/patch/value_kinds.h"
#include "api/status.h"

namespace keelson::api {
namespace {

namespace json = boost::json;

// The Status of what the patch functions answered.
Error to_status(const Error& e) {
  switch (e.code) {
    case Code::kInvalidArgument:
      return bad_request(e.message);
    case Code::kResourceExhausted:
      return request_entity_too_large(e.message);
    case Code::kFailedPrecondition: {
      auto detail = std::make_shared<StatusDetail>();
      detail->http_code = 422;
      detail->reason = "Invalid";
      detail->has_details = true;
      return Error{Code::kInvalidArgument, "the server rejected our request due to an error in our request",
                   detail};
    }
    default:
      return status_error(500, "", e.message);
  }
}

// 422 for a patch whose result is no such object.
Error bad_result(std::string shown, std::string why) {
  const field::ErrorList errors{field::invalid(field::Path("patch"), shown, std::move(why))};
  return invalid(GroupName{}, "", errors);
}

std::string not_an_object(const json::value& v) {
  return fmt::format("json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                     json_kind_name(v));
}

std::vector<std::string> duplicate_errors(const JsonText& text) {
  std::vector<std::string> out;
  for (const std::string& d : text.duplicates) out.push_back(fmt::format("duplicate field \"{}\"", d));
  return out;
}

Result<std::vector<std::string>> merge(std::string_view body, bool checked, json::value& doc) {
  auto text = read_json_text(body);
  if (!text) {
    if (checked) return fail(Code::kInvalidArgument, "error decoding patch: " + text.error().message);
    return fail(Code::kInvalidArgument, "Invalid JSON Patch");
  }
  if (text->value.is_null()) return fail(Code::kInvalidArgument, "Invalid JSON Patch");
  if (!text->value.is_object()) {
    if (checked) return fail(Code::kInvalidArgument, "error decoding patch: " + not_an_object(text->value));
    if (!text->value.is_array()) return fail(Code::kInvalidArgument, "Invalid JSON Patch");
    doc = std::move(text->value);
    return std::vector<std::string>{};
  }
  std::vector<std::string> strict = duplicate_errors(*text);
  apply_merge_patch(std::move(text->value), doc);
  return strict;
}

Result<std::vector<std::string>> strategic(std::string_view body, json::value& doc, const Type& type) {
  JsonText text = TRY(read_json_text(body));
  if (text.value.is_null()) text.value.emplace_object();
  if (!text.value.is_object()) return fail(Code::kInvalidArgument, not_an_object(text.value));
  std::vector<std::string> strict = duplicate_errors(text);
  TRY(apply_strategic_patch(doc.as_object(), std::move(text.value.as_object()), type));
  return strict;
}

Result<std::vector<std::string>> change(PatchType type, std::string_view body, bool checked, json::value& doc,
                                        const Type& of) {
  if (type == PatchType::kMerge) return merge(body, checked, doc);
  if (type == PatchType::kStrategic) return strategic(body, doc, of);
  JsonPatch patch = TRY(read_json_patch(body, checked));
  TRY(apply_json_patch(patch.ops, doc));
  return std::move(patch.strict_errors);
}

}  // namespace

Result<PatchedObject> apply_patch(PatchType type, std::string_view body, FieldValidation validation,
                                  const Object& current) {
  const bool checked = validation != FieldValidation::kIgnore;
  const KindInfo& kind = *current.kind();
  json::value doc = to_json_value(current);
  auto changed = change(type, body, checked, doc, current.type());
  if (!changed) return fail(to_status(changed.error()));
  // What a 422 shows: the patched text, or for strategic patches the patch as Go prints it.
  const auto shown = [&]() -> std::string {
    if (type != PatchType::kStrategic) return json::serialize(doc);
    auto text = read_json_text(body);
    return text ? go_format(text->value) : "";
  };
  if (type == PatchType::kStrategic)
    if (auto ok = check_value_kinds(doc, current.type()); !ok)
      return fail(bad_result(shown(), ok.error().message));
  if (type != PatchType::kStrategic && doc.is_object()) {
    // The text says what it is; it may have been patched into another kind.
    const auto text_of = [&](std::string_view member) -> std::string_view {
      const json::value* v = doc.get_object().if_contains(member);
      return v && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
    };
    const std::string_view version = text_of("apiVersion"), name = text_of("kind");
    const KindInfo* found = version.empty() || name.empty() ? &kind : find_kind(version, name);
    if (found == nullptr)
      return fail(bad_result(shown(), fmt::format("no kind \"{}\" is registered for version \"{}\" in scheme "
                                                  "\"keelson\"",
                                                  name, version)));
    if (found != &kind) {
      auto other = from_json_value(doc, *found);
      if (!other) return fail(bad_result(shown(), other.error().message));
      return fail(bad_result(shown(),
                             fmt::format("unable to decode /{}, Kind={} into {}", version, name, kind.kind)));
    }
  }
  auto decoded = from_json_value(doc, kind);
  if (!decoded) return fail(bad_result(shown(), decoded.error().message));
  std::vector<std::string> strict = *std::move(changed);
  strict.insert(strict.end(), decoded->strict_errors.begin(), decoded->strict_errors.end());
  PatchedObject out{std::move(decoded->object), {}};
  if (validation == FieldValidation::kStrict && !strict.empty())
    return fail(bad_result(shown(), strict_error_message(strict)));
  if (validation == FieldValidation::kWarn) out.warnings = std::move(strict);
  return out;
}

}  // namespace keelson::api
