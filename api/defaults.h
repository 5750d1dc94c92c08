// Defaulting: fills in what the author of an object left out, as upstream's versioned defaults do (pkg/apis/*/v1/defaults.go).
// Runs on every decoded write, before admission, and once more after mutating admission. Idempotent: a second run
// changes nothing. Thread rule: free functions.
#pragma once

#include "api/object.h"

namespace keelson::api {

// Of the object's kind; kinds without defaults are left as they are. REQUIRES: not yet frozen.
void default_object(Object& object);

namespace core_v1 {
class PodSpecMut;
class PodTemplateSpecMut;
}  // namespace core_v1

// The parts that workload kinds share.
void default_pod(Object& object);
void default_pod_spec(core_v1::PodSpecMut spec);
void default_pod_template(core_v1::PodTemplateSpecMut spec);

}  // namespace keelson::api
