// Filter: which objects a list or watch wants: namespace, name, label and field selectors.
// Thread rule: immutable after make().
#pragma once

#include <string>

#include "api/object.h"
#include "api/selector/field_selector.h"
#include "api/selector/label_selector.h"
#include "apiserver/endpoint.h"
#include "apiserver/watch_cache.h"

namespace keelson::apiserver {

class Filter {
 public:
  // `ns` and `name` may be empty. Errors are 400s in upstream's words.
  static Result<Filter> make(const api::KindInfo& kind, std::string ns, std::string name, const ListOptions& options);

  bool matches(const api::Object& object) const;
  // No selector at all, so that what is left over can be counted.
  bool is_everything() const { return labels_.is_everything() && fields_.is_everything() && name_.empty(); }
  WatchScope scope() const;
  // The only name that can match, or empty.
  const std::string& name() const { return name_; }

 private:
  const api::KindInfo* kind_ = nullptr;
  std::string ns_, name_, node_name_;
  api::LabelSelector labels_;
  api::FieldSelector fields_;
};

}  // namespace keelson::apiserver
