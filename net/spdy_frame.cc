#include "net/spdy_frame.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace keelson::net {
namespace {

constexpr std::uint16_t kVersion = 3;
constexpr std::uint8_t kFlagFin = 1;

void put32(std::string& out, std::uint32_t v) {
  const std::array<char, 4> b{static_cast<char>(v >> 24), static_cast<char>(v >> 16),
                              static_cast<char>(v >> 8), static_cast<char>(v)};
  out.append(b.data(), b.size());
}

// REQUIRES: s.size() >= at + 4.
std::uint32_t get32(std::string_view s, std::size_t at = 0) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(s[at + i]));
  };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

// The compression dictionary of SPDY/3: length-prefixed words, then a tail of common values.
std::string make_dictionary() {
  static constexpr const char* kWords[] = {"options",
                                           "head",
                                           "post",
                                           "put",
                                           "delete",
                                           "trace",
                                           "accept",
                                           "accept-charset",
                                           "accept-encoding",
                                           "accept-language",
                                           "accept-ranges",
                                           "age",
                                           "allow",
                                           "authorization",
                                           "cache-control",
                                           "connection",
                                           "content-base",
                                           "content-encoding",
                                           "content-language",
                                           "content-length",
                                           "content-location",
                                           "content-md5",
                                           "content-range",
                                           "content-type",
                                           "date",
                                           "etag",
                                           "expect",
                                           "expires",
                                           "from",
                                           "host",
                                           "if-match",
                                           "if-modified-since",
                                           "if-none-match",
                                           "if-range",
                                           "if-unmodified-since",
                                           "last-modified",
                                           "location",
                                           "max-forwards",
                                           "pragma",
                                           "proxy-authenticate",
                                           "proxy-authorization",
                                           "range",
                                           "referer",
                                           "retry-after",
                                           "server",
                                           "te",
                                           "trailer",
                                           "transfer-encoding",
                                           "upgrade",
                                           "user-agent",
                                           "vary",
                                           "via",
                                           "warning",
                                           "www-authenticate",
                                           "method",
                                           "get",
                                           "status",
                                           "200 OK",
                                           "version",
                                           "HTTP/1.1",
                                           "url",
                                           "public",
                                           "set-cookie",
                                           "keep-alive",
                                           "origin"};
  static constexpr std::string_view kTail =
      "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 "
      "Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 "
      "Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar "
      "Apr May "
      "Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, "
      "GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
      "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
  std::string d;
  for (const std::string_view word : kWords) {
    put32(d, static_cast<std::uint32_t>(word.size()));
    d += word;
  }
  d += kTail;
  CHECK(d.size() == 1423);
  return d;
}

const std::string& dictionary() {
  static const std::string d = make_dictionary();
  return d;
}

const Bytef* as_bytef(std::string_view s) {
  return reinterpret_cast<const Bytef*>(s.data());
}

std::unexpected<Error> malformed(std::string what) {
  return fail(Code::kInvalidArgument, "SPDY: " + std::move(what));
}

// Appends `raw`'s name/value pairs; several values of one name are joined by NUL.
Result<Headers> parse_headers(std::string_view raw) {
  const auto take = [&raw](std::size_t n) -> std::optional<std::string_view> {
    if (raw.size() < n) return std::nullopt;
    const auto part = raw.substr(0, n);
    raw.remove_prefix(n);
    return part;
  };
  const auto text = [&]() -> std::optional<std::string_view> {
    const auto length = take(4);
    return length ? take(get32(*length)) : std::nullopt;
  };
  const auto count = take(4);
  if (!count) return malformed("header block without a count");
  Headers headers;
  for (std::uint32_t i = 0; i < get32(*count); ++i) {
    const auto name = text();
    const auto values = name ? text() : std::nullopt;
    if (!values) return malformed("header block is cut short");
    std::string lower(*name);
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    std::string_view rest = *values;
    for (;;) {
      const auto nul = rest.find('\0');
      headers.add(lower, std::string(rest.substr(0, nul)));
      if (nul == std::string_view::npos) break;
      rest.remove_prefix(nul + 1);
    }
  }
  return headers;
}

std::string serialize_headers(const Headers& headers) {
  std::vector<std::pair<std::string_view, std::string>> joined;
  for (const auto& [name, value] : headers.fields()) {
    const auto same = std::ranges::find(joined, name, [](const auto& j) { return j.first; });
    if (same == joined.end()) {
      joined.emplace_back(name, value);
    } else {
      same->second.push_back('\0');
      same->second += value;
    }
  }
  std::string raw;
  put32(raw, static_cast<std::uint32_t>(joined.size()));
  for (const auto& [name, value] : joined) {
    put32(raw, static_cast<std::uint32_t>(name.size()));
    raw += name;
    put32(raw, static_cast<std::uint32_t>(value.size()));
    raw += value;
  }
  return raw;
}

void control_header(std::string& out, SpdyType type, std::uint8_t flags, std::size_t length) {
  CHECK(length < (1u << 24));
  put32(out, 0x80000000u | std::uint32_t{kVersion} << 16 | static_cast<std::uint16_t>(type));
  put32(out, std::uint32_t{flags} << 24 | static_cast<std::uint32_t>(length));
}

}  // namespace

struct SpdyDecoder::Inflater {
  z_stream z{};
  Inflater() { CHECK(inflateInit(&z) == Z_OK); }
  ~Inflater() { inflateEnd(&z); }

  Result<std::string> run(std::string_view in) {
    std::string out;
    std::array<char, 4096> chunk{};
    z.next_in = const_cast<Bytef*>(as_bytef(in));
    z.avail_in = static_cast<uInt>(in.size());
    for (;;) {
      z.next_out = reinterpret_cast<Bytef*>(chunk.data());
      z.avail_out = chunk.size();
      const int rc = inflate(&z, Z_SYNC_FLUSH);
      out.append(chunk.data(), chunk.size() - z.avail_out);
      if (out.size() > kMaxHeaderBytes) return malformed("header block is too large");
      if (rc == Z_NEED_DICT) {
        const auto& d = dictionary();
        if (inflateSetDictionary(&z, as_bytef(d), static_cast<uInt>(d.size())) != Z_OK) {
          return malformed("header block wants another dictionary");
        }
        continue;
      }
      if (rc != Z_OK && rc != Z_BUF_ERROR) return malformed("header block does not inflate");
      if (z.avail_out > 0) break;
    }
    if (z.avail_in > 0) return malformed("bytes after the header block");
    return out;
  }
};

SpdyDecoder::SpdyDecoder() : inflater_(std::make_unique<Inflater>()) {}
SpdyDecoder::~SpdyDecoder() = default;

void SpdyDecoder::feed(std::string_view bytes) {
  buffer_.erase(0, start_);
  start_ = 0;
  buffer_.append(bytes);
}

Result<Headers> SpdyDecoder::header_block(std::string_view compressed) {
  return parse_headers(TRY(inflater_->run(compressed)));
}

Result<SpdyFrame> SpdyDecoder::control(SpdyType type, std::uint8_t flags, std::string_view payload) {
  SpdyFrame f;
  f.type = type;
  const auto want = [&](std::size_t n) { return payload.size() >= n; };
  switch (type) {
    case SpdyType::kSynStream:
      if (!want(10)) return malformed("short SYN_STREAM");
      f.fin = flags & kFlagFin;
      f.stream_id = get32(payload) & 0x7fffffff;
      f.headers = TRY(header_block(payload.substr(10)));
      break;
    case SpdyType::kSynReply:
    case SpdyType::kHeaders:
      if (!want(4)) return malformed("short SYN_REPLY or HEADERS");
      f.fin = flags & kFlagFin;
      f.stream_id = get32(payload) & 0x7fffffff;
      f.headers = TRY(header_block(payload.substr(4)));
      break;
    case SpdyType::kRstStream:
    case SpdyType::kGoAway:
    case SpdyType::kWindowUpdate:
      if (!want(8)) return malformed("short RST_STREAM, GOAWAY or WINDOW_UPDATE");
      f.stream_id = get32(payload) & 0x7fffffff;
      f.value = get32(payload, 4);
      break;
    case SpdyType::kPing:
      if (!want(4)) return malformed("short PING");
      f.value = get32(payload);
      break;
    case SpdyType::kSettings:
    case SpdyType::kData:
      break;
  }
  return f;
}

Result<std::optional<SpdyFrame>> SpdyDecoder::next() {
  for (;;) {
    const std::string_view rest = std::string_view(buffer_).substr(start_);
    if (in_data_) {
      const auto piece = rest.substr(0, data_left_);
      if (piece.empty() && data_left_ > 0) return std::nullopt;
      start_ += piece.size();
      data_left_ -= static_cast<std::uint32_t>(piece.size());
      in_data_ = data_left_ > 0;
      SpdyFrame f;
      f.stream_id = data_stream_;
      f.data = piece;
      f.fin = data_fin_ && !in_data_;
      return f;
    }
    if (rest.size() < 8) return std::nullopt;
    const std::uint32_t first = get32(rest);
    const std::uint32_t length = get32(rest, 4) & 0xffffff;
    const auto flags = static_cast<std::uint8_t>(rest[4]);
    if ((first & 0x80000000u) == 0) {
      if (first == 0) return malformed("data on stream 0");
      start_ += 8;
      in_data_ = true;
      data_left_ = length;
      data_stream_ = first;
      data_fin_ = flags & kFlagFin;
      continue;
    }
    if ((first >> 16 & 0x7fff) != kVersion) return malformed("not version 3");
    if (length > kMaxControlBytes) return malformed("control frame is too large");
    if (rest.size() < 8 + std::size_t{length}) return std::nullopt;
    const auto type = static_cast<std::uint16_t>(first);
    start_ += 8 + length;
    if (type < 1 || type > 9 || type == 5) continue;
    return TRY(control(static_cast<SpdyType>(type), flags, rest.substr(8, length)));
  }
}

struct SpdyEncoder::Deflater {
  z_stream z{};
  Deflater() {
    CHECK(deflateInit(&z, Z_BEST_SPEED) == Z_OK);
    const auto& d = dictionary();
    CHECK(deflateSetDictionary(&z, as_bytef(d), static_cast<uInt>(d.size())) == Z_OK);
  }
  ~Deflater() { deflateEnd(&z); }
};

SpdyEncoder::SpdyEncoder() : deflater_(std::make_unique<Deflater>()) {}
SpdyEncoder::~SpdyEncoder() = default;

std::string SpdyEncoder::header_block(const Headers& headers) {
  const std::string raw = serialize_headers(headers);
  auto& z = deflater_->z;
  std::string out;
  std::array<char, 1024> chunk{};
  z.next_in = const_cast<Bytef*>(as_bytef(raw));
  z.avail_in = static_cast<uInt>(raw.size());
  do {
    z.next_out = reinterpret_cast<Bytef*>(chunk.data());
    z.avail_out = chunk.size();
    const int rc = deflate(&z, Z_SYNC_FLUSH);
    CHECK(rc == Z_OK || rc == Z_BUF_ERROR);
    out.append(chunk.data(), chunk.size() - z.avail_out);
  } while (z.avail_out == 0);
  return out;
}

void SpdyEncoder::syn_stream(std::string& out, std::uint32_t id, const Headers& headers, bool fin) {
  const std::string block = header_block(headers);
  control_header(out, SpdyType::kSynStream, fin ? kFlagFin : 0, 10 + block.size());
  put32(out, id);
  put32(out, 0);
  out.append(2, '\0');
  out += block;
}

void SpdyEncoder::syn_reply(std::string& out, std::uint32_t id, const Headers& headers, bool fin) {
  const std::string block = header_block(headers);
  control_header(out, SpdyType::kSynReply, fin ? kFlagFin : 0, 4 + block.size());
  put32(out, id);
  out += block;
}

void SpdyEncoder::data(std::string& out, std::uint32_t id, std::string_view data, bool fin) {
  CHECK(data.size() < (1u << 24));
  put32(out, id);
  put32(out, std::uint32_t{fin ? kFlagFin : std::uint8_t{0}} << 24 | static_cast<std::uint32_t>(data.size()));
  out += data;
}

void SpdyEncoder::rst_stream(std::string& out, std::uint32_t id, SpdyReset status) {
  control_header(out, SpdyType::kRstStream, 0, 8);
  put32(out, id);
  put32(out, static_cast<std::uint32_t>(status));
}

void SpdyEncoder::ping(std::string& out, std::uint32_t id) {
  control_header(out, SpdyType::kPing, 0, 4);
  put32(out, id);
}

void SpdyEncoder::goaway(std::string& out, std::uint32_t last_good_id, std::uint32_t status) {
  control_header(out, SpdyType::kGoAway, 0, 8);
  put32(out, last_good_id);
  put32(out, status);
}

}  // namespace keelson::net
