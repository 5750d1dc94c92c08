#include "raft/wal/format.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace keelson::raft::wal {

static_assert(std::endian::native == std::endian::little, "the log is written in the machine's byte order");

bool all_zero(std::string_view s) {
  return s.empty() || (s[0] == '\0' && std::memcmp(s.data(), s.data() + 1, s.size() - 1) == 0);
}

void write_batch_header(char* to, const BatchHeader& h) {
  set32(to, kBatchMagic);
  set64(to + 8, h.synced);
  set32(to + 16, h.size);
  set32(to + 20, h.count);
  set32(to + 24, h.chain);
  set32(to + 28, h.tail);
  set32(to + 4, crc32c(0, std::string_view(to + 8, kBatchHeader - 8)));
}

bool read_batch_header(std::string_view bytes, BatchHeader& h) {
  if (bytes.size() < kBatchHeader || get32(bytes.data()) != kBatchMagic) return false;
  if (get32(bytes.data() + 4) != crc32c(0, bytes.substr(8, kBatchHeader - 8))) return false;
  h.synced = get64(bytes.data() + 8);
  h.size = get32(bytes.data() + 16);
  h.count = get32(bytes.data() + 20);
  h.chain = get32(bytes.data() + 24);
  h.tail = get32(bytes.data() + 28);
  return h.size % 8 == 0 && h.count > 0 && h.size / kRecordHeader >= h.count;
}

std::string segment_header(const SegmentHeader& h) {
  std::string out(h.fresh ? kFreshMagic : kSegmentMagic);
  out.resize(kSegmentHeader);
  set64(out.data() + 8, h.sequence);
  set32(out.data() + 16, h.chain);
  set32(out.data() + 20, crc32c(0, std::string_view(out).substr(0, 20)));
  return out;
}

bool read_segment_header(std::string_view bytes, SegmentHeader& h) {
  if (bytes.size() < kSegmentHeader) return false;
  h.fresh = bytes.substr(0, 8) == kFreshMagic;
  if (!h.fresh && bytes.substr(0, 8) != kSegmentMagic) return false;
  if (get32(bytes.data() + 20) != crc32c(0, bytes.substr(0, 20))) return false;
  if (!all_zero(bytes.substr(24, kSegmentHeader - 24))) return false;
  h.sequence = get64(bytes.data() + 8);
  h.chain = get32(bytes.data() + 16);
  return true;
}

std::uint32_t append_record(std::string& out, RecordType type, std::string_view head, std::string_view tail,
                            std::uint32_t chain) {
  const std::size_t payload = head.size() + tail.size();
  CHECK(payload <= kPayloadMax);
  char header[kRecordHeader];
  set32(header + 4, static_cast<std::uint32_t>(type) | static_cast<std::uint32_t>(payload) << 8);
  chain = crc32c(chain, std::string_view(header + 4, 4));
  chain = crc32c(chain, head);
  chain = crc32c(chain, tail);
  set32(header, chain);
  out.append(header, kRecordHeader).append(head).append(tail);
  out.append(round_up(payload, 8) - payload, '\0');
  return chain;
}

bool read_record(std::string_view bytes, std::uint32_t& chain, Record& record) {
  if (bytes.size() < kRecordHeader) return false;
  const std::uint32_t word = get32(bytes.data() + 4);
  const std::size_t payload = word >> 8;
  const std::size_t size = kRecordHeader + round_up(payload, 8);
  if (bytes.size() < size) return false;
  const std::uint32_t crc = crc32c(chain, bytes.substr(4, 4 + payload));
  if (crc != get32(bytes.data())) return false;
  if (!all_zero(bytes.substr(kRecordHeader + payload, size - kRecordHeader - payload))) return false;
  record.type = static_cast<RecordType>(word & 0xff);
  record.payload = bytes.substr(kRecordHeader, payload);
  record.size = size;
  chain = crc;
  return true;
}

}  // namespace keelson::raft::wal
