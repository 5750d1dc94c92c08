#include "api/schema.h"

#include <algorithm>
#include <cstring>

namespace keelson::api {

std::uint64_t field_name_hash(std::string_view name, std::uint64_t seed) {
  std::uint64_t head = 0, tail = 0;
  const std::size_t n = name.size() < 8 ? name.size() : 8;
  std::memcpy(&head, name.data(), n);
  std::memcpy(&tail, name.data() + name.size() - n, n);
  const std::uint64_t mixed = (head ^ (tail * 0x9e3779b97f4a7c15u) ^ name.size()) * (seed | 1);
  return (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93u;
}

const Field* Type::find(std::string_view name) const {
  if (hash_bits != 0) {
    const std::uint8_t slot = hash_slots[field_name_hash(name, hash_seed) >> (64 - hash_bits)];
    if (slot == 0) return nullptr;
    const Field& field = fields[slot - 1];
    return field.name == name ? &field : nullptr;
  }
  for (const Field& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

bool KindInfo::has_verb(std::string_view verb) const {
  return std::ranges::find(verbs, verb) != verbs.end();
}

const SubresourceInfo* KindInfo::subresource(std::string_view name) const {
  for (const SubresourceInfo& sub : subresources)
    if (sub.name == name) return &sub;
  return nullptr;
}

}  // namespace keelson::api
