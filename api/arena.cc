#include "api/arena.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::api {

Arena::~Arena() {
  while (chunks_ != nullptr) {
    Chunk* next = chunks_->next;
    std::free(chunks_);
    chunks_ = next;
  }
}

void* Arena::grow(std::size_t size) {
  const std::size_t total = std::max(next_chunk_, size) + sizeof(Chunk) + 8;
  auto* chunk = static_cast<Chunk*>(std::malloc(total));
  CHECK(chunk != nullptr);
  chunk->next = chunks_;
  chunks_ = chunk;
  bytes_ += total;
  // A first chunk that was nearly enough must not cost as much again; large arenas still grow geometrically.
  next_chunk_ = std::clamp<std::size_t>(bytes_ / 4, 1024, 1 << 20);
  char* at = reinterpret_cast<char*>(chunk + 1);
  cur_ = at + size;
  end_ = reinterpret_cast<char*>(chunk) + total;
  return at;
}

}  // namespace keelson::api
