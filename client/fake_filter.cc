#include "client/fake_filter.h"

namespace keelson::client {

bool FakeFilter::matches(const api::Object& object) const {
  if (!ns.empty() && object.namespace_() != ns) return false;
  const auto have = object.meta().labels();
  if (!labels.matches([&](std::string_view key) { return have.find(key); })) return false;
  return fields.matches([&](std::string_view path) -> std::string_view {
    api::StructRef at = object.root();
    for (;;) {
      const auto dot = path.find('.');
      const api::Value& v = at.find(path.substr(0, dot));
      if (v.absent()) return {};
      if (dot == std::string_view::npos) return v.as_text();
      at = api::StructRef(v.as_struct());
      path.remove_prefix(dot + 1);
    }
  });
}

Result<FakeFilter> FakeFilter::make(const std::string& ns, const ListOptions& options) {
  FakeFilter f{ns, {}, {}};
  f.labels = TRY(api::LabelSelector::parse(options.label_selector));
  f.fields = TRY(api::FieldSelector::parse(options.field_selector));
  return f;
}

}  // namespace keelson::client
