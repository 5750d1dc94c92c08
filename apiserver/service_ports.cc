// ServiceAllocator's node ports: one bitmap in the store, changed by read, compare and write; and the repair at start.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "api/gen/core_v1.h"
#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/service_allocator.h"
#include "apiserver/service_parts.h"
#include "apiserver/stored_form.h"

namespace keelson::apiserver {
namespace {

using namespace api::core_v1;
constexpr std::string_view kPortsKey = "/registry/ranges/servicenodeports";

}  // namespace

struct ServiceAllocator::PortChange {
  std::vector<bool> used;  // by offset from first_port
  // Changes `used`; false: nothing to write.
  std::function<Result<bool>(std::vector<bool>&)> change;
};

namespace {

// The bitmap as upstream's: the big-endian bytes of a number whose bit i is port first+i.
std::string encode_bitmap(const std::vector<bool>& used) {
  std::size_t top = used.size();
  while (top > 0 && !used[top - 1]) --top;
  std::string out((top + 7) / 8, '\0');
  for (std::size_t i = 0; i < top; ++i)
    if (used[i]) out[out.size() - 1 - i / 8] = static_cast<char>(out[out.size() - 1 - i / 8] | 1 << (i % 8));
  return out;
}

std::vector<bool> decode_bitmap(std::string_view bytes, std::size_t size) {
  std::vector<bool> used(size);
  for (std::size_t i = 0; i < size && i / 8 < bytes.size(); ++i)
    used[i] = static_cast<unsigned char>(bytes[bytes.size() - 1 - i / 8]) >> (i % 8) & 1;
  return used;
}

}  // namespace

Task<Result<void>> ServiceAllocator::change_ports(PortChange& change) {
  const std::string range = fmt::format("{}-{}", options_.first_port, options_.last_port);
  const auto size = static_cast<std::size_t>(options_.last_port - options_.first_port + 1);
  const api::KindInfo& kind = RangeAllocation::kind_info();
  for (;;) {
    kvstore::RangeRequest read;
    read.key = std::string(kPortsKey);
    auto found = CO_TRY(co_await storage_.store().range(std::move(read)));
    std::int64_t at = 0;
    change.used.assign(size, false);
    if (!found.kvs.empty()) {
      at = found.kvs[0].mod_revision;
      auto object = CO_TRY(decode_stored(kind, found.kvs[0].value, at));
      auto stored = RangeAllocation::of(*object->object());
      if (stored.range() == range) change.used = decode_bitmap(text_at(*object->object(), {"data"}), size);
    }
    if (!CO_TRY(change.change(change.used))) co_return Result<void>{};
    auto object = api::Object::make(kind);
    auto allocation = RangeAllocationMut::of(*object);
    allocation.set_range(range);
    allocation.set_data(encode_bitmap(change.used));
    kvstore::TxnRequest txn;
    kvstore::Compare compare;
    compare.key = std::string(kPortsKey);
    compare.number = at;
    txn.compares.push_back(std::move(compare));
    kvstore::TxnOp put;
    put.kind = kvstore::TxnOp::Kind::kPut;
    put.put.key = std::string(kPortsKey);
    put.put.value = encode_stored(*object);
    txn.success.push_back(std::move(put));
    auto done = CO_TRY(co_await storage_.store().txn(std::move(txn)));
    if (done.succeeded) co_return Result<void>{};
  }
}

Task<Result<int>> ServiceAllocator::claim_port(int port, const std::vector<int>& avoid, bool dry_run) {
  const int first = options_.first_port, size = options_.last_port - first + 1;
  if (port != 0 && (port < first || port > options_.last_port))
    co_return fail(Code::kInvalidArgument,
                   fmt::format("provided port is not in the valid range. The range of valid ports is {}-{}", first, options_.last_port));
  int got = port;
  PortChange change;
  change.change = [&](std::vector<bool>& used) -> Result<bool> {
    if (port != 0) {
      if (used[static_cast<std::size_t>(port - first)]) return fail(Code::kInvalidArgument, "provided port is already allocated");
    } else {
      int start;
      {
        std::lock_guard lock(rng_mu_);
        start = static_cast<int>(rng_.below(static_cast<std::uint64_t>(size)));
      }
      got = 0;
      for (int i = 0; i < size && got == 0; ++i) {
        const int candidate = (start + i) % size;
        if (!used[static_cast<std::size_t>(candidate)] &&
            std::find(avoid.begin(), avoid.end(), first + candidate) == avoid.end())
          got = first + candidate;
      }
      if (got == 0) return fail(errors::internal("failed to allocate a nodePort: range is full"));
    }
    used[static_cast<std::size_t>(got - first)] = true;
    return !dry_run;
  };
  auto done = co_await change_ports(change);
  if (!done) co_return std::unexpected(done.error());
  co_return got;
}

Task<> ServiceAllocator::free_ports(std::vector<int> ports) {
  if (ports.empty()) co_return;
  PortChange change;
  change.change = [&](std::vector<bool>& used) -> Result<bool> {
    bool changed = false;
    for (int port : ports) {
      const auto offset = static_cast<std::size_t>(port - options_.first_port);
      if (port < options_.first_port || port > options_.last_port || !used[offset]) continue;
      used[offset] = false;
      changed = true;
    }
    return changed;
  };
  auto done = co_await change_ports(change);
  if (!done) logger_.warn("node ports were not freed", {{"error", done.error()}});
}

Task<Result<void>> ServiceAllocator::repair() {
  std::set<int> ports;
  std::map<std::string, std::pair<std::string, std::string>> addresses;
  for (auto& version : services_->cache->list("").items) {
    ServiceSpec spec = Service::of(*version->object()).spec();
    for (int port : ports_of(spec)) ports.insert(port);
    if (spec.type() == "ExternalName" || headless(spec)) continue;
    for (auto ip : spec.cluster_ips())
      addresses[std::string(ip)] = {std::string(version->object()->namespace_()), std::string(version->object()->name())};
  }
  PortChange change;
  change.change = [&](std::vector<bool>& used) -> Result<bool> {
    std::vector<bool> wanted(used.size());
    for (int port : ports)
      if (port >= options_.first_port && port <= options_.last_port)
        wanted[static_cast<std::size_t>(port - options_.first_port)] = true;
    if (wanted == used) return false;
    used = wanted;
    return true;
  };
  if (auto ok = co_await change_ports(change); !ok) co_return ok;
  std::vector<std::string> orphans;
  for (auto& version : ip_addresses_->cache->list("").items) {
    auto meta = version->object()->meta();
    if (meta.labels().get("ipaddress.kubernetes.io/managed-by") == "ipallocator.k8s.io" &&
        !addresses.contains(std::string(meta.name())))
      orphans.emplace_back(meta.name());
  }
  co_await free_ips(std::move(orphans));
  for (auto& [ip, owner] : addresses) {
    if (ip_addresses_->cache->get(ip)) continue;
    auto made = co_await claim_ip(ip, owner.first, owner.second, false);
    if (!made) co_return std::unexpected(made.error());
  }
  co_return Result<void>{};
}

}  // namespace keelson::apiserver
