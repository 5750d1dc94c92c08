#include "controllers/deployment_revision.h"

#include <algorithm>
#include <charconv>

namespace keelson::controllers {

namespace {

constexpr std::size_t kHistoryChars = 2000;

bool is_own_annotation(std::string_view key) {
  return key == "kubectl.kubernetes.io/last-applied-configuration" || key == kRevision ||
         key == kRevisionHistory || key == kDesiredReplicas || key == kMaxReplicas ||
         key == "deprecated.deployment.rollback.to";
}

std::int64_t number(std::string_view text) {
  std::int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

}  // namespace

std::int64_t annotation_number(const api::Object& object, std::string_view key) {
  return number(object.meta().annotations().get(key));
}

bool has_annotation(const api::Object& object, std::string_view key) {
  return object.meta().annotations().contains(key);
}

bool same_template(core::PodTemplateSpec a, core::PodTemplateSpec b) {
  auto bare = [](core::PodTemplateSpec from) {
    auto object = api::Object::make(core::PodTemplateSpec::type_info(), 4096);
    core::PodTemplateSpecMut out(object->root());
    if (from.has_metadata()) out.set_metadata(from.metadata());
    if (from.metadata().labels().contains(kTemplateHash)) {
      out.mutable_metadata().mutable_labels().erase(kTemplateHash);
    }
    return object;
  };
  if (!api::equal(a.spec(), b.spec())) return false;
  const auto left = bare(a), right = bare(b);
  return api::equal(left->root(), right->root());
}

api::ObjectPtr new_set_of(apps::Deployment deployment, const std::vector<api::ObjectPtr>& sets) {
  std::vector<api::ObjectPtr> sorted = sets;
  std::sort(sorted.begin(), sorted.end(), [](const api::ObjectPtr& a, const api::ObjectPtr& b) {
    const auto ta = a->meta().creation_timestamp(), tb = b->meta().creation_timestamp();
    if (ta != tb) return ta < tb;
    return a->name() < b->name();
  });
  for (const auto& set : sorted) {
    if (same_template(apps::ReplicaSet::of(*set).spec().template_(), deployment.spec().template_()))
      return set;
  }
  return nullptr;
}

std::int64_t max_revision(const std::vector<api::ObjectPtr>& sets) {
  std::int64_t max = 0;
  for (const auto& set : sets) max = std::max(max, annotation_number(*set, kRevision));
  return max;
}

bool put_revision(apps::Deployment deployment, apps::ReplicaSetMut set, std::int64_t revision) {
  bool changed = false;
  auto annotations = set.mutable_metadata().mutable_annotations();
  for (auto [key, value] : deployment.metadata().annotations()) {
    if (is_own_annotation(key)) continue;
    const auto have = annotations.find(key);
    if (have && *have == value) continue;
    annotations.set(key, value);
    changed = true;
  }
  const std::string before(annotations.get(kRevision));
  if (number(before) >= revision) return changed;
  annotations.set(kRevision, std::to_string(revision));
  if (before.empty()) return true;
  std::string history(annotations.get(kRevisionHistory));
  if (!history.empty()) history += ',';
  history += before;
  while (history.size() > kHistoryChars && history.find(',') != std::string::npos) {
    history.erase(0, history.find(',') + 1);
  }
  annotations.set(kRevisionHistory, history);
  return true;
}

bool put_sizes(apps::ReplicaSetMut set, const DeploymentNumbers& numbers) {
  auto annotations = set.mutable_metadata().mutable_annotations();
  const std::string desired = std::to_string(numbers.desired);
  const std::string max = std::to_string(numbers.desired + numbers.bounds.max_surge);
  bool changed = false;
  if (annotations.get(kDesiredReplicas) != desired) {
    annotations.set(kDesiredReplicas, desired);
    changed = true;
  }
  if (annotations.get(kMaxReplicas) != max) {
    annotations.set(kMaxReplicas, max);
    changed = true;
  }
  return changed;
}

}  // namespace keelson::controllers
