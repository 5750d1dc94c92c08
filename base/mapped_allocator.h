// MappedAllocator: for large arrays that do not live long: of huge pages where there are such, and given back
// to the system when freed. Thread rule: any thread.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace keelson {

template <class T>
struct MappedAllocator {
  using value_type = T;
  static constexpr std::size_t kBytesMin = std::size_t{1} << 20;  // smaller ones are malloc's

  MappedAllocator() = default;
  template <class U>
  MappedAllocator(const MappedAllocator<U>&) {}

  T* allocate(std::size_t n) {
    const std::size_t bytes = n * sizeof(T);
    if (bytes < kBytesMin) return static_cast<T*>(::operator new(bytes));
    void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    ::madvise(at, bytes, MADV_HUGEPAGE);
    return static_cast<T*>(at);
  }
  void deallocate(T* at, std::size_t n) {
    if (n * sizeof(T) < kBytesMin) {
      ::operator delete(at);
    } else {
      ::munmap(at, n * sizeof(T));
    }
  }
  bool operator==(const MappedAllocator&) const = default;
};

}  // namespace keelson
