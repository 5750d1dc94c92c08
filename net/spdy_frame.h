// SPDY/3.1 frames: bytes to frames and back, with zlib header compression. Pure: no I/O. See net/spdy.h for
// sessions.
//
//   control  |1| version 15 | type 16 | flags 8 | length 24 | payload…      data  |0| stream 31 | flags 8 |
//   length 24 | bytes…
//
// Header blocks of one direction share one zlib stream (draft-mbelshe-httpbis-spdy-00 §2.6.10), so every
// block must be encoded and decoded in wire order, also those of streams that are refused.
//
// Thread rule: not thread-safe; one coder per direction of a connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http.h"

namespace keelson::net {

enum class SpdyType : std::uint16_t {
  kData = 0,  // ours: data frames carry no type
  kSynStream = 1,
  kSynReply = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kHeaders = 8,
  kWindowUpdate = 9,
};

enum class SpdyReset : std::uint32_t {
  kProtocolError = 1,
  kInvalidStream = 2,
  kRefusedStream = 3,
  kUnsupportedVersion = 4,
  kCancel = 5,
  kInternalError = 6,
};

// `value` is the status of RST_STREAM and GOAWAY, the id of PING, the delta of WINDOW_UPDATE. `data` is a
// view into the decoder, valid until its next call. A data frame may be delivered in several pieces, of which
// the last carries `fin`.
struct SpdyFrame {
  SpdyType type = SpdyType::kData;
  bool fin = false;
  std::uint32_t stream_id = 0;
  std::uint32_t value = 0;
  Headers headers;
  std::string_view data;
};

class SpdyDecoder {
 public:
  // Bounds: a control frame's payload, and what its header block may inflate to. Data frames need no bound.
  static constexpr std::size_t kMaxControlBytes = 64 * 1024;
  static constexpr std::size_t kMaxHeaderBytes = 256 * 1024;

  SpdyDecoder();
  ~SpdyDecoder();
  SpdyDecoder(const SpdyDecoder&) = delete;
  SpdyDecoder& operator=(const SpdyDecoder&) = delete;

  // Takes more bytes of the connection. REQUIRES: next() has answered nullopt since the last feed().
  void feed(std::string_view bytes);
  // The next frame (or piece of a data frame), nullopt when more bytes are needed. Unknown control frames are
  // skipped. kInvalidArgument for bytes that are no SPDY/3; the decoder is then unusable.
  Result<std::optional<SpdyFrame>> next();

 private:
  struct Inflater;
  Result<SpdyFrame> control(SpdyType type, std::uint8_t flags, std::string_view payload);
  Result<Headers> header_block(std::string_view compressed);

  std::string buffer_;
  std::size_t start_ = 0;  // buffer_[start_..) is not yet decoded
  std::uint32_t data_left_ = 0;
  bool in_data_ = false;
  bool data_fin_ = false;
  std::uint32_t data_stream_ = 0;
  std::unique_ptr<Inflater> inflater_;
};

// Appends frames to `out`. Header names must be lower-case (net::Headers are).
class SpdyEncoder {
 public:
  SpdyEncoder();
  ~SpdyEncoder();
  SpdyEncoder(const SpdyEncoder&) = delete;
  SpdyEncoder& operator=(const SpdyEncoder&) = delete;

  void syn_stream(std::string& out, std::uint32_t id, const Headers& headers, bool fin);
  void syn_reply(std::string& out, std::uint32_t id, const Headers& headers, bool fin);
  // REQUIRES: data.size() < 2^24.
  static void data(std::string& out, std::uint32_t id, std::string_view data, bool fin);
  static void rst_stream(std::string& out, std::uint32_t id, SpdyReset status);
  static void ping(std::string& out, std::uint32_t id);
  static void goaway(std::string& out, std::uint32_t last_good_id, std::uint32_t status);

 private:
  struct Deflater;
  std::string header_block(const Headers& headers);
  std::unique_ptr<Deflater> deflater_;
};

}  // namespace keelson::net
