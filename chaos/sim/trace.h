// Trace: what a world did, for people (lines, only when wanted) and as a number that two runs of one seed
// must share (always).
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "base/clock.h"
#include "raft/core/message.h"

namespace keelson::sim {

class Trace {
 public:
  // `file`: where lines go; null: nowhere. Not owned.
  explicit Trace(std::FILE* file) : file_(file) {}
  bool on() const { return file_ != nullptr; }
  // Writes one line. Make the text only when on().
  void line(MonoTime now, const std::string& who, const std::string& text);
  // Folds a number into the digest.
  void fold(std::uint64_t v) { digest_ = (digest_ ^ v) * 0x100000001b3ULL + (digest_ >> 29); }
  std::uint64_t digest() const { return digest_; }

 private:
  std::FILE* file_;
  std::uint64_t digest_ = 0xcbf29ce484222325ULL;
};

// "append 3:17..19 commit 16"
std::string describe(const raft::Message& m);

}  // namespace keelson::sim
