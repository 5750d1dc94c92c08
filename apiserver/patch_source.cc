#include "apiserver/patch_source.h"

#include <fmt/format.h>

#include "api/json.h"
#include "api/json_value.h"
#include "api/managed_fields/managed_fields.h"
#include "api/patch/json_patch.h"
#include "api/patch/json_text.h"
#include "api/patch/merge_patch.h"
#include "api/patch/strategic_patch.h"
#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/pipeline.h"
#include "apiserver/validation_hooks.h"

namespace keelson::apiserver {
namespace {

namespace json = boost::json;
namespace field = api::field;

struct Parsed {
  json::value value;
  std::vector<std::string> strict_errors;
  std::string shown;  // what "Invalid value" quotes for strategic patches
};

Error invalid_patch(std::string_view shown, std::string_view why) {
  return api::invalid(api::GroupName{}, "", {field::invalid(field::Path("patch"), shown, std::string(why))});
}

Error as_status(const Error& e) {
  switch (e.code) {
    case Code::kInvalidArgument: return errors::bad_request(e.message);
    case Code::kResourceExhausted: return api::request_entity_too_large(e.message);
    case Code::kFailedPrecondition: {
      Error error = api::status_error(422, "Invalid", "the server rejected our request due to an error in our request");
      auto detail = std::make_shared<api::StatusDetail>(*api::status_detail(error));
      detail->has_details = true;
      error.detail = std::move(detail);
      return error;
    }
    default: return errors::plain_internal(e.message);
  }
}

Result<Parsed> parse(PatchType type, std::string_view text, FieldValidation validation) {
  Parsed out;
  const bool checked = validation != FieldValidation::kIgnore;
  if (type == PatchType::kJson) {
    auto patch = api::read_json_patch(text, checked);
    if (!patch) return fail(as_status(patch.error()));
    out.value = std::move(patch->ops);
    out.strict_errors = std::move(patch->strict_errors);
    return out;
  }
  const std::string_view lead = type == PatchType::kMerge ? "error decoding patch: " : "";
  auto read = api::read_json_text(text);
  if (!read) return fail(errors::bad_request(std::string(lead) + read.error().message));
  if (read->value.is_null()) read->value = json::object();
  if (!read->value.is_object())
    return fail(errors::bad_request(fmt::format("{}json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                                                lead, api::json_kind_name(read->value))));
  if (checked)
    for (auto& path : read->duplicates) out.strict_errors.push_back(fmt::format("duplicate field \"{}\"", path));
  out.value = std::move(read->value);
  if (type == PatchType::kStrategicMerge) out.shown = api::go_format(out.value);
  return out;
}

}  // namespace

Result<PatchText> PatchText::read(PatchType type, std::string_view text, FieldValidation validation,
                                  std::vector<std::string>&) {
  PatchText out;
  out.type_ = type;
  out.document_ = std::make_shared<const Parsed>(TRY(parse(type, text, validation)));
  return out;
}

Result<std::unique_ptr<api::Object>> PatchText::apply(const api::Object& to, const api::KindInfo& kind,
                                                      FieldValidation validation,
                                                      std::vector<std::string>* warnings) const {
  const auto& patch = *static_cast<const Parsed*>(document_.get());
  json::value document = api::to_json_value(to);
  if (type_ == PatchType::kJson) {
    if (auto ok = api::apply_json_patch(patch.value, document); !ok) return fail(as_status(ok.error()));
  } else if (type_ == PatchType::kMerge) {
    api::apply_merge_patch(patch.value, document);
  } else {
    if (auto ok = api::apply_strategic_patch(document.as_object(), patch.value.as_object(), *kind.type); !ok)
      return fail(as_status(ok.error()));
    if (auto ok = api::check_value_kinds(document, *kind.type); !ok) return fail(invalid_patch(patch.shown, ok.error().message));
  }
  auto shown = [&] { return type_ == PatchType::kStrategicMerge ? patch.shown : json::serialize(document); };
  auto decoded = api::from_json_value(document, kind);
  if (!decoded) return fail(invalid_patch(shown(), decoded.error().message));
  if (validation != FieldValidation::kIgnore) {
    std::vector<std::string> strict = patch.strict_errors;
    strict.insert(strict.end(), decoded->strict_errors.begin(), decoded->strict_errors.end());
    if (validation == FieldValidation::kStrict && !strict.empty())
      return fail(invalid_patch(shown(), api::strict_error_message(strict)));
    if (warnings) warnings->insert(warnings->end(), strict.begin(), strict.end());
  }
  return std::move(decoded->object);
}

namespace {

class PatchSource final : public UpdateSource {
 public:
  PatchSource(const Resource& resource, const Request& request, std::string manager, Clock& clock,
              std::vector<std::string>& warnings)
      : resource_(resource), type_(request.patch_type), text_(request.patch),
        validation_(request.write.field_validation), manager_(std::move(manager)), clock_(clock), warnings_(warnings) {
    shape_.kind = request.kind;
    shape_.namespace_ = request.namespace_;
    shape_.name = request.name;
    shape_.subresource = request.subresource;
  }

  Result<std::unique_ptr<api::Object>> next(const api::Object* existing) override {
    if (!existing) return fail(errors::not_found(resource_, shape_.name));
    if (!patch_) patch_ = TRY(PatchText::read(type_, text_, validation_, warnings_));
    auto object = TRY(patch_->apply(*existing, *resource_.kind, validation_, warned_ ? nullptr : &warnings_));
    warned_ = true;
    apply_defaults(*object);
    api::track_update(existing, *object, {manager_, shape_.subresource, to_api_time(clock_.wall())});
    if (auto ok = fit_object(resource_, shape_, *object, false); !ok) return std::unexpected(ok.error());
    return object;
  }

 private:
  const Resource& resource_;
  Request shape_;  // names only
  PatchType type_;
  std::string text_;
  FieldValidation validation_;
  std::string manager_;
  Clock& clock_;
  std::vector<std::string>& warnings_;
  std::optional<PatchText> patch_;
  bool warned_ = false;
};

}  // namespace

Result<std::unique_ptr<UpdateSource>> make_patch_source(const Resource& resource, const Request& request,
                                                        std::string manager, Clock& clock,
                                                        std::vector<std::string>& warnings) {
  if (request.patch_type == PatchType::kApply)
    return fail(api::status_error(501, "NotImplemented", "server-side apply is not built yet"));
  std::unique_ptr<UpdateSource> out =
      std::make_unique<PatchSource>(resource, request, std::move(manager), clock, warnings);
  return out;
}

}  // namespace keelson::apiserver
