// Rng: the one source of randomness, injected by constructor. Same seed, same numbers, on every machine and
// standard library (std distributions differ by library). Not for secrets: use base/crypto.h for those.
// Thread rule: not thread-safe; give each owner its own (fork()).
#pragma once

#include <cstdint>
#include <string>

namespace keelson {

class Rng {
 public:
  explicit Rng(std::uint64_t seed);
  std::uint64_t next();
  // Uniform in [0, bound). REQUIRES: bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [lo, hi]. REQUIRES: lo <= hi.
  std::int64_t between(std::int64_t lo, std::int64_t hi);
  // Uniform in [0, 1).
  double unit();
  // An independent generator whose seed is drawn from this one.
  Rng fork() { return Rng(next()); }
  // `n` characters of the alphabet Kubernetes uses for generated names (no vowels, no 0 1 3).
  std::string name_suffix(std::size_t n);
  // RFC 4122 version 4 UUID as text.
  std::string uuid();

 private:
  std::uint64_t s_[4];
};

// A seed from the operating system: for production wiring in cmd/ only.
std::uint64_t os_entropy();

}  // namespace keelson
