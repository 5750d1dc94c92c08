// Ages in Table cells: "5s", "5m30s", "3h", "2d4h", "400d".
// Thread rule: pure functions.
#pragma once

#include <chrono>
#include <string>

#include "api/time.h"

namespace keelson::api {

// Coarser the longer; "<invalid>" for durations below -1 s.
std::string human_duration(std::chrono::nanoseconds d);
// Since `then`; "<unknown>" for the zero time.
std::string age(Time then, Time now);

}  // namespace keelson::api
