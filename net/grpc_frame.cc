#include "net/grpc_frame.h"

#include <charconv>

#include "net/grpc.h"

namespace keelson::net {
namespace {

constexpr std::size_t kPrefix = 5;

Code code_of_http(int status) {
  switch (status) {
    case 400:
      return Code::kInternal;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code::kUnavailable;
    default:
      return Code::kUnknown;
  }
}

}  // namespace

bool is_grpc(const Request& request) {
  const auto type = request.headers.get("content-type");
  constexpr std::string_view kType = "application/grpc";
  if (!type || !type->starts_with(kType)) return false;
  return type->size() == kType.size() || (*type)[kType.size()] == '+' || (*type)[kType.size()] == ';';
}

std::string grpc_frame(std::string_view message) {
  std::string out;
  out.reserve(kPrefix + message.size());
  const std::size_t n = message.size();
  out.push_back('\0');
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(n >> shift & 0xff));
  out += message;
  return out;
}

std::size_t begin_grpc_frame(std::string& out) {
  out.append(kPrefix, '\0');
  return out.size();
}

void end_grpc_frame(std::string& out, std::size_t mark) {
  const std::size_t n = out.size() - mark;
  for (std::size_t i = 1; i < kPrefix; ++i) out[mark - i] = static_cast<char>(n >> (8 * (i - 1)) & 0xff);
}

void GrpcReader::append(std::string piece) {
  if (empty()) {
    buffer_ = std::move(piece);
  } else {
    buffer_.erase(0, pos_);
    buffer_ += piece;
  }
  pos_ = 0;
}

Result<std::optional<std::string>> GrpcReader::next() {
  const std::string_view rest = std::string_view(buffer_).substr(pos_);
  if (rest.size() < kPrefix) return std::nullopt;
  if (rest[0] != 0) return fail(Code::kUnimplemented, "compressed messages are not supported");
  std::size_t n = 0;
  for (std::size_t i = 1; i < kPrefix; ++i) n = n << 8 | static_cast<unsigned char>(rest[i]);
  if (n > max_) {
    return fail(Code::kResourceExhausted, "grpc: received message larger than max (" + std::to_string(n) +
                                              " vs. " + std::to_string(max_) + ")");
  }
  if (rest.size() < kPrefix + n) {
    buffer_.reserve(pos_ + kPrefix + n);
    return std::nullopt;
  }
  std::string message(rest.substr(kPrefix, n));
  pos_ += kPrefix + n;
  return message;
}

std::string grpc_escape(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u <= 0x7e && c != '%') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[u >> 4]);
      out.push_back(kHex[u & 15]);
    }
  }
  return out;
}

std::string grpc_timeout(Duration d) {
  constexpr std::int64_t kMaxDigits = 99'999'999;
  std::int64_t n = std::max<std::int64_t>(d.count(), 1);
  for (const char unit : {'n', 'u', 'm'}) {
    if (n <= kMaxDigits) return std::to_string(n) + unit;
    n = n / 1000 + (n % 1000 != 0 ? 1 : 0);
  }
  if (n <= kMaxDigits) return std::to_string(n) + 'S';
  return std::to_string(std::min(n / 3600, kMaxDigits)) + 'H';
}

std::optional<Duration> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  std::int64_t n = 0;
  const char* end = text.data() + text.size() - 1;
  const auto [p, ec] = std::from_chars(text.data(), end, n);
  if (ec != std::errc() || p != end || n < 0) return std::nullopt;
  const auto capped = [n](std::int64_t unit) {
    return n > Duration::max().count() / unit ? Duration::max() : Duration(n * unit);
  };
  switch (text.back()) {
    case 'n':
      return capped(1);
    case 'u':
      return capped(1'000);
    case 'm':
      return capped(1'000'000);
    case 'S':
      return capped(1'000'000'000);
    case 'M':
      return capped(60'000'000'000);
    case 'H':
      return capped(3'600'000'000'000);
    default:
      return std::nullopt;
  }
}

Result<void> grpc_status(int http_status, const Headers& headers, const Headers& trailers) {
  const Headers* where = &trailers;
  auto text = trailers.get("grpc-status");
  if (!text) {
    where = &headers;
    text = headers.get("grpc-status");
  }
  if (!text) {
    if (http_status != 200)
      return fail(code_of_http(http_status), "HTTP status " + std::to_string(http_status));
    return fail(Code::kInternal, "the reply has no grpc-status");
  }
  int code = 0;
  std::from_chars(text->data(), text->data() + text->size(), code);
  if (*text == "0") return {};
  const bool known = code >= 1 && code <= 16;
  return fail(known ? static_cast<Code>(code) : Code::kUnknown,
              percent_decode(where->get("grpc-message").value_or(std::string_view())));
}

}  // namespace keelson::net
