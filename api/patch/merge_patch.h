// JSON merge patch (RFC 7386). Where a patch adds an object, the nulls inside it are dropped; nulls inside
// arrays stay. Thread rule: pure functions.
#pragma once

#include <boost/json/value.hpp>

namespace keelson::api {

// Merges `patch` into `doc`. REQUIRES: both are objects.
void apply_merge_patch(boost::json::value patch, boost::json::value& doc);

// Drops null members of every object inside `v`, also those in arrays.
void prune_nulls(boost::json::value& v);

}  // namespace keelson::api
