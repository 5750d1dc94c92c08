#include "kvstore/mvcc/lease_table.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::kvstore {

std::uint64_t LeaseTable::hash_of(LeaseId id, const Lease& lease) {
  std::uint64_t h = static_cast<std::uint64_t>(id) * 0x9e3779b97f4a7c15ULL;
  for (auto v : {lease.ttl_s, lease.remaining_s}) {
    h ^= static_cast<std::uint64_t>(v) + 0x51ed27;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93ULL;
  }
  return h ^ h >> 29;
}

void LeaseTable::set_end(LeaseId id, Lease& lease, MonoTime now, std::int64_t ttl_s) {
  by_end_.erase({lease.ends, id});
  lease.ends = now + std::chrono::seconds(ttl_s);
  by_end_.insert({lease.ends, id});
}

std::int64_t LeaseTable::grant(LeaseId id, std::int64_t ttl_s, MonoTime now) {
  auto [it, added] = leases_.try_emplace(id);
  CHECK(added);
  it->second.ttl_s = std::max(ttl_s, kLeaseTtlMin_s);
  set_end(id, it->second, now, it->second.ttl_s);
  hash_ += hash_of(id, it->second);
  return it->second.ttl_s;
}

std::vector<std::string> LeaseTable::remove(LeaseId id) {
  auto it = leases_.find(id);
  CHECK(it != leases_.end());
  std::vector<std::string> keys(it->second.keys.begin(), it->second.keys.end());
  by_end_.erase({it->second.ends, id});
  hash_ -= hash_of(id, it->second);
  leases_.erase(it);
  return keys;
}

std::optional<std::int64_t> LeaseTable::keep_alive(LeaseId id, MonoTime now) {
  auto it = leases_.find(id);
  if (it == leases_.end()) return std::nullopt;
  set_end(id, it->second, now, it->second.ttl_s);
  return it->second.ttl_s;
}

void LeaseTable::renew_all(MonoTime now) {
  for (auto& [id, lease] : leases_) {
    set_end(id, lease, now, lease.remaining_s > 0 ? lease.remaining_s : lease.ttl_s);
  }
}

void LeaseTable::checkpoint(const LeaseCheckpoint& c) {
  auto it = leases_.find(c.id);
  if (it == leases_.end()) return;
  hash_ -= hash_of(c.id, it->second);
  it->second.remaining_s = c.remaining_s < it->second.ttl_s ? c.remaining_s : 0;
  hash_ += hash_of(c.id, it->second);
}

bool LeaseTable::has_checkpoint(LeaseId id) const {
  auto it = leases_.find(id);
  return it != leases_.end() && it->second.remaining_s > 0;
}

std::vector<LeaseCheckpoint> LeaseTable::due_checkpoints(MonoTime now, Duration step, std::size_t max) const {
  std::vector<LeaseCheckpoint> out;
  for (const auto& [id, lease] : leases_) {
    if (out.size() == max) break;
    if (lease.ends <= now) continue;
    const auto left = std::chrono::ceil<std::chrono::seconds>(lease.ends - now);
    const std::chrono::seconds promised(lease.remaining_s > 0 ? lease.remaining_s : lease.ttl_s);
    if (promised - left >= step) out.push_back({id, left.count()});
  }
  return out;
}

LeaseInfo LeaseTable::info(LeaseId id, bool keys, MonoTime now) const {
  LeaseInfo out;
  out.id = id;
  out.remaining_ttl_s = -1;
  auto it = leases_.find(id);
  if (it == leases_.end()) return out;
  out.granted_ttl_s = it->second.ttl_s;
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(it->second.ends - now).count();
  out.remaining_ttl_s = std::max<std::int64_t>(left, 0);
  if (keys) out.keys.assign(it->second.keys.begin(), it->second.keys.end());
  return out;
}

std::vector<LeaseId> LeaseTable::ids() const {
  std::vector<LeaseId> out;
  out.reserve(leases_.size());
  for (const auto& [id, lease] : leases_) out.push_back(id);
  return out;
}

std::vector<LeaseId> LeaseTable::expired(MonoTime now, std::size_t max) const {
  std::vector<LeaseId> out;
  for (const auto& [ends, id] : by_end_) {
    if (ends > now || out.size() == max) break;
    out.push_back(id);
  }
  return out;
}

std::optional<MonoTime> LeaseTable::next_expiry() const {
  if (by_end_.empty()) return std::nullopt;
  return by_end_.begin()->first;
}

void LeaseTable::attach(LeaseId id, std::string_view key) {
  if (auto it = leases_.find(id); it != leases_.end()) it->second.keys.emplace(key);
}

void LeaseTable::detach(LeaseId id, std::string_view key) {
  auto it = leases_.find(id);
  if (it == leases_.end()) return;
  if (auto at = it->second.keys.find(key); at != it->second.keys.end()) it->second.keys.erase(at);
}

}  // namespace keelson::kvstore
