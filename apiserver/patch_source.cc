#include "apiserver/patch_source.h"

#include "api/managed_fields/managed_fields.h"
#include "api/patch/patch.h"
#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/pipeline.h"
#include "apiserver/validation_hooks.h"

namespace keelson::apiserver {
Result<std::unique_ptr<api::Object>> patch_object(const api::Object& object, PatchType type, std::string_view text,
                                                  FieldValidation validation, std::vector<std::string>* warnings) {
  auto kind = type == PatchType::kJson    ? api::PatchType::kJson
              : type == PatchType::kMerge ? api::PatchType::kMerge
                                          : api::PatchType::kStrategic;
  auto patched = TRY(api::apply_patch(kind, text, static_cast<api::FieldValidation>(validation), object));
  if (warnings) warnings->insert(warnings->end(), patched.warnings.begin(), patched.warnings.end());
  return std::move(patched.object);
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
    auto object = TRY(patch_object(*existing, type_, text_, validation_, warned_ ? nullptr : &warnings_));
    warned_ = true;
    apply_defaults(*object);
    reset_untouchable(*resource_.strategy, *object, existing, shape_.subresource == "status");
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
