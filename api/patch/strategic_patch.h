// Strategic merge patch: a merge patch that knows from the schema how lists merge (patch strategy and merge
// key), with the directives `$patch: replace|delete`, `$setElementOrder/F`, `$deleteFromPrimitiveList/F` and
// `$retainKeys`. Follows upstream in results, element order and error texts (transcripts patch/smp-*). Thread
// rule: pure functions.
#pragma once

#include <boost/json/object.hpp>

#include "api/schema.h"
#include "base/error.h"

namespace keelson::api {

// Merges `patch` into `original`, an object of `type`; `patch` is consumed.
// Errors: kInvalidArgument (400), kFailedPrecondition (422, generic text), kInternal (500); `original` is
// then half changed and must be dropped.
Result<> apply_strategic_patch(boost::json::object& original, boost::json::object patch, const Type& type);

}  // namespace keelson::api
