#include "apiserver/continue_token.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/log.h"

namespace keelson::apiserver {
namespace {
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// What Go's JSON scanner says about a text that does not begin a value.
std::string go_syntax_error(std::string_view text) {
  std::size_t i = text.find_first_not_of(" \t\r\n");
  if (i == std::string_view::npos) return "unexpected end of JSON input";
  auto c = static_cast<unsigned char>(text[i]);
  if (c >= 0x80) return fmt::format("invalid character '\\u{:04x}' looking for beginning of value", c);
  return fmt::format("invalid character '{}' looking for beginning of value", static_cast<char>(c));
}
}  // namespace

std::string base64url_encode(std::string_view data) {
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  std::size_t i = 0;
  auto at = [&](std::size_t k) { return static_cast<unsigned>(static_cast<unsigned char>(data[k])); };
  for (; i + 2 < data.size(); i += 3) {
    unsigned v = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (int s = 18; s >= 0; s -= 6) out += kAlphabet[v >> s & 63];
  }
  if (data.size() - i == 1) {
    unsigned v = at(i) << 16;
    out += kAlphabet[v >> 18 & 63];
    out += kAlphabet[v >> 12 & 63];
  } else if (data.size() - i == 2) {
    unsigned v = at(i) << 16 | at(i + 1) << 8;
    for (int s = 18; s >= 6; s -= 6) out += kAlphabet[v >> s & 63];
  }
  return out;
}

Result<std::string> base64url_decode(std::string_view text) {
  std::string out;
  unsigned v = 0;
  int bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto pos = kAlphabet.find(text[i]);
    if (pos == std::string_view::npos)
      return fail(Code::kInvalidArgument, fmt::format("illegal base64 data at input byte {}", i));
    v = v << 6 | static_cast<unsigned>(pos);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(v >> bits & 255);
    }
  }
  if (text.size() % 4 == 1)
    return fail(Code::kInvalidArgument, fmt::format("illegal base64 data at input byte {}", text.size() - 1));
  return out;
}

std::string encode_continue(std::string_view prefix, std::string_view next_key, std::int64_t revision) {
  std::string json = fmt::format("{{\"v\":\"meta.k8s.io/v1\",\"rv\":{},\"start\":", revision);
  append_json_string(json, next_key.substr(prefix.size()));
  json += '}';
  return base64url_encode(json);
}

Result<ContinueToken> decode_continue(std::string_view prefix, std::string_view token) {
  auto bad = [](std::string_view why) {
    return fail(Code::kInvalidArgument, fmt::format("continue key is not valid: {}", why));
  };
  auto data = base64url_decode(token);
  if (!data) return bad(data.error().message);
  boost::json::error_code ec;
  auto value = boost::json::parse(*data, ec);
  if (ec || !value.is_object()) return bad(go_syntax_error(*data));
  auto text = [&](const char* key) -> std::string {
    auto* v = value.as_object().if_contains(key);
    return v && v->is_string() ? std::string(v->as_string()) : "";
  };
  if (text("v") != "meta.k8s.io/v1") return bad(fmt::format("server does not recognize this encoded version \"{}\"", text("v")));
  std::string start = text("start");
  if (start.empty()) return bad("encoded start key empty (version meta.k8s.io/v1)");
  if (start.front() == '/' || start == ".." || start.starts_with("../") || start.find("/../") != std::string::npos ||
      start.ends_with("/.."))
    return fail(Code::kInvalidArgument, fmt::format("continue key is not valid: {}", start));
  ContinueToken out;
  auto* rv = value.as_object().if_contains("rv");
  if (rv && rv->is_int64()) out.revision = rv->as_int64();
  if (out.revision == 0) return bad("incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  out.start_key = std::string(prefix) + start;
  return out;
}

}  // namespace keelson::apiserver
