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

// The patch applied to any object, which keeps its kind. Errors carry a Status.
Result<std::unique_ptr<api::Object>> patch_object(const api::Object& object, PatchType type, std::string_view text,
                                                  FieldValidation validation, std::vector<std::string>* warnings);

}  // namespace keelson::apiserver
