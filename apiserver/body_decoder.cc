#include "apiserver/body_decoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/json.h"
#include "api/kinds.h"
#include "api/protobuf.h"
#include "api/yaml.h"
#include "apiserver/errors.h"

namespace keelson::apiserver {
namespace {

struct TypeName {
  std::string api_version, kind;
  std::string_view version() const {
    auto slash = api_version.find('/');
    return slash == std::string::npos ? std::string_view(api_version) : std::string_view(api_version).substr(slash + 1);
  }
};

Error cannot_handle(const TypeName& type, const api::KindInfo& expected, std::string_view why) {
  return errors::bad_request(fmt::format("{} in version \"{}\" cannot be handled as a {}: {}", type.kind, type.version(),
                                         expected.kind, why));
}

Error unrecognized(const api::KindInfo& expected, std::string_view why, std::string_view body) {
  return errors::bad_request(fmt::format("the object provided is unrecognized (must be of type {}): {} {}", expected.kind,
                                         why, api::bytes_for_message(body)));
}

// Versions that upstream still can decode though it serves them no more.
bool retired_version(std::string_view api_version) {
  static constexpr std::string_view kRetired[] = {"extensions/v1beta1", "apps/v1beta1", "apps/v1beta2", "policy/v1beta1",
                                                  "events.k8s.io/v1beta1", "networking.k8s.io/v1beta1",
                                                  "discovery.k8s.io/v1beta1", "coordination.k8s.io/v1beta1"};
  return std::find(std::begin(kRetired), std::end(kRetired), api_version) != std::end(kRetired);
}

bool same_kind(const TypeName& type, const api::KindInfo& expected) {
  return type.kind == expected.kind && type.api_version == expected.api_version;
}

// The body names another kind. What it is decides what is wrong; an evicting client may still say policy/v1beta1.
Result<void> check_foreign(const TypeName& type, const api::KindInfo& expected, std::string_view json) {
  if (retired_version(type.api_version)) {
    if (type.kind == "Eviction" && expected.kind == "Eviction") return {};
    return fail(errors::bad_request(
        fmt::format("the API version in the data ({}) does not match the expected API version ({})", type.api_version,
                    expected.api_version)));
  }
  const api::KindInfo* actual = api::find_kind(type.api_version, type.kind);
  std::string group = type.api_version.find('/') == std::string::npos ? "" : type.api_version.substr(0, type.api_version.find('/'));
  bool is_list = false;
  for (auto* kind : api::all_kinds())
    if (!kind->list_kind.empty() && kind->list_kind == type.kind && kind->api_version == type.api_version) is_list = true;
  if (!actual && !is_list)
    return fail(cannot_handle(type, expected,
                              fmt::format("no kind \"{}\" is registered for version \"{}\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
                                          type.kind, type.api_version)));
  if (actual && !json.empty()) {
    auto decoded = api::decode_json(json, *actual);
    if (!decoded) return fail(cannot_handle(type, expected, decoded.error().message));
  }
  if (actual && actual->kind == expected.kind)
    return fail(errors::bad_request(
        fmt::format("the API version in the data ({}) does not match the expected API version ({})", type.api_version,
                    expected.api_version)));
  return fail(cannot_handle(type, expected,
                            fmt::format("converting ({}.{}) to ({}.{}): unknown conversion", type.version(), type.kind,
                                        go_package(expected.group), expected.kind)));
}

Result<std::unique_ptr<api::Object>> decode_text(std::string_view body, std::string_view json,
                                                 const api::KindInfo& expected, FieldValidation validation,
                                                 std::vector<std::string> strict, std::vector<std::string>& warnings) {
  auto meta = api::find_type_meta(json);
  if (!meta) return fail(unrecognized(expected, meta.error().message, body));
  TypeName type{meta->api_version.empty() ? std::string(expected.api_version) : meta->api_version,
                meta->kind.empty() ? std::string(expected.kind) : meta->kind};
  if (std::count(type.api_version.begin(), type.api_version.end(), '/') > 1)
    return fail(unrecognized(expected, "unexpected GroupVersion string: " + type.api_version, body));
  if (!same_kind(type, expected)) {
    if (auto ok = check_foreign(type, expected, json); !ok) return std::unexpected(ok.error());
  }
  auto decoded = api::decode_json(json, expected);
  if (!decoded) return fail(cannot_handle(type, expected, decoded.error().message));
  strict.insert(strict.end(), decoded->strict_errors.begin(), decoded->strict_errors.end());
  if (!strict.empty() && validation == FieldValidation::kStrict)
    return fail(cannot_handle(type, expected, api::strict_error_message(strict)));
  if (validation == FieldValidation::kWarn)
    warnings.insert(warnings.end(), strict.begin(), strict.end());
  return std::move(decoded->object);
}

Result<std::unique_ptr<api::Object>> decode_proto(std::string_view body, const api::KindInfo& expected) {
  auto envelope = api::open_envelope(body);
  if (!envelope)
    return fail(unrecognized(expected, "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]", body));
  TypeName type{envelope->api_version.empty() ? std::string(expected.api_version) : std::string(envelope->api_version),
                envelope->kind.empty() ? std::string(expected.kind) : std::string(envelope->kind)};
  if (!same_kind(type, expected)) {
    if (auto ok = check_foreign(type, expected, ""); !ok) return std::unexpected(ok.error());
  }
  auto decoded = api::decode_protobuf(envelope->raw, expected);
  if (!decoded) return fail(cannot_handle(type, expected, decoded.error().message));
  return decoded;
}

}  // namespace

std::string go_package(std::string_view group) {
  if (group.empty() || group == "events.k8s.io") return "core";
  return std::string(group.substr(0, group.find('.')));
}

Result<std::unique_ptr<api::Object>> decode_body(std::string_view body, MediaType type, const api::KindInfo& expected,
                                                 FieldValidation validation, std::vector<std::string>& warnings) {
  if (type == MediaType::kProtobuf) return decode_proto(body, expected);
  if (type == MediaType::kJson) return decode_text(body, body, expected, validation, {}, warnings);
  auto json = api::yaml_to_json(body);
  if (!json) return fail(unrecognized(expected, json.error().message, body));
  std::vector<std::string> strict;
  if (!json->duplicate_keys.empty()) {
    std::string text = "yaml: unmarshal errors:";
    for (auto& key : json->duplicate_keys) text += "\n  " + key;
    strict.push_back(std::move(text));
  }
  return decode_text(body, json->json, expected, validation, std::move(strict), warnings);
}

Result<std::unique_ptr<api::Object>> decode_delete_options(std::string_view body, MediaType type) {
  if (body.empty()) return std::unique_ptr<api::Object>();
  const api::KindInfo& kind = *api::find_kind("meta.k8s.io", "v1", "DeleteOptions");
  if (type == MediaType::kProtobuf) {
    auto envelope = api::open_envelope(body);
    if (!envelope) return fail(errors::bad_request(envelope.error().message));
    auto decoded = api::decode_protobuf(envelope->raw, kind);
    if (!decoded) return fail(errors::bad_request(decoded.error().message));
    return decoded;
  }
  std::string converted;
  if (type == MediaType::kYaml) {
    auto json = api::yaml_to_json(body);
    if (!json) return fail(errors::bad_request(json.error().message));
    converted = std::move(json->json);
    body = converted;
  }
  auto meta = api::find_type_meta(body);
  if (!meta) return fail(errors::bad_request(meta.error().message));
  if (!meta->kind.empty() && meta->kind != "DeleteOptions")
    return fail(errors::bad_request(fmt::format("no kind \"{}\" is registered for version \"{}\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
                                                meta->kind, meta->api_version.empty() ? "v1" : meta->api_version)));
  auto decoded = api::decode_json(body, kind);
  if (!decoded) return fail(errors::bad_request(decoded.error().message));
  return std::move(decoded->object);
}

}  // namespace keelson::apiserver
