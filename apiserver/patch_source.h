// PatchSource: a PATCH applied to what is stored, anew after each conflict.
#pragma once

#include <memory>

#include "apiserver/endpoint.h"
#include "apiserver/registry.h"

namespace keelson::apiserver {

// Reads the patch text. Errors: 400, 413, 422. `warnings` outlives the source.
Result<std::unique_ptr<UpdateSource>> make_patch_source(const Resource& resource, const Request& request,
                                                        std::string manager, Clock& clock,
                                                        std::vector<std::string>& warnings);

// The text of a patch as a function of any JSON document; for subresources with a kind of their own (scale).
class PatchText {
 public:
  // Errors as above.
  static Result<PatchText> read(PatchType type, std::string_view text, FieldValidation validation,
                                std::vector<std::string>& warnings);
  // The patched document as an object of `kind`. Errors carry a Status.
  Result<std::unique_ptr<api::Object>> apply(const api::Object& to, const api::KindInfo& kind, FieldValidation validation,
                                             std::vector<std::string>* warnings) const;

 private:
  PatchType type_ = PatchType::kMerge;
  std::shared_ptr<const void> document_;  // the parsed patch
  std::string text_;
};

}  // namespace keelson::apiserver
