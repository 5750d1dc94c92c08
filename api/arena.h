// Arena: the memory of one Object. Bump allocation; everything is freed at once. Nothing in it has a
// destructor. Thread rule: one writer; readers of frozen memory may be many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace keelson::api {

class Arena {
 public:
  // `first_chunk`: a guess of the bytes needed; the arena grows beyond it.
  explicit Arena(std::size_t first_chunk = 1024) : next_chunk_(first_chunk) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `size` bytes, aligned to 8, not cleared.
  void* alloc(std::size_t size) {
    const std::size_t pad = (0 - reinterpret_cast<std::uintptr_t>(cur_)) & 7;
    if (pad + size > static_cast<std::size_t>(end_ - cur_)) [[unlikely]]
      return grow(size);
    char* at = cur_ + pad;
    cur_ = at + size;
    return at;
  }
  // `size` bytes for text, not aligned, not cleared.
  char* alloc_text(std::size_t size) {
    if (size > static_cast<std::size_t>(end_ - cur_)) [[unlikely]]
      return static_cast<char*>(grow(size));
    char* at = cur_;
    cur_ += size;
    return at;
  }
  // Gives back the unused tail of the newest alloc_text of `size` bytes, of which `used` are kept.
  void shrink_text(char* text, std::size_t size, std::size_t used) {
    if (text + size == cur_) cur_ = text + used;
  }
  std::string_view copy(std::string_view text) {
    char* at = alloc_text(text.size());
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    return {at, text.size()};
  }
  // Bytes taken from the system.
  std::size_t bytes() const { return bytes_; }
  // Bytes handed out (with alignment), for measuring.
  std::size_t used() const { return bytes_ - static_cast<std::size_t>(end_ - cur_); }

 private:
  struct Chunk {
    Chunk* next;
  };
  void* grow(std::size_t size);

  char* cur_ = nullptr;
  char* end_ = nullptr;
  Chunk* chunks_ = nullptr;
  std::size_t next_chunk_;
  std::size_t bytes_ = 0;
};

}  // namespace keelson::api
