// The text that a refused pod update ends with: upstream prints the two specs in its internal Go form and shows their
// unified difference. People read it, so we show the same.
#pragma once

#include <string>

#include "api/gen/core_v1.h"

namespace keelson::api::validation {

// "@@ -3,7 +3,7 @@\n context…" of the specs printed as indented Go JSON. Ends with a newline.
std::string pod_spec_diff(core_v1::PodSpec old, core_v1::PodSpec now);

// Unified difference of two texts with `context` lines around each change.
std::string unified_diff(const std::string& a, const std::string& b, std::size_t context);

}  // namespace keelson::api::validation
