// Tables (what kubectl prints) and PartialObjectMetadata, written as JSON text from objects.
//
// A table of a list is written in pieces, so that a long list need not be held twice:
//
//   std::string out;
//   begin_table(out, kind, list, options);
//   for (const ObjectPtr& o : objects) append_row(out, *o, options, now);
//   end_table(out);
//
// In a watch each event's object is a Table of one row; only the first one carries the columns.
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/object.h"
#include "base/error.h"

namespace keelson::api {

enum class IncludeObject : std::uint8_t { kNone, kMetadata, kObject };

struct TableOptions {
  IncludeObject include = IncludeObject::kMetadata;
  std::string_view version = "v1";  // of meta.k8s.io: "v1" or "v1beta1"
  bool columns = true;              // false: "columnDefinitions":null
};

// The includeObject query parameter; "" is Metadata. Error: 400 with upstream's text.
Result<IncludeObject> parse_include_object(std::string_view text);

// metadata of the list that a Table or a PartialObjectMetadataList stands for.
struct ListPosition {
  std::string_view resource_version;
  std::string_view continue_token;
  std::optional<std::int64_t> remaining;
};

void begin_table(std::string& out, const KindInfo& kind, const ListPosition& list,
                 const TableOptions& options);
// REQUIRES: between begin_table() and end_table() of the same `out`.
void append_row(std::string& out, const Object& object, const TableOptions& options, Time now);
void end_table(std::string& out);
// A whole Table of one object: for get, and for watch events.
std::string table_of(const Object& object, const TableOptions& options, Time now);

// {"kind":"PartialObjectMetadata",…,"metadata":{…}}, appended.
void append_partial_metadata(std::string& out, const Object& object, std::string_view version);
// The list, in pieces as tables are. An empty list reads "items":null.
void begin_partial_list(std::string& out, const ListPosition& list, std::string_view version);
void append_partial_item(std::string& out, const Object& object, std::string_view version);
void end_partial_list(std::string& out);

}  // namespace keelson::api
