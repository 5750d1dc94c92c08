#include "apiserver/request_info.h"

#include "net/http.h"

namespace keelson::apiserver {
namespace {

std::vector<std::string_view> split_path(std::string_view path, bool* malformed) {
  std::vector<std::string_view> parts;
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  while (!path.empty()) {
    auto slash = path.find('/');
    auto part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") *malformed = true;
    parts.push_back(part);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

std::string decode(std::string_view part) {
  return part.find('%') == std::string_view::npos ? std::string(part) : net::percent_decode(part);
}

// "namespaces/ns/status" and "namespaces/ns/finalize" are subresources of the namespace itself.
bool is_namespace_subresource(std::string_view word) { return word == "status" || word == "finalize"; }

}  // namespace

RequestInfo parse_request_path(std::string_view path) {
  RequestInfo info;
  auto parts = split_path(path, &info.malformed);
  if (parts.empty() || info.malformed) return info;
  std::size_t at = 0;
  if (parts[0] == "api") {
    info.prefix = "api";
    if (parts.size() < 3) {
      if (parts.size() == 2) info.version = decode(parts[1]);
      return info;
    }
    info.version = decode(parts[1]);
    at = 2;
  } else if (parts[0] == "apis") {
    info.prefix = "apis";
    if (parts.size() > 1) info.group = decode(parts[1]);
    if (parts.size() > 2) info.version = decode(parts[2]);
    if (parts.size() < 4) return info;
    at = 3;
  } else {
    return info;
  }
  info.is_resource = true;
  if (parts[at] == "watch" && parts.size() > at + 1) {
    info.legacy_watch = true;
    ++at;
  }
  if (parts[at] == "namespaces") {
    if (parts.size() > at + 1) {
      info.namespace_ = decode(parts[at + 1]);
      if (parts.size() > at + 2 && !is_namespace_subresource(parts[at + 2])) at += 2;
    }
  }
  info.resource = decode(parts[at]);
  if (parts.size() > at + 1) info.name = decode(parts[at + 1]);
  if (parts.size() > at + 2) info.subresource = decode(parts[at + 2]);
  for (std::size_t i = at + 3; i < parts.size(); ++i) info.rest.push_back(decode(parts[i]));
  return info;
}

}  // namespace keelson::apiserver
