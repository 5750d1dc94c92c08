#include "api/table/table.h"

#include <fmt/format.h>

#include "api/field_error.h"
#include "api/json.h"
#include "api/status.h"
#include "api/table/cells.h"

namespace keelson::api {
namespace {

void append_list_meta(std::string& out, const ListPosition& list) {
  out += "\"metadata\":{";
  bool comma = false;
  const auto member = [&](std::string_view name) {
    if (comma) out += ',';
    comma = true;
    out += fmt::format("\"{}\":", name);
  };
  if (!list.resource_version.empty()) {
    member("resourceVersion");
    append_json_string(out, list.resource_version);
  }
  if (!list.continue_token.empty()) {
    member("continue");
    append_json_string(out, list.continue_token);
  }
  if (list.remaining) {
    member("remainingItemCount");
    out += std::to_string(*list.remaining);
  }
  out += '}';
}

void append_column(std::string& out, const ColumnInfo& c) {
  out += "{\"name\":";
  append_json_string(out, c.name);
  out += ",\"type\":";
  append_json_string(out, c.type);
  out += ",\"format\":";
  append_json_string(out, c.format);
  out += ",\"description\":";
  append_json_string(out, c.description.empty() ? c.name : c.description);
  out += fmt::format(",\"priority\":{}}}", c.priority);
}

constexpr ColumnInfo kPlainColumns[] = {
    {"Name", "string", "name", 0, "The name, unique among objects of its kind in a namespace"},
    {"Created At", "date", "", 0, "When the server made the object"},
};

// Appends an item to a list that ends in '[' or an element.
void separate(std::string& out) {
  if (out.back() != '[') out += ',';
}

}  // namespace

Result<IncludeObject> parse_include_object(std::string_view text) {
  if (text.empty() || text == "Metadata") return IncludeObject::kMetadata;
  if (text == "Object") return IncludeObject::kObject;
  if (text == "None") return IncludeObject::kNone;
  return fail(bad_request(
      fmt::format("Unable to convert to Table as requested: includeObject: Invalid value: {}: must be "
                  "'Metadata', 'Object', 'None', or empty",
                  field::go_quote(text))));
}

void begin_table(std::string& out, const KindInfo& kind, const ListPosition& list,
                 const TableOptions& options) {
  out += fmt::format("{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/{}\",", options.version);
  append_list_meta(out, list);
  out += ",\"columnDefinitions\":";
  if (!options.columns) {
    out += "null";
  } else {
    out += '[';
    const std::span<const ColumnInfo> columns =
        kind.columns.empty() ? std::span<const ColumnInfo>(kPlainColumns) : kind.columns;
    for (const ColumnInfo& c : columns) {
      separate(out);
      append_column(out, c);
    }
    out += ']';
  }
  out += ",\"rows\":[";
}

void append_row(std::string& out, const Object& object, const TableOptions& options, Time now) {
  separate(out);
  const RowCells row = row_cells(object, now);
  out += "{\"cells\":[";
  for (const Cell& c : row.cells) {
    separate(out);
    if (const auto* text = std::get_if<std::string>(&c)) {
      append_json_string(out, *text);
    } else {
      out += std::to_string(std::get<std::int64_t>(c));
    }
  }
  out += ']';
  if (!row.completed.empty())
    out += fmt::format(
        ",\"conditions\":[{{\"type\":\"Completed\",\"status\":\"True\",\"reason\":\"{}\",\"message\":\"{}\"}}"
        "]",
        row.completed,
        row.completed == "Succeeded" ? "The pod has completed successfully." : "The pod failed.");
  out += ",\"object\":";
  switch (options.include) {
    case IncludeObject::kNone:
      out += "null";
      break;
    case IncludeObject::kMetadata:
      append_partial_metadata(out, object, options.version);
      break;
    case IncludeObject::kObject:
      out += encode_json(object);
      break;
  }
  out += '}';
}

void end_table(std::string& out) {
  out += "]}";
}

std::string table_of(const Object& object, const TableOptions& options, Time now) {
  std::string out;
  begin_table(out, *object.kind(), {object.resource_version(), {}, {}}, options);
  append_row(out, object, options, now);
  end_table(out);
  return out;
}

void append_partial_metadata(std::string& out, const Object& object, std::string_view version) {
  out += fmt::format("{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":",
                     version);
  if (const meta_v1::ObjectMeta meta = object.meta()) {
    encode_json(out, meta);
  } else {
    out += "{}";
  }
  out += '}';
}

void begin_partial_list(std::string& out, const ListPosition& list, std::string_view version) {
  out += fmt::format("{{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/{}\",", version);
  append_list_meta(out, list);
  out += ",\"items\":[";
}

void append_partial_item(std::string& out, const Object& object, std::string_view version) {
  separate(out);
  append_partial_metadata(out, object, version);
}

void end_partial_list(std::string& out) {
  if (out.ends_with("\"items\":[")) {
    out.pop_back();
    out += "null}";
  } else {
    out += "]}";
  }
}

}  // namespace keelson::api
