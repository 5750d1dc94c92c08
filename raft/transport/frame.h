// The framing of peer streams (docs/formats/peer_protocol.md): frames of `length u32 · bytes`, little endian.
// Internal to raft/transport.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace keelson::raft {

// An entry has at most 16 MiB, an append about 1 MiB or one entry.
inline constexpr std::size_t kFrameMax = std::size_t{64} << 20;
inline constexpr std::size_t kFrameHeader = 4;

// Opens a frame at the end of `out`; end_frame() puts the length of what was written since.
std::size_t begin_frame(std::string& out);
void end_frame(std::string& out, std::size_t mark);

// Cuts frames out of a byte stream. Frames that lie in one piece share its memory.
class FrameReader {
 public:
  void append(std::string piece);
  // The next whole frame; nullopt when more bytes are needed. kResourceExhausted when it is longer than
  // kFrameMax: nothing after it can be read.
  Result<std::optional<Bytes>> next();

 private:
  Bytes piece_;  // not yet cut, from pos_ on; only when partial_ is empty
  std::size_t pos_ = 0;
  std::string partial_;  // the beginning of a frame that continues in later pieces
};

// A part of a snapshot: `offset u64 · crc32c u32 of the data · data`. No data: the end, at `offset`.
struct SnapshotChunk {
  std::uint64_t offset = 0;
  std::string_view data;
};
void append_chunk(std::string& out, const SnapshotChunk& chunk);
// kDataLoss when the checksum does not match or it is too short. The data is a view into `frame`.
Result<SnapshotChunk> read_chunk(std::string_view frame);

}  // namespace keelson::raft
