// The bytes of the write-ahead log (docs/formats/wal.md says the same for readers of other languages). Little
// endian.
//
//   segment   := header (512 bytes) batch* zeros…            preallocated, zero-filled
//   batch     := padding batch-header record{count}           written by one write, then synced
//   record    := crc32c u32 | type u8 << 24 + … see below
//
// Segment header, at 0:
//   0 magic "KEELWAL\x01" · 8 sequence u64 (from 1) · 16 chain u32: CRC at the end of the segment before · 20
//   crc32c u32 of bytes [0, 20) · the rest of the 512 bytes is zero
//   Magic "KEELWAL\x02": the log starts anew here (an installed snapshot, a repair): segments before it are
//   void and may be gone; chain is 0.
//
// Batch header (32 bytes), at a multiple of 8, never across a multiple of 512 (the padding before it is
// zero):
//   0 magic u32 · 4 crc32c u32 of bytes [8, 32) · 8 synced u64: offset in this segment up to which all was
//   durable before this batch was written · 16 size u32: of the records, in bytes · 20 count u32 · 24 chain
//   u32: CRC of the record before · 28 tail u32: CRC of this batch's last record
//
// Record (header 8 bytes), at a multiple of 8, padded with zeros to a multiple of 8:
//   0 crc32c u32, of the record before (chained over all segments) continued over bytes [4, 8) and the
//   payload · 4 type u8 · 5 payload size u24, little endian · 8 payload
// Payloads:
//   1 entry        term u64 · index u64 · data      replaces what had this index or a higher one
//   2 hard state   term u64 · vote u64 · commit u64 [· index of the newest membership record u64]
//   3 membership   index u64 · bytes (raft's encoding)
//   4 truncate     index u64: entries with a higher index are void
//   5 prefix drop  index u64 · term u64: entries up to here are not needed any more; the term is of the entry
//                  at `index`
//   6 seal         nothing: the segment ends here, another follows
//   7 entry of a configuration change: as 1
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace keelson::raft::wal {

inline constexpr std::size_t kSector = 512;
inline constexpr std::size_t kSegmentHeader = 512;
inline constexpr std::size_t kBatchHeader = 32;
inline constexpr std::size_t kRecordHeader = 8;
inline constexpr std::size_t kPayloadMax = (std::size_t{1} << 24) - 1;
inline constexpr std::uint32_t kBatchMagic = 0x5442574b;  // "KWBT"
inline constexpr std::string_view kSegmentMagic{"KEELWAL\x01", 8};
inline constexpr std::string_view kFreshMagic{"KEELWAL\x02", 8};

enum class RecordType : std::uint8_t {
  kEntry = 1,
  kHardState = 2,
  kMembership = 3,
  kTruncate = 4,
  kPrefixDrop = 5,
  kSeal = 6,
  kConfChangeEntry = 7,
};

inline std::uint32_t get32(const char* p) {
  std::uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
inline std::uint64_t get64(const char* p) {
  std::uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}
inline void set32(char* p, std::uint32_t v) {
  std::memcpy(p, &v, 4);
}
inline void set64(char* p, std::uint64_t v) {
  std::memcpy(p, &v, 8);
}
inline void put64(std::string& out, std::uint64_t v) {
  out.append(reinterpret_cast<const char*>(&v), 8);
}
inline constexpr std::size_t round_up(std::size_t n, std::size_t to) {
  return (n + to - 1) / to * to;
}

bool all_zero(std::string_view s);

// Where a batch may start that would otherwise start at `offset`.
inline constexpr std::size_t batch_start(std::size_t offset) {
  offset = round_up(offset, 8);
  return offset % kSector + kBatchHeader > kSector ? round_up(offset, kSector) : offset;
}

struct BatchHeader {
  std::uint64_t synced = 0;
  std::uint32_t size = 0;
  std::uint32_t count = 0;
  std::uint32_t chain = 0;
  std::uint32_t tail = 0;
};
void write_batch_header(char* to, const BatchHeader& h);
// False when these 32 bytes are no whole batch header.
bool read_batch_header(std::string_view bytes, BatchHeader& h);

struct SegmentHeader {
  std::uint64_t sequence = 0;
  std::uint32_t chain = 0;
  bool fresh = false;  // the log starts anew here
};
std::string segment_header(const SegmentHeader& h);
// False when these 512 bytes are no whole segment header.
bool read_segment_header(std::string_view bytes, SegmentHeader& h);

// Appends one record, padding included, to `out`. Returns the new chain value. REQUIRES: payload <=
// kPayloadMax.
std::uint32_t append_record(std::string& out, RecordType type, std::string_view head, std::string_view tail,
                            std::uint32_t chain);

struct Record {
  RecordType type{};
  std::string_view payload;
  std::size_t size = 0;  // with header and padding
};
// The record at the start of `bytes`; advances `chain`. False when it is not whole or not intact (its padding
// too).
bool read_record(std::string_view bytes, std::uint32_t& chain, Record& record);

}  // namespace keelson::raft::wal
