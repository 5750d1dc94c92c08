#include "apiserver/write_intents.h"

#include "apiserver/object_meta.h"
#include "base/check.h"

namespace keelson::apiserver {

VersionPtr WriteIntents::Intent::resolve(std::int64_t revision) {
  std::lock_guard lock(mu_);
  if (!version_) {
    CHECK(object_ != nullptr);
    set_resource_version(*object_, revision);
    version_ = make_version(api::freeze(std::move(object_)), revision);
  }
  return version_;
}

WriteIntents::IntentPtr WriteIntents::announce(std::unique_ptr<api::Object> object, Bytes bytes) {
  auto* address = bytes.data();
  auto intent = std::make_shared<Intent>(std::move(object), std::move(bytes));
  std::lock_guard lock(mu_);
  intents_[address] = intent;
  return intent;
}

std::unique_ptr<api::Object> WriteIntents::withdraw(Intent& intent) {
  {
    std::lock_guard lock(mu_);
    intents_.erase(intent.bytes_.data());
  }
  std::lock_guard lock(intent.mu_);
  return std::move(intent.object_);
}

WriteIntents::IntentPtr WriteIntents::claim(const Bytes& bytes) {
  std::lock_guard lock(mu_);
  auto it = intents_.find(bytes.data());
  if (it == intents_.end() || it->second->bytes_.size() != bytes.size()) return nullptr;
  auto intent = std::move(it->second);
  intents_.erase(it);
  return intent;
}

void WriteIntents::clear() {
  std::lock_guard lock(mu_);
  intents_.clear();
}

}  // namespace keelson::apiserver
