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

WriteIntents::IntentPtr WriteIntents::announce(std::string key, std::unique_ptr<api::Object> object, Bytes bytes) {
  constexpr std::size_t kMost = 8192;
  auto intent = std::make_shared<Intent>(key, std::move(object), std::move(bytes));
  std::lock_guard lock(mu_);
  if (intents_.size() >= kMost) intents_.clear();
  intents_.emplace(std::move(key), intent);
  return intent;
}

void WriteIntents::withdraw(const IntentPtr& intent) {
  std::lock_guard lock(mu_);
  auto [it, end] = intents_.equal_range(intent->key_);
  for (; it != end; ++it) {
    if (it->second != intent) continue;
    intents_.erase(it);
    return;
  }
}

WriteIntents::IntentPtr WriteIntents::claim(std::string_view key, std::string_view bytes) {
  std::lock_guard lock(mu_);
  auto [it, end] = intents_.equal_range(std::string(key));
  for (; it != end; ++it) {
    if (it->second->bytes_.view() != bytes) continue;
    auto intent = std::move(it->second);
    intents_.erase(it);
    return intent;
  }
  return nullptr;
}

void WriteIntents::clear() {
  std::lock_guard lock(mu_);
  intents_.clear();
}

}  // namespace keelson::apiserver
