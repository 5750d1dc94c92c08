#include "apiserver/object_version.h"

#include "api/json.h"
#include "api/protobuf.h"
#include "apiserver/object_meta.h"

namespace keelson::apiserver {
namespace {

// Publishes `made` unless another thread was first; the loser's text goes.
std::string_view publish(std::atomic<const std::string*>& slot, std::string made) {
  auto* text = new std::string(std::move(made));
  const std::string* expected = nullptr;
  if (slot.compare_exchange_strong(expected, text, std::memory_order_acq_rel)) return *text;
  delete text;
  return *expected;
}

}  // namespace

ObjectVersion::~ObjectVersion() {
  delete json_.load();
  delete protobuf_.load();
}

std::string_view ObjectVersion::json() const {
  if (auto* known = json_.load(std::memory_order_acquire)) return *known;
  return publish(json_, api::encode_json(*object_, api::TypeMetaMode::kOmit));
}

std::string_view ObjectVersion::protobuf() const {
  if (auto* known = protobuf_.load(std::memory_order_acquire)) return *known;
  return publish(protobuf_, api::encode_protobuf(object_->root()));
}

VersionPtr with_revision(const ObjectVersion& version, std::int64_t revision) {
  auto copy = version.object()->clone();
  set_resource_version(*copy, revision);
  return make_version(api::freeze(std::move(copy)), revision);
}

}  // namespace keelson::apiserver
