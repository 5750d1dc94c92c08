#include "base/slab_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "kvstore/mvcc/item.h"

namespace keelson::kvstore {
namespace {

struct Block {
  char* at;
  std::size_t bytes;
  unsigned char fill;
  bool sound() const {
    for (std::size_t i = 0; i < bytes; ++i) {
      if (static_cast<unsigned char>(at[i]) != fill) return false;
    }
    return true;
  }
};

Block make(SlabPool& pool, Rng& rng, std::size_t bytes_max) {
  Block b{nullptr, rng.below(bytes_max), static_cast<unsigned char>(rng.below(256))};
  b.at = static_cast<char*>(pool.allocate(b.bytes));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.at) % 8, 0U);
  if (b.bytes > 0) std::memset(b.at, b.fill, b.bytes);
  return b;
}

// Blocks of all sizes come and go in any order; none lies upon another.
void churn(SlabPool& pool, std::uint64_t seed, std::vector<Block>& blocks, std::size_t steps) {
  Rng rng(seed);
  for (std::size_t i = 0; i < steps; ++i) {
    if (blocks.empty() || rng.below(5) < 3) {
      blocks.push_back(make(pool, rng, rng.below(4) == 0 ? SlabPool::kBytesMax + 200 : 400));
      continue;
    }
    std::swap(blocks[rng.below(blocks.size())], blocks.back());
    ASSERT_TRUE(blocks.back().sound());
    pool.free(blocks.back().at, blocks.back().bytes);
    blocks.pop_back();
  }
}

TEST(SlabPool, BlocksKeepWhatIsInThem) {
  SlabPool pool;
  std::vector<Block> blocks;
  churn(pool, 1, blocks, 30000);
  for (const Block& b : blocks) {
    EXPECT_TRUE(b.sound());
    pool.free(b.at, b.bytes);
  }
  EXPECT_EQ(pool.slabs(), 0U);
}

TEST(SlabPool, EmptySlabsServeOtherSizes) {
  SlabPool pool;
  constexpr std::size_t kBlocks = 20000;
  std::vector<void*> blocks(kBlocks);
  std::size_t most = 0;
  for (std::size_t bytes : {336, 352, 40, 336}) {
    for (void*& b : blocks) std::memset(b = pool.allocate(bytes), 1, bytes);
    EXPECT_LE(pool.slabs(), kBlocks * bytes * 102 / 100 / SlabPool::kSlabBytes + 1);
    most = std::max(most, pool.slabs());
    for (void* b : blocks) pool.free(b, bytes);
    EXPECT_EQ(pool.slabs(), 0U);
  }
}

TEST(SlabPool, ThreadsFreeWhatOthersMade) {
  SlabPool pool;
  constexpr std::size_t kThreads = 6;
  std::vector<Block> blocks[kThreads];
  const auto on_all = [&](auto work) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back([&work, i] { work(i); });
    for (auto& t : threads) t.join();
  };
  on_all([&](std::size_t i) { churn(pool, i, blocks[i], 4000); });
  on_all([&](std::size_t i) { churn(pool, 10 + i, blocks[(i + 1) % kThreads], 4000); });
  on_all([&](std::size_t i) {
    for (const Block& b : blocks[i]) pool.free(b.at, b.bytes);
  });
  EXPECT_EQ(pool.slabs(), 0U);
}

// What an Item was made of is what it gives back, in whichever shape it holds it.
TEST(Item, HoldsWhatItWasMadeOf) {
  const std::int64_t numbers[] = {0, 1, 2, 4096, (1 << 24) - 1, 1 << 24, std::int64_t{1} << 40, INT64_MAX};
  Rng rng(7);
  const auto any = [&] { return numbers[rng.below(std::size(numbers))]; };
  for (int i = 0; i < 20000; ++i) {
    ItemFields f;
    f.rev = {any(), static_cast<std::uint32_t>(any())};
    f.create = rng.below(2) == 0 ? f.rev.main : any();
    f.version = rng.below(2) == 0 ? 1 : any();
    f.lease = rng.below(2) == 0 ? 0 : any() - 4096;
    f.tombstone = rng.below(4) == 0;
    f.follows = rng.below(2) == 0;
    const std::string key(rng.below(100) == 0 ? 5000 : rng.below(80), 'k');
    const std::string value(f.tombstone ? 0 : rng.below(300), 'v');
    const ItemPtr item = Item::make(f, key, value);
    EXPECT_EQ(item->rev(), f.rev);
    EXPECT_EQ(item->create(), f.create);
    EXPECT_EQ(item->version(), f.version);
    EXPECT_EQ(item->lease(), f.lease);
    EXPECT_EQ(item->tombstone(), f.tombstone);
    EXPECT_EQ(item->follows(), f.follows || f.tombstone || f.version > 1);
    EXPECT_EQ(item->older(), nullptr);
    ASSERT_EQ(item->key(), key);
    ASSERT_EQ(item->value(), value);
  }
}

}  // namespace
}  // namespace keelson::kvstore
