#include "raft/transport/frame.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace keelson::raft {

static_assert(std::endian::native == std::endian::little, "frames are written in the machine's byte order");

namespace {

template <class N>
N get(const char* p) {
  N v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class N>
void put(std::string& out, N v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

constexpr std::size_t kChunkHeader = 12;

}  // namespace

std::size_t begin_frame(std::string& out) {
  const std::size_t mark = out.size();
  out.append(kFrameHeader, '\0');
  return mark;
}

void end_frame(std::string& out, std::size_t mark) {
  const std::size_t n = out.size() - mark - kFrameHeader;
  CHECK(n <= kFrameMax);
  const auto length = static_cast<std::uint32_t>(n);
  std::memcpy(out.data() + mark, &length, sizeof length);
}

void FrameReader::append(std::string piece) {
  if (!partial_.empty()) {
    partial_ += piece;
    return;
  }
  if (pos_ < piece_.size()) {
    partial_.assign(piece_.view().substr(pos_));
    partial_ += piece;
    piece_ = Bytes();
    pos_ = 0;
    return;
  }
  piece_ = Bytes(std::move(piece));
  pos_ = 0;
}

Result<std::optional<Bytes>> FrameReader::next() {
  if (!partial_.empty()) {
    if (partial_.size() < kFrameHeader) return std::nullopt;
    const std::size_t n = get<std::uint32_t>(partial_.data());
    if (n > kFrameMax) return fail(Code::kResourceExhausted, "a frame of " + std::to_string(n) + " bytes");
    if (partial_.size() < kFrameHeader + n) {
      partial_.reserve(kFrameHeader + n);
      return std::nullopt;
    }
    piece_ = Bytes(std::exchange(partial_, std::string()));
    pos_ = 0;
  }
  const std::string_view rest = piece_.view().substr(pos_);
  if (rest.size() < kFrameHeader) return std::nullopt;
  const std::size_t n = get<std::uint32_t>(rest.data());
  if (n > kFrameMax) return fail(Code::kResourceExhausted, "a frame of " + std::to_string(n) + " bytes");
  if (rest.size() < kFrameHeader + n) return std::nullopt;
  Bytes frame = piece_.slice(pos_ + kFrameHeader, n);
  pos_ += kFrameHeader + n;
  return frame;
}

void append_chunk(std::string& out, const SnapshotChunk& chunk) {
  const std::size_t mark = begin_frame(out);
  put<std::uint64_t>(out, chunk.offset);
  put<std::uint32_t>(out, crc32c(0, chunk.data));
  out.append(chunk.data);
  end_frame(out, mark);
}

Result<SnapshotChunk> read_chunk(std::string_view frame) {
  if (frame.size() < kChunkHeader) return fail(Code::kDataLoss, "a snapshot chunk is cut off");
  const SnapshotChunk chunk{get<std::uint64_t>(frame.data()), frame.substr(kChunkHeader)};
  if (crc32c(0, chunk.data) != get<std::uint32_t>(frame.data() + 8)) {
    return fail(Code::kDataLoss, "a snapshot chunk at offset " + std::to_string(chunk.offset) +
                                     " does not match its checksum");
  }
  return chunk;
}

}  // namespace keelson::raft
