#include "kvstore/server/hash_memory.h"

#include "kvstore/server/snapshot_file.h"

namespace keelson::kvstore {
namespace {
constexpr std::size_t kHashesMax = 10;  // etcd's
// About a tenth of a core.
constexpr std::size_t kVersionsAtOnce = 512;
constexpr Duration kPause = std::chrono::milliseconds(2);
}  // namespace

HashMemory::Hold HashMemory::begin(Revision revision) {
  std::lock_guard lock(mu_);
  hashes_.try_emplace(revision);
  return std::make_shared<std::atomic<bool>>(true);
}

// Tells those who wait, whatever happens.
class HashMemory::Computation {
 public:
  Computation(std::shared_ptr<HashMemory> memory, Revision revision, Hold hold)
      : memory_(std::move(memory)), revision_(revision), hold_(std::move(hold)) {}
  ~Computation() {
    release();
    memory_->finish(revision_, hash);
  }
  Computation(const Computation&) = delete;
  Computation& operator=(const Computation&) = delete;
  Revision revision() const { return revision_; }
  bool wanted() const { return memory_->wanted(revision_); }
  void release() { hold_->store(false, std::memory_order_release); }
  std::optional<HashKv> hash;

 private:
  const std::shared_ptr<HashMemory> memory_;
  const Revision revision_;
  const Hold hold_;
};

Task<> HashMemory::compute(std::shared_ptr<HashMemory> self, Clock& clock, MvccPtr mvcc, Revision before,
                           Revision revision, Hold hold) {
  return run(std::make_unique<Computation>(std::move(self), revision, std::move(hold)), clock,
             std::move(mvcc), before);
}

Task<> HashMemory::run(std::unique_ptr<Computation> computation, Clock& clock, MvccPtr mvcc,
                       Revision before) {
  const Revision revision = computation->revision();
  auto pictures = matching_pictures(*mvcc->backend, *mvcc->state);
  computation->release();
  // A later compaction may have dropped what this one had to see.
  if (!pictures || pictures->snapshot->meta().compacted != revision) co_return;
  VersionHash hash(std::move(*pictures), before, revision);
  for (;;) {
    const auto more = hash.next(kVersionsAtOnce);
    if (!more) co_return;
    if (!*more) break;
    co_await clock.sleep_for(computation->wanted() ? Duration::zero() : kPause);
  }
  computation->hash = hash.hash();
}

bool HashMemory::wanted(Revision revision) const {
  std::lock_guard lock(mu_);
  const auto it = hashes_.find(revision);
  return it != hashes_.end() && it->second.wanted;
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
    it->second.wanted = true;
  }
  co_await done->wait();
  std::lock_guard lock(mu_);
  const auto it = hashes_.find(revision);
  co_return it == hashes_.end() ? std::nullopt : it->second.hash;
}

}  // namespace keelson::kvstore
