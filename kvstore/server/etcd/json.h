// JSON and protobuf of the same message, by its description: proto3's JSON mapping as etcd's gateway has it
// (names of the proto, 64-bit numbers as text, bytes in base64, enums by name, nothing for defaults).
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "kvstore/server/etcd/schema.h"

namespace keelson::kvstore::etcd {

// The protobuf bytes of one JSON value. Unknown fields are skipped, both spellings of names and numbers are
// taken. kInvalidArgument says what is wrong.
Result<std::string> json_to_wire(const MessageDesc& message, std::string_view json);
// Appends the JSON of a message. False, with `out` half written, for malformed bytes.
bool wire_to_json(const MessageDesc& message, std::string_view bytes, std::string& out);
// Where the first JSON value of `text` (an object) ends; npos: more text is needed.
std::size_t json_value_end(std::string_view text);

}  // namespace keelson::kvstore::etcd
