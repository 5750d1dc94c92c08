// Store: an informer's indexed cache: key ("namespace/name", or "name" where there is no namespace) →
// ObjectPtr. Objects are shared with whoever holds them, never copied. Answers are sorted by key. Thread
// rule: thread-safe (one writer, the informer; readers anywhere).
#pragma once

#include <functional>
#include <map>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "client/transport.h"

namespace keelson::client {

std::string object_key(std::string_view ns, std::string_view name);
std::string object_key(const api::Object& object);
// Splits a key; the namespace is empty where there is none.
std::pair<std::string, std::string> split_key(std::string_view key);

// Appends the values under which `object` is found.
using IndexFunction = std::function<void(const api::Object& object, std::vector<std::string>& values)>;

class Store {
 public:
  // Adds an index over what is and will be in the store. A name that exists is kept as it is: index functions
  // of one name mean the same.
  void add_index(std::string name, IndexFunction function);

  // Null where there is none.
  api::ObjectPtr get(std::string_view ns, std::string_view name) const;
  api::ObjectPtr get_by_key(std::string_view key) const;
  std::vector<api::ObjectPtr> list() const;
  std::vector<api::ObjectPtr> list_namespace(std::string_view ns) const;
  // Objects whose index `name` holds `value`. REQUIRES: add_index(name) was called.
  std::vector<api::ObjectPtr> by_index(std::string_view name, std::string_view value) const;
  std::size_t size() const;

  // Puts `object` in, or takes what is under `key` out; the previous object or null is returned.
  api::ObjectPtr upsert(api::ObjectPtr object);
  api::ObjectPtr erase(std::string_view key);

 private:
  struct Index {
    IndexFunction function;
    std::unordered_map<std::string, std::set<std::string>> keys;  // value → keys
  };
  void index_locked(const std::string& key, const api::Object* old, const api::Object* now);

  mutable std::shared_mutex mu_;
  std::map<std::string, api::ObjectPtr, std::less<>> objects_;
  std::map<std::string, Index, std::less<>> indexes_;
};

}  // namespace keelson::client
