#include "client/store.h"

#include <mutex>

#include "api/object.h"
#include "base/check.h"

namespace keelson::client {

std::string object_key(std::string_view ns, std::string_view name) {
  std::string key;
  key.reserve(ns.size() + name.size() + 1);
  if (!ns.empty()) key.append(ns).push_back('/');
  key.append(name);
  return key;
}

std::string object_key(const api::Object& object) {
  return object_key(object.namespace_(), object.name());
}

std::pair<std::string, std::string> split_key(std::string_view key) {
  const auto slash = key.find('/');
  if (slash == std::string_view::npos) return {std::string(), std::string(key)};
  return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

void Store::add_index(std::string name, IndexFunction function) {
  std::unique_lock lock(mu_);
  auto [it, inserted] = indexes_.try_emplace(std::move(name), Index{std::move(function), {}});
  if (!inserted) return;
  std::vector<std::string> values;
  for (const auto& [key, object] : objects_) {
    values.clear();
    it->second.function(*object, values);
    for (auto& v : values) it->second.keys[v].insert(key);
  }
}

api::ObjectPtr Store::get(std::string_view ns, std::string_view name) const {
  return get_by_key(object_key(ns, name));
}

api::ObjectPtr Store::get_by_key(std::string_view key) const {
  std::shared_lock lock(mu_);
  auto it = objects_.find(key);
  return it == objects_.end() ? nullptr : it->second;
}

std::vector<api::ObjectPtr> Store::list() const {
  std::shared_lock lock(mu_);
  std::vector<api::ObjectPtr> out;
  out.reserve(objects_.size());
  for (const auto& [key, object] : objects_) out.push_back(object);
  return out;
}

std::vector<api::ObjectPtr> Store::list_namespace(std::string_view ns) const {
  if (ns.empty()) return list();
  const std::string prefix = std::string(ns) + "/";
  std::shared_lock lock(mu_);
  std::vector<api::ObjectPtr> out;
  for (auto it = objects_.lower_bound(prefix); it != objects_.end() && it->first.starts_with(prefix); ++it) {
    out.push_back(it->second);
  }
  return out;
}

std::vector<api::ObjectPtr> Store::by_index(std::string_view name, std::string_view value) const {
  std::shared_lock lock(mu_);
  auto index = indexes_.find(name);
  CHECK(index != indexes_.end());
  std::vector<api::ObjectPtr> out;
  auto found = index->second.keys.find(std::string(value));
  if (found == index->second.keys.end()) return out;
  for (const auto& key : found->second) out.push_back(objects_.find(key)->second);
  return out;
}

std::size_t Store::size() const {
  std::shared_lock lock(mu_);
  return objects_.size();
}

void Store::index_locked(const std::string& key, const api::Object* old, const api::Object* now) {
  std::vector<std::string> values;
  for (auto& [name, index] : indexes_) {
    if (old != nullptr) {
      values.clear();
      index.function(*old, values);
      for (const auto& v : values) {
        auto it = index.keys.find(v);
        if (it == index.keys.end()) continue;
        it->second.erase(key);
        if (it->second.empty()) index.keys.erase(it);
      }
    }
    if (now != nullptr) {
      values.clear();
      index.function(*now, values);
      for (auto& v : values) index.keys[v].insert(key);
    }
  }
}

api::ObjectPtr Store::upsert(api::ObjectPtr object) {
  CHECK(object != nullptr);
  std::string key = object_key(*object);
  std::unique_lock lock(mu_);
  auto [it, inserted] = objects_.try_emplace(key, object);
  api::ObjectPtr old;
  if (!inserted) old = std::exchange(it->second, object);
  index_locked(key, old.get(), object.get());
  return old;
}

api::ObjectPtr Store::erase(std::string_view key) {
  std::unique_lock lock(mu_);
  auto it = objects_.find(key);
  if (it == objects_.end()) return nullptr;
  api::ObjectPtr old = std::move(it->second);
  const std::string owned = it->first;
  objects_.erase(it);
  index_locked(owned, old.get(), nullptr);
  return old;
}

}  // namespace keelson::client
