#include "cmd/kvstore/url.h"

#include <arpa/inet.h>

#include <algorithm>

#include "cmd/kvstore/comma_list.h"
#include "net/address.h"

namespace keelson::cmd {
namespace {

std::unexpected<Error> bad(std::string why) {
  return fail(Code::kInvalidArgument, std::move(why));
}

bool is_ip(const std::string& host) {
  char buffer[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), buffer) == 1 || ::inet_pton(AF_INET6, host.c_str(), buffer) == 1;
}

Result<void> split_authority(std::string_view authority, std::string_view whole, Url& out) {
  std::string_view rest = authority;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return bad("missing ']' in host of URL " + std::string(whole));
    out.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
  } else {
    const auto colon = rest.rfind(':');
    out.host = rest.substr(0, colon);
    rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon);
  }
  if (!rest.starts_with(':') || rest.size() == 1)
    return bad("URL address does not have the form \"host:port\": " + std::string(whole));
  out.port = rest.substr(1);
  const bool digits = std::ranges::all_of(out.port, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || out.port.size() > 5 || std::stoi(out.port) > 65535)
    return bad("invalid port \"" + out.port + "\" in URL " + std::string(whole));
  return {};
}

}  // namespace

std::string Url::text() const {
  if (is_unix()) return scheme + "://" + host;
  const bool v6 = host.find(':') != std::string::npos;
  return scheme + "://" + (v6 ? "[" + host + "]" : host) + ":" + port;
}

Result<Url> parse_url(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  Url out;
  const auto colon = text.find("://");
  if (colon == std::string_view::npos)
    return bad("URL scheme must be http, https, unix, or unixs: " + std::string(text));
  out.scheme = text.substr(0, colon);
  const std::string_view rest = text.substr(colon + 3);
  if (out.is_unix()) {
    if (rest.empty()) return bad("URL has no socket path: " + std::string(text));
    out.host = rest;
    return out;
  }
  if (out.scheme != "http" && out.scheme != "https")
    return bad("URL scheme must be http, https, unix, or unixs: " + std::string(text));
  if (rest.find('/') != std::string_view::npos)
    return bad("URL must not contain a path: " + std::string(text));
  TRY(split_authority(rest, text, out));
  return out;
}

Result<std::vector<Url>> parse_urls(std::string_view text) {
  std::vector<Url> out;
  for (const auto& one : split_list(text)) {
    Url url = TRY(parse_url(one));
    if (std::ranges::find(out, url) == out.end()) out.push_back(std::move(url));
  }
  std::ranges::sort(out, {}, &Url::text);
  return out;
}

std::vector<std::string> texts(const std::vector<Url>& urls) {
  std::vector<std::string> out;
  for (const auto& u : urls) out.push_back(u.text());
  return out;
}

bool same_place(const Url& a, const Url& b) {
  if (a == b) return true;
  if (a.scheme != b.scheme || a.port != b.port || a.is_unix()) return false;
  const auto places_a = net::resolve(a.host, a.port), places_b = net::resolve(b.host, b.port);
  if (!places_a || !places_b) return false;
  return std::ranges::any_of(*places_a, [&](const auto& x) {
    return std::ranges::any_of(*places_b, [&](const auto& y) { return x.ip() == y.ip(); });
  });
}

bool same_places(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::ranges::is_permutation(a, b, [](const std::string& x, const std::string& y) {
    const auto url_x = parse_url(x), url_y = parse_url(y);
    return url_x && url_y && same_place(*url_x, *url_y);
  });
}

Result<void> check_bind(const std::vector<Url>& urls) {
  for (const auto& u : urls) {
    if (!u.is_unix() && u.host != "localhost" && !is_ip(u.host))
      return bad("expected IP in URL for binding (" + u.text() + ")");
  }
  return {};
}

}  // namespace keelson::cmd
