// SlabPool: memory for millions of small things of like size: no more than about 2 % is lost to rounding, and
// what is no longer used goes back to the system slab by slab.
//
//   chunk (2 MiB of the address space, never given back) = 32 slabs
//   slab  (64 KiB) = header, blocks of one class; belongs to one shard, or is empty and anybody's
//   shard = a lock and, per class, the slabs that have room; each thread allocates from one of a few
//
// Classes are 8 bytes apart for small blocks, and further for larger ones. Once some chunks are in use, new
// ones ask for huge pages: a store that loads a million keys would otherwise spend a fifth of its time in
// page faults. A chunk of which a slab is given back asks for small ones again, so that it stays given back.
//
// Thread rule: any thread; a block may be freed by another thread than its maker.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace keelson {

class SlabPool {
 public:
  // Larger blocks are malloc's.
  static constexpr std::size_t kBytesMax = 4096;
  static constexpr std::size_t kSlabBytes = std::size_t{64} << 10;

  SlabPool();
  // REQUIRES: no block is in use.
  ~SlabPool();
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;

  // Aligned to 8 bytes.
  void* allocate(std::size_t bytes);
  // `bytes` as they were asked for.
  void free(void* block, std::size_t bytes);

  // Slabs that hold blocks, or wait for some.
  std::size_t slabs() const { return slabs_.load(std::memory_order_relaxed); }

 private:
  struct Slab;
  struct Shard;
  static constexpr std::size_t kShards = 4;

  Shard& my_shard();
  Slab* take_slab();
  void give_back(Slab* slab);

  std::unique_ptr<std::array<Shard, kShards>> shards_;
  std::atomic<std::size_t> slabs_{0};

  std::mutex mu_;
  std::vector<void*> chunks_;
  std::vector<void*> empty_;     // slabs whose memory may still be there
  std::vector<void*> released_;  // slabs whose memory the system has
};

}  // namespace keelson
