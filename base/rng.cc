#include "base/rng.h"

#include <fcntl.h>
#include <sys/random.h>

#include "base/check.h"

namespace keelson {
namespace {
std::uint64_t rotl(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
}  // namespace

// State is filled by SplitMix64 and stepped by xoshiro256** (Blackman & Vigna 2018).
Rng::Rng(std::uint64_t seed) {
  for (auto& word : s_) {
    seed += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    word = z ^ (z >> 31);
  }
}

std::uint64_t Rng::next() {
  const std::uint64_t result = rotl(s_[1] * 5, 7) * 9;
  const std::uint64_t t = s_[1] << 17;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= t;
  s_[3] = rotl(s_[3], 45);
  return result;
}

std::uint64_t Rng::below(std::uint64_t bound) {
  CHECK(bound > 0);
  const std::uint64_t threshold = -bound % bound;
  for (;;) {
    const std::uint64_t r = next();
    if (r >= threshold) return r % bound;
  }
}

std::int64_t Rng::between(std::int64_t lo, std::int64_t hi) {
  CHECK(lo <= hi);
  const std::uint64_t span = static_cast<std::uint64_t>(hi) - static_cast<std::uint64_t>(lo) + 1;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(lo) + (span == 0 ? next() : below(span)));
}

double Rng::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::string Rng::name_suffix(std::size_t n) {
  static constexpr char kAlphabet[] = "bcdfghjklmnpqrstvwxz2456789";
  std::string s(n, '\0');
  for (auto& c : s) c = kAlphabet[below(sizeof(kAlphabet) - 1)];
  return s;
}

std::string Rng::uuid() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::uint64_t a = (next() & ~0xf000ULL) | 0x4000ULL;
  std::uint64_t b = (next() & ~(0xc000ULL << 48)) | (0x8000ULL << 48);
  std::string s;
  s.reserve(36);
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) s.push_back('-');
    const std::uint64_t word = i < 16 ? a : b;
    s.push_back(kHex[(word >> (60 - 4 * (i % 16))) & 0xf]);
  }
  return s;
}

std::uint64_t os_entropy() {
  std::uint64_t v = 0;
  CHECK(::getrandom(&v, sizeof v, 0) == static_cast<ssize_t>(sizeof v));
  return v;
}

}  // namespace keelson
