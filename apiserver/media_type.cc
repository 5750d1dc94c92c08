#include "apiserver/media_type.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace keelson::apiserver {
namespace {

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

template <class F>
void each_part(std::string_view s, char sep, F f) {
  while (true) {
    auto at = s.find(sep);
    f(trim(s.substr(0, at)));
    if (at == std::string_view::npos) return;
    s.remove_prefix(at + 1);
  }
}

struct Clause {
  std::string essence;
  double q = 1;
  bool known_params = true;
  Accepted accepted;
};

bool parse_view(std::string_view as, std::string_view v, std::string_view g, Accepted* out) {
  if (g != "meta.k8s.io" || (v != "v1" && v != "v1beta1")) return false;
  out->beta = v == "v1beta1";
  if (as == "Table") out->view = View::kTable;
  else if (as == "PartialObjectMetadata") out->view = View::kPartial;
  else if (as == "PartialObjectMetadataList") out->view = View::kPartialList;
  else return false;
  return true;
}

Clause parse_clause(std::string_view text, bool transforms) {
  Clause c;
  std::string_view as, v, g;
  bool first = true;
  each_part(text, ';', [&](std::string_view part) {
    if (first) {
      first = false;
      c.essence = media_essence(part);
      return;
    }
    auto eq = part.find('=');
    auto key = trim(part.substr(0, eq));
    auto value = eq == std::string_view::npos ? std::string_view{} : trim(part.substr(eq + 1));
    if (key == "q") c.q = std::strtod(std::string(value).c_str(), nullptr);
    else if (key == "as") as = value;
    else if (key == "v") v = value;
    else if (key == "g") g = value;
    else if (key == "stream") c.accepted.watch = value == "watch";
    else if (key == "pretty") c.accepted.pretty = value == "1";
  });
  if (!as.empty()) c.known_params = transforms && parse_view(as, v, g, &c.accepted);
  return c;
}

}  // namespace

std::string media_essence(std::string_view header) {
  std::string s(trim(header.substr(0, header.find(';'))));
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char ch) { return ch >= 'A' && ch <= 'Z' ? ch + 32 : ch; });
  return s;
}

Negotiated negotiate(std::string_view accept, bool transforms) {
  Negotiated out;
  if (accept.empty() || accept == "application/json" || accept == "*/*") return out;
  std::vector<Clause> clauses;
  each_part(accept, ',', [&](std::string_view part) {
    if (!part.empty()) clauses.push_back(parse_clause(part, transforms));
  });
  // Insertion sort by falling q; equal ones keep their order.
  for (std::size_t i = 1; i < clauses.size(); ++i)
    for (std::size_t k = i; k > 0 && clauses[k].q > clauses[k - 1].q; --k) std::swap(clauses[k], clauses[k - 1]);
  out.failure = NegotiationFailure::kMediaType;
  for (auto& c : clauses) {
    if (c.essence == "application/json" || c.essence == "*/*") c.accepted.type = MediaType::kJson;
    else if (c.essence == "application/yaml") c.accepted.type = MediaType::kYaml;
    else if (c.essence == "application/vnd.kubernetes.protobuf") c.accepted.type = MediaType::kProtobuf;
    else continue;
    // Tables and partial metadata have no protobuf form here: clients list JSON as well.
    if (c.accepted.type == MediaType::kProtobuf && c.accepted.view != View::kObject) continue;
    if (!c.known_params) {
      out.failure = NegotiationFailure::kTransform;
      continue;
    }
    out.failure = NegotiationFailure::kNone;
    out.accepted = c.accepted;
    return out;
  }
  return out;
}

std::string_view content_type(MediaType type) {
  switch (type) {
    case MediaType::kYaml: return "application/yaml";
    case MediaType::kProtobuf: return "application/vnd.kubernetes.protobuf";
    case MediaType::kJson: break;
  }
  return "application/json";
}

std::string_view watch_content_type(MediaType type) {
  return type == MediaType::kProtobuf ? "application/vnd.kubernetes.protobuf;stream=watch" : content_type(type);
}

std::optional<MediaType> body_media_type(std::string_view header) {
  if (header.empty()) return MediaType::kJson;
  auto essence = media_essence(header);
  if (essence == "application/json") return MediaType::kJson;
  if (essence == "application/yaml") return MediaType::kYaml;
  if (essence == "application/vnd.kubernetes.protobuf") return MediaType::kProtobuf;
  return std::nullopt;
}

}  // namespace keelson::apiserver
