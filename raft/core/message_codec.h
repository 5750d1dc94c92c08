// The bytes of a Message: protobuf wire fields, as listed here. Unknown fields are passed
// over, so that members of neighbouring versions understand one another.
//
//   Message   1 type · 2 from · 3 to · 4 term · 5 prev_index · 6 prev_term · 7 Entry* · 8 commit · 9 reject
//             10 index · 11 hint_index · 12 hint_term · 13 context · 14 force · 15 SnapshotMeta
//   Entry     1 term · 2 index · 3 type · 4 data
//   Snapshot  1 index · 2 term · 3 membership
//
// Zero and empty fields are left out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "raft/core/message.h"

namespace keelson::raft {

// How many bytes encode() appends, where entries decide: within 200 bytes, never less. For reserve().
std::size_t encoded_size_hint(const Message& message);
void encode(const Message& message, std::string& out);
// Entries' data share the memory of `bytes`. kDataLoss when they are no message.
Result<Message> decode_message(const Bytes& bytes);

// The Entry alone, as submessage `field` of whatever carries it.
void encode(const Entry& entry, std::uint32_t field, std::string& out);
// Its data share the memory of `whole`, in which `bytes` lie. False when they are no Entry.
bool decode(const Bytes& whole, std::string_view bytes, Entry& entry);

}  // namespace keelson::raft
