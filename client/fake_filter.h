// FakeFilter: which objects a list or a watch of a FakeTransport is about. Internal to client/.
#pragma once

#include <string>

#include "api/object.h"
#include "api/selector/field_selector.h"
#include "api/selector/label_selector.h"
#include "base/error.h"
#include "client/transport.h"

namespace keelson::client {

struct FakeFilter {
  // kInvalidArgument: a selector cannot be read.
  static Result<FakeFilter> make(const std::string& ns, const ListOptions& options);
  bool matches(const api::Object& object) const;

  std::string ns;  // empty: all
  api::LabelSelector labels;
  api::FieldSelector fields;
};

}  // namespace keelson::client
