// What the codecs of kvstore/rpc share: fields that stand only when they are not zero, slices, ResponseHeader
// and KeyValue. For codecs of etcd's other messages (kvstore/server/etcd) too.
#pragma once

#include "base/bytes.h"
#include "base/wire.h"
#include "kvstore/rpc/codec.h"

namespace keelson::kvstore::rpc {

inline void put_int(wire::Writer& w, std::uint32_t field, std::int64_t v) {
  if (v != 0) w.sint(field, v);
}
inline void put_uint(wire::Writer& w, std::uint32_t field, std::uint64_t v) {
  if (v != 0) w.uint(field, v);
}
inline void put_bool(wire::Writer& w, std::uint32_t field, bool v) {
  if (v) w.boolean(field, true);
}
inline void put_bytes(wire::Writer& w, std::uint32_t field, std::string_view v) {
  if (!v.empty()) w.bytes(field, v);
}
// Sizes of the above, for field numbers below 16.
inline std::size_t int_size(std::int64_t v) {
  return v == 0 ? 0 : 1 + wire::varint_size(static_cast<std::uint64_t>(v));
}
inline std::size_t bytes_size(std::size_t n) {
  return n == 0 ? 0 : 1 + wire::varint_size(n) + n;
}
inline std::size_t message_size(std::size_t n) {
  return 1 + wire::varint_size(n) + n;
}

// What gRPC servers answer when a request cannot be decoded.
inline std::unexpected<Error> malformed() {
  return fail(Code::kInternal,
              "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
}

// The part of `whole` that `view` shows. REQUIRES: `view` lies within it.
inline Bytes slice_of(const Bytes& whole, std::string_view view) {
  if (view.empty()) return Bytes();
  return whole.slice(static_cast<std::size_t>(view.data() - whole.data()), view.size());
}

std::size_t header_size(const Header& v);
// With its tag and length; every reply has one as field 1, even an empty one.
void put_header(wire::Writer& w, const Header& v, std::uint32_t field = 1);

std::size_t key_value_size(const KeyValue& v);
// With tag and length.
void put_key_value(wire::Writer& w, std::uint32_t field, const KeyValue& v);
Result<void> decode_key_value(const Bytes& whole, std::string_view in, KeyValue& v);

}  // namespace keelson::kvstore::rpc
