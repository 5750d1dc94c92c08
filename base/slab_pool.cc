#include "base/slab_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

#include "base/check.h"

namespace keelson {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{2} << 20;
constexpr std::size_t kSmallPageChunks = 8;
constexpr std::size_t kEmptyMax = 16;  // slabs that are kept for the next who asks

// The classes: up to each limit, 2^shift bytes apart.
struct Band {
  std::size_t limit;
  unsigned shift;
};
constexpr Band kBands[] = {{512, 3}, {1024, 4}, {2048, 5}, {SlabPool::kBytesMax, 6}};
constexpr std::size_t kClasses = 64 + 3 * 32 + 1;

struct BlockClass {
  std::size_t index;
  std::size_t bytes;
};

BlockClass class_of(std::size_t bytes) {
  std::size_t index = 0;
  std::size_t below = 0;
  for (const Band& band : kBands) {
    if (bytes <= band.limit) {
      const std::size_t steps = ((std::max(bytes, below + 1) - below - 1) >> band.shift) + 1;
      return {index + steps, below + (steps << band.shift)};
    }
    index += (band.limit - below) >> band.shift;
    below = band.limit;
  }
  CHECK(false);
  return {};
}

void* chunk_of(void* slab) {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(slab) & ~(kChunkBytes - 1));
}

// Aligned to its size.
char* map_chunk() {
  void* const mapped =
      ::mmap(nullptr, 2 * kChunkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  char* const begin = static_cast<char*>(mapped);
  char* const chunk = static_cast<char*>(chunk_of(begin + kChunkBytes - 1));
  if (chunk > begin) ::munmap(begin, static_cast<std::size_t>(chunk - begin));
  char* const end = begin + 2 * kChunkBytes;
  if (chunk + kChunkBytes < end) {
    ::munmap(chunk + kChunkBytes, static_cast<std::size_t>(end - chunk) - kChunkBytes);
  }
  return chunk;
}

}  // namespace

struct SlabPool::Slab {
  Slab* next = nullptr;  // in its shard's list of those with room
  Slab* previous = nullptr;
  void* freed = nullptr;       // blocks, each holding the next
  std::uint32_t fresh = 0;     // where what was never used begins
  std::uint32_t used = 0;      // blocks
  std::uint32_t capacity = 0;  // blocks
  std::uint32_t shard = 0;
};

struct alignas(64) SlabPool::Shard {
  void link(Slab* slab, std::size_t index) {
    slab->previous = nullptr;
    slab->next = roomy[index];
    if (slab->next != nullptr) slab->next->previous = slab;
    roomy[index] = slab;
  }
  void unlink(Slab* slab, std::size_t index) {
    (slab->previous != nullptr ? slab->previous->next : roomy[index]) = slab->next;
    if (slab->next != nullptr) slab->next->previous = slab->previous;
  }

  std::mutex mu;
  std::array<Slab*, kClasses> roomy{};
};

SlabPool::SlabPool() : shards_(std::make_unique<std::array<Shard, kShards>>()) {}

SlabPool::~SlabPool() {
  for (void* chunk : chunks_) ::munmap(chunk, kChunkBytes);
}

SlabPool::Shard& SlabPool::my_shard() {
  static std::atomic<std::size_t> threads{0};
  static thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % kShards;
  return (*shards_)[mine];
}

void* SlabPool::allocate(std::size_t bytes) {
  if (bytes > kBytesMax) return ::operator new(bytes);
  const BlockClass c = class_of(bytes);
  Shard& shard = my_shard();
  std::lock_guard lock(shard.mu);
  Slab* slab = shard.roomy[c.index];
  if (slab == nullptr) {
    slab = take_slab();
    slab->fresh = sizeof(Slab);
    slab->capacity = static_cast<std::uint32_t>((kSlabBytes - sizeof(Slab)) / c.bytes);
    slab->shard = static_cast<std::uint32_t>(&shard - shards_->data());
    shard.link(slab, c.index);
  }
  void* block = slab->freed;
  if (block != nullptr) {
    slab->freed = *static_cast<void**>(block);
  } else {
    block = reinterpret_cast<char*>(slab) + slab->fresh;
    slab->fresh += static_cast<std::uint32_t>(c.bytes);
  }
  if (++slab->used == slab->capacity) shard.unlink(slab, c.index);
  return block;
}

void SlabPool::free(void* block, std::size_t bytes) {
  if (bytes > kBytesMax) {
    ::operator delete(block);
    return;
  }
  const BlockClass c = class_of(bytes);
  auto* slab = reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(block) & ~(kSlabBytes - 1));
  {
    Shard& shard = (*shards_)[slab->shard];
    std::lock_guard lock(shard.mu);
    *static_cast<void**>(block) = std::exchange(slab->freed, block);
    if (slab->used-- == slab->capacity) shard.link(slab, c.index);
    if (slab->used > 0) return;
    shard.unlink(slab, c.index);
  }
  give_back(slab);
}

SlabPool::Slab* SlabPool::take_slab() {
  std::lock_guard lock(mu_);
  if (empty_.empty() && released_.empty()) {
    char* const chunk = map_chunk();
    chunks_.push_back(chunk);
    if (chunks_.size() > kSmallPageChunks) ::madvise(chunk, kChunkBytes, MADV_HUGEPAGE);
    for (std::size_t at = kChunkBytes; at > 0; at -= kSlabBytes) released_.push_back(chunk + at - kSlabBytes);
  }
  auto& from = empty_.empty() ? released_ : empty_;
  void* const memory = from.back();
  from.pop_back();
  slabs_.fetch_add(1, std::memory_order_relaxed);
  return new (memory) Slab;
}

void SlabPool::give_back(Slab* slab) {
  slabs_.fetch_sub(1, std::memory_order_relaxed);
  std::unique_lock lock(mu_);
  if (empty_.size() < kEmptyMax) {
    empty_.push_back(slab);
    return;
  }
  lock.unlock();
  // Else the kernel would make one huge page of it again.
  ::madvise(chunk_of(slab), kChunkBytes, MADV_NOHUGEPAGE);
  ::madvise(slab, kSlabBytes, MADV_DONTNEED);
  lock.lock();
  released_.push_back(slab);
}

}  // namespace keelson
