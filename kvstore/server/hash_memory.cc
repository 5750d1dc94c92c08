#include "kvstore/server/hash_memory.h"

#include "base/process.h"
#include "kvstore/server/snapshot_file.h"

namespace keelson::kvstore {
namespace {
constexpr std::size_t kHashesMax = 10;  // etcd's
}  // namespace

HashMemory::Hold HashMemory::begin(Revision revision) {
  std::lock_guard lock(mu_);
  hashes_.try_emplace(revision);
  return std::make_shared<std::atomic<bool>>(true);
}

void HashMemory::compute(const MvccPtr& mvcc, Revision before, Revision revision, const Hold& hold) {
  lower_thread_priority();
  auto pictures = matching_pictures(*mvcc->backend, *mvcc->state);
  hold->store(false, std::memory_order_release);
  // A later compaction may have dropped what this one had to see.
  const bool ours = pictures && pictures->snapshot->meta().compacted == revision;
  auto hash = ours ? hash_versions(*pictures, before, revision) : fail(Code::kUnavailable, "too late");
  finish(revision, hash ? std::optional(*hash) : std::nullopt);
}

void HashMemory::finish(Revision revision, std::optional<HashKv> hash) {
  std::shared_ptr<AsyncEvent> done;
  {
    std::lock_guard lock(mu_);
    const auto it = hashes_.find(revision);
    done = it->second.done;
    it->second.hash = hash;
    if (!hash) hashes_.erase(it);
    if (hashes_.size() > kHashesMax && hashes_.begin()->second.hash) hashes_.erase(hashes_.begin());
  }
  done->set();
}

Task<std::optional<HashKv>> HashMemory::find(Revision revision) {
  std::shared_ptr<AsyncEvent> done;
  {
    std::lock_guard lock(mu_);
    const auto it = hashes_.find(revision);
    if (it == hashes_.end()) co_return std::nullopt;
    if (it->second.hash) co_return it->second.hash;
    done = it->second.done;
  }
  co_await done->wait();
  std::lock_guard lock(mu_);
  const auto it = hashes_.find(revision);
  co_return it == hashes_.end() ? std::nullopt : it->second.hash;
}

}  // namespace keelson::kvstore
