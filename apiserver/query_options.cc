#include "apiserver/query_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/gen/meta_v1.h"
#include "apiserver/errors.h"
#include "net/http.h"

namespace keelson::apiserver {
namespace {

namespace field = api::field;

Error invalid_options(std::string_view kind, const field::ErrorList& causes) {
  return errors::invalid("meta.k8s.io", kind, "", causes);
}

Result<std::optional<std::int64_t>> read_int(const Query& query, std::string_view name) {
  auto text = query.get(name);
  if (!text || text->empty()) return std::nullopt;
  std::int64_t value = 0;
  const char* begin = text->data();
  const char* end = begin + text->size();
  if (*begin == '+') ++begin;
  auto [at, ec] = std::from_chars(begin, end, value);
  if (ec == std::errc::result_out_of_range)
    return fail(errors::bad_request(fmt::format("strconv.ParseInt: parsing \"{}\": value out of range", *text)));
  if (ec != std::errc{} || at != end)
    return fail(errors::bad_request(fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax", *text)));
  return value;
}

std::string json_texts(const std::vector<std::string>& values) {
  std::string out = "[";
  for (auto& v : values) {
    if (out.size() > 1) out += ",";
    append_json_string(out, v);
  }
  return out + "]";
}

void check_dry_run(const std::vector<std::string>& values, field::ErrorList& causes) {
  static constexpr std::string_view kAll[] = {"All"};
  if (std::any_of(values.begin(), values.end(), [](auto& v) { return v != "All"; }))
    causes.push_back(field::not_supported(field::Path("dryRun"), field::BadValue::raw(json_texts(values)), kAll));
}

void check_manager(std::string_view manager, field::ErrorList& causes) {
  constexpr int kMax = 128;
  const field::Path path("fieldManager");
  if (manager.size() > kMax) causes.push_back(field::too_long(path, kMax));
  for (std::size_t i = 0; i < manager.size(); ++i) {
    auto c = static_cast<unsigned char>(manager[i]);
    if (c < 0x20 || c == 0x7f)
      causes.push_back(field::invalid(path, manager, fmt::format("invalid character U+{:04X} (at position {})", c, i)));
  }
}

field::ErrorList check_list(const ListOptions& o) {
  field::ErrorList causes;
  const field::Path match("resourceVersionMatch");
  static constexpr std::string_view kMatches[] = {"Exact", "NotOlderThan", ""};
  if (!o.resource_version_match.empty()) {
    if (o.resource_version.empty())
      causes.push_back(field::forbidden(match, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
    if (!o.continue_token.empty())
      causes.push_back(field::forbidden(match, "resourceVersionMatch is forbidden when continue is provided"));
    if (o.resource_version_match != "Exact" && o.resource_version_match != "NotOlderThan")
      causes.push_back(field::not_supported(match, o.resource_version_match, kMatches));
    if (o.resource_version_match == "Exact" && o.resource_version == "0")
      causes.push_back(field::forbidden(match, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
  }
  if (o.send_initial_events)
    causes.push_back(field::forbidden(field::Path("sendInitialEvents"), "sendInitialEvents is forbidden for list"));
  return causes;
}

field::ErrorList check_watch(const ListOptions& o) {
  field::ErrorList causes;
  const field::Path match("resourceVersionMatch");
  static constexpr std::string_view kMatches[] = {"NotOlderThan"};
  if (o.send_initial_events && o.resource_version_match != "NotOlderThan")
    causes.push_back(field::forbidden(match, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
  auto check_continue = [&] {
    if (!o.continue_token.empty())
      causes.push_back(field::forbidden(match, "resourceVersionMatch is forbidden when continue is provided"));
  };
  if (o.resource_version_match.empty()) {
    check_continue();
    return causes;
  }
  if (!o.send_initial_events)
    causes.push_back(field::forbidden(match, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
  if (o.resource_version_match != "NotOlderThan")
    causes.push_back(field::not_supported(match, o.resource_version_match, kMatches));
  check_continue();
  return causes;
}

bool loose_bool(std::string_view text) {
  if (text == "0") return false;
  if (text.size() != 5) return true;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return lower != "false";
}

}  // namespace

Query::Query(std::string_view raw) {
  if (!raw.empty()) values_ = net::parse_query(raw);
}

std::optional<std::string_view> Query::get(std::string_view name) const {
  for (auto& [key, value] : values_)
    if (key == name) return value;
  return std::nullopt;
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> out;
  for (auto& [key, value] : values_)
    if (key == name) out.push_back(value);
  return out;
}

bool Query::flag(std::string_view name) const {
  auto value = get(name);
  return value && loose_bool(*value);
}

Result<ListOptions> read_list_options(const Query& query, bool watch) {
  ListOptions o;
  auto text = [&](std::string_view name) { return std::string(query.get(name).value_or("")); };
  o.label_selector = text("labelSelector");
  o.field_selector = text("fieldSelector");
  o.resource_version = text("resourceVersion");
  o.resource_version_match = text("resourceVersionMatch");
  o.continue_token = text("continue");
  o.limit = TRY(read_int(query, "limit")).value_or(0);
  if (o.limit < 0) o.limit = 0;
  o.timeout_s = TRY(read_int(query, "timeoutSeconds"));
  o.allow_bookmarks = query.flag("allowWatchBookmarks");
  if (query.get("sendInitialEvents")) o.send_initial_events = query.flag("sendInitialEvents");
  auto causes = watch ? check_watch(o) : check_list(o);
  if (!causes.empty()) return fail(invalid_options("ListOptions", causes));
  return o;
}

Result<WriteOptions> read_write_options(const Query& query, std::string_view kind, bool apply) {
  WriteOptions o;
  field::ErrorList causes;
  o.field_manager = std::string(query.get("fieldManager").value_or(""));
  if (kind == "PatchOptions") {
    if (apply && o.field_manager.empty())
      causes.push_back(field::required(field::Path("fieldManager"), "is required for apply patch"));
    if (!apply && query.get("force"))
      causes.push_back(field::forbidden(field::Path("force"), "may not be specified for non-apply patch"));
    o.force = query.flag("force");
  }
  check_manager(o.field_manager, causes);
  auto dry_run = query.all("dryRun");
  check_dry_run(dry_run, causes);
  o.dry_run = !dry_run.empty();
  static constexpr std::string_view kValidations[] = {"", "Ignore", "Strict", "Warn"};
  auto validation = query.get("fieldValidation").value_or("");
  if (validation == "Ignore") o.field_validation = FieldValidation::kIgnore;
  else if (validation == "Strict") o.field_validation = FieldValidation::kStrict;
  else if (!validation.empty() && validation != "Warn")
    causes.push_back(field::not_supported(field::Path("fieldValidation"), validation, kValidations));
  if (!causes.empty()) return fail(invalid_options(kind, causes));
  return o;
}

Result<DeleteRequest> read_delete_options(const Query& query, const api::Object* body) {
  DeleteRequest out;
  DeleteOptions& o = out.options;
  std::vector<std::string> dry_run;
  if (body) {
    auto given = api::meta_v1::DeleteOptions::of(*body);
    if (given.has_grace_period_seconds()) o.grace_period_s = given.grace_period_seconds();
    if (given.has_propagation_policy()) o.propagation_policy = std::string(given.propagation_policy());
    if (given.has_orphan_dependents()) o.orphan_dependents = given.orphan_dependents();
    if (given.preconditions().has_uid()) o.precondition_uid = std::string(given.preconditions().uid());
    if (given.preconditions().has_resource_version())
      o.precondition_resource_version = std::string(given.preconditions().resource_version());
    for (auto v : given.dry_run()) dry_run.emplace_back(v);
  } else {
    o.grace_period_s = TRY(read_int(query, "gracePeriodSeconds"));
    if (auto v = query.get("propagationPolicy")) o.propagation_policy = std::string(*v);
    if (query.get("orphanDependents")) o.orphan_dependents = query.flag("orphanDependents");
    dry_run = query.all("dryRun");
  }
  field::ErrorList causes;
  static constexpr std::string_view kPolicies[] = {"Foreground", "Background", "Orphan", "nil"};
  const field::Path policy("propagationPolicy");
  if (o.orphan_dependents && o.propagation_policy)
    causes.push_back(field::invalid(policy, *o.propagation_policy, "orphanDependents and deletionPropagation cannot be both set"));
  if (o.propagation_policy && *o.propagation_policy != "Foreground" && *o.propagation_policy != "Background" &&
      *o.propagation_policy != "Orphan")
    causes.push_back(field::not_supported(policy, *o.propagation_policy, kPolicies));
  check_dry_run(dry_run, causes);
  if (!causes.empty()) return fail(invalid_options("DeleteOptions", causes));
  out.dry_run = !dry_run.empty();
  return out;
}

}  // namespace keelson::apiserver
