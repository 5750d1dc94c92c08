#include "apiserver/openapi_pages.h"

namespace keelson::apiserver {
namespace {

// Asked for as ...v2@v1.0+protobuf (kOpenApiV2ProtobufType), which is no media type for Go's parser; upstream answers with this one.
constexpr std::string_view kV2ProtobufAnswer = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
constexpr std::string_view kV3Prefix = "/openapi/v3/";
// A page named by its hash never changes.
constexpr const char* kForever = "public, max-age=31536000, immutable";

StaticReply page(const net::Request& request, const Document& document, std::string_view type) {
  StaticReply out;
  out.headers.add("content-type", std::string(type));
  out.headers.add("vary", "Accept");
  if (!document.etag.empty()) out.headers.add("etag", document.etag);
  if (!document.etag.empty() && request.headers.get("if-none-match").value_or("") == document.etag) {
    out.status = 304;
  } else {
    out.body = document.body;
  }
  return out;
}

bool accepts(const net::Request& request, std::string_view type) {
  for (const auto value : request.headers.get_all("accept")) {
    if (value.find(type) != std::string_view::npos) return true;
  }
  return false;
}

std::string hash_parameter(const net::Request& request) {
  for (auto& [name, value] : net::parse_query(request.query())) {
    if (name == "hash") return value;
  }
  return "";
}

std::optional<StaticReply> v3_page(OpenApi& openapi, const net::Request& request, std::string_view name) {
  const Document* document = openapi.v3(name);
  if (document == nullptr) return std::nullopt;
  const auto hash = hash_parameter(request);
  if (!hash.empty() && hash != openapi.v3_hash(name)) {
    StaticReply moved;
    moved.status = 301;
    moved.headers.add("location", openapi.v3_url(name));
    return moved;
  }
  auto out = page(request, *document, "application/json");
  if (!hash.empty()) {
    out.headers.add("cache-control", kForever);
    out.headers.add("expires", "Fri, 31 Dec 2100 23:59:59 GMT");
  }
  return out;
}

}  // namespace

std::optional<StaticReply> openapi_page(OpenApi& openapi, const net::Request& request) {
  const auto path = request.path();
  if (path == "/openapi/v3") return page(request, openapi.v3_index(), "application/json");
  if (path.starts_with(kV3Prefix)) return v3_page(openapi, request, path.substr(kV3Prefix.size()));
  if (path == "/swagger-2.0.0.pb-v1") return page(request, openapi.v2_protobuf(), kV2ProtobufAnswer);
  if (path == "/openapi/v2" && accepts(request, "com.github.proto-openapi.spec.v2@v1.0+protobuf")) {
    return page(request, openapi.v2_protobuf(), kV2ProtobufAnswer);
  }
  if (path == "/openapi/v2" || path == "/swagger.json") return page(request, openapi.v2_json(), "application/json");
  return std::nullopt;
}

}  // namespace keelson::apiserver
