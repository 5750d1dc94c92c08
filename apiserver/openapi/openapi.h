// OpenAPI: /openapi/v3 (index and one document per group and version), /openapi/v2 as JSON and as gnostic
// protobuf, all written from the object model's schema and the KindInfo tables. Documents are made when first
// asked for and kept.
//
// kubectl looks at: the paths' x-kubernetes-group-version-kind and query parameters (dryRun,
// fieldValidation), the components' x-kubernetes-* (merge keys, list types), and at the descriptions
// (explain). Thread rule: thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"
#include "apiserver/discovery/document.h"

namespace keelson::apiserver {

inline constexpr std::string_view kOpenApiV2ProtobufType =
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

class OpenApi {
 public:
  // `served`: kinds that are resources (others are passed over). `version`: "v1.36.0".
  OpenApi(std::span<const api::KindInfo* const> served, std::string version);

  // /openapi/v3: {"paths":{"apis/apps/v1":{"serverRelativeURL":"/openapi/v3/apis/apps/v1?hash=…"}}}
  const Document& v3_index();
  // /openapi/v3/PATH, by "api/v1" or "apis/apps/v1". Null when there is none. A request with ?hash=H of the
  // current hash may be cached for good; one with an old hash is redirected to v3_url().
  const Document* v3(std::string_view path);
  // The relative URL with the current hash; empty when there is no such document.
  std::string v3_url(std::string_view path);
  // The hash of the current document; empty when there is none.
  std::string v3_hash(std::string_view path);
  // /openapi/v2 and /swagger.json.
  const Document& v2_json();
  // /openapi/v2 with Accept kOpenApiV2ProtobufType, and /swagger-2.0.0.pb-v1.
  const Document& v2_protobuf();

 private:
  const Document* v3_locked(std::string_view path);
  std::string v2_text() const;

  std::mutex mu_;
  const std::string version_;
  std::map<std::string, std::vector<const api::KindInfo*>, std::less<>> groups_;  // by path
  std::map<std::string, Document, std::less<>> v3_;
  std::optional<Document> index_, v2_json_, v2_protobuf_;
};

}  // namespace keelson::apiserver
