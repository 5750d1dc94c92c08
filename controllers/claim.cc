#include "controllers/claim.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/status.h"
#include "base/check.h"
#include "base/log.h"

namespace keelson::controllers {

Selector Selector::from(meta::LabelSelector selector) {
  Selector out;
  if (!selector) {
    out.nothing_ = true;
    return out;
  }
  for (auto [key, value] : selector.match_labels()) {
    out.requirements_.push_back({std::string(key), Op::kIn, {std::string(value)}});
  }
  for (meta::LabelSelectorRequirement e : selector.match_expressions()) {
    Requirement r{std::string(e.key()), Op::kIn, {}};
    const auto op = e.operator_();
    if (op == "NotIn") r.op = Op::kNotIn;
    if (op == "Exists") r.op = Op::kExists;
    if (op == "DoesNotExist") r.op = Op::kDoesNotExist;
    for (std::string_view v : e.values()) r.values.emplace_back(v);
    out.requirements_.push_back(std::move(r));
  }
  return out;
}

Selector Selector::from(api::Map<api::StringElem> labels) {
  Selector out;
  for (auto [key, value] : labels) {
    out.requirements_.push_back({std::string(key), Op::kIn, {std::string(value)}});
  }
  return out;
}

bool Selector::matches(api::Map<api::StringElem> labels) const {
  if (nothing_) return false;
  for (const auto& r : requirements_) {
    const auto value = labels.find(r.key);
    const bool in = value && std::find(r.values.begin(), r.values.end(), *value) != r.values.end();
    bool ok = false;
    switch (r.op) {
      case Op::kIn:
        ok = in;
        break;
      case Op::kNotIn:
        ok = !in;
        break;
      case Op::kExists:
        ok = value.has_value();
        break;
      case Op::kDoesNotExist:
        ok = !value.has_value();
        break;
    }
    if (!ok) return false;
  }
  return true;
}

namespace {

std::string quoted(std::string_view s) {
  std::string out;
  append_json_string(out, s);
  return out;
}

std::string adopt_patch(const api::Object& owner, const api::Object& object) {
  return fmt::format(
      R"({{"metadata":{{"ownerReferences":[{{"apiVersion":{},"kind":{},"name":{},"uid":{},"controller":true,"blockOwnerDeletion":true}}],"uid":{}}}}})",
      quoted(owner.kind()->api_version), quoted(owner.kind()->kind), quoted(owner.name()),
      quoted(owner.uid()), quoted(object.uid()));
}

std::string release_patch(const api::Object& owner, const api::Object& object) {
  return fmt::format(R"({{"metadata":{{"ownerReferences":[{{"$patch":"delete","uid":{}}}],"uid":{}}}}})",
                     quoted(owner.uid()), quoted(object.uid()));
}

// Gone, or another object by now: nothing to claim.
bool is_gone(const Error& e) {
  return api::is_not_found(e) || api::is_invalid(e);
}

Task<Result<bool>> may_adopt(client::Transport& transport, api::ObjectPtr owner) {
  if (owner->meta().has_deletion_timestamp()) co_return false;
  auto fresh = co_await transport.get(*owner->kind(), std::string(owner->namespace_()),
                                      std::string(owner->name()), {});
  if (!fresh) {
    if (api::is_not_found(fresh.error())) co_return false;
    co_return fail(fresh.error());
  }
  co_return (*fresh)->uid() == owner->uid() && !(*fresh)->meta().has_deletion_timestamp();
}

}  // namespace

Task<Result<std::vector<api::ObjectPtr>>> claim(client::Transport& transport, api::ObjectPtr owner,
                                                Selector selector, std::vector<api::ObjectPtr> candidates) {
  std::vector<api::ObjectPtr> kept;
  std::optional<bool> adopt;
  std::optional<Error> failure;
  for (const auto& object : candidates) {
    const auto ref = controller_of(*object);
    const bool match = selector.matches(object->meta().labels());
    const bool deleting = object->meta().has_deletion_timestamp();
    const std::string ns(object->namespace_()), name(object->name());
    if (ref) {
      if (ref.uid() != owner->uid()) continue;
      if (match || deleting) {
        if (match) kept.push_back(object);
        continue;
      }
      if (owner->meta().has_deletion_timestamp()) continue;
      auto done = co_await transport.patch(*object->kind(), ns, name, client::PatchType::kStrategicMerge,
                                           release_patch(*owner, *object), {});
      if (!done && !is_gone(done.error())) failure = done.error();
      continue;
    }
    if (!match || deleting) continue;
    if (!adopt) {
      auto may = co_await may_adopt(transport, owner);
      if (!may) co_return fail(may.error());
      adopt = *may;
    }
    if (!*adopt) continue;
    auto done = co_await transport.patch(*object->kind(), ns, name, client::PatchType::kStrategicMerge,
                                         adopt_patch(*owner, *object), {});
    if (done) {
      kept.push_back(*done);
    } else if (!is_gone(done.error())) {
      failure = done.error();
    }
  }
  if (failure) co_return fail(std::move(*failure));
  co_return kept;
}

}  // namespace keelson::controllers
