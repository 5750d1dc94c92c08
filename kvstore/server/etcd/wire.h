// Small codecs that all services share: headers, key-value pairs, and what malformed bytes are answered with.
// Field numbers: etcd api/etcdserverpb/rpc.proto, mvccpb/kv.proto.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/wire.h"
#include "kvstore/server/member.h"

namespace keelson::kvstore::etcd {

// proto3: numbers that are 0, false and empty text are not written.
inline void put_int(wire::Writer& w, std::uint32_t field, std::int64_t v) {
  if (v != 0) w.sint(field, v);
}
inline void put_uint(wire::Writer& w, std::uint32_t field, std::uint64_t v) {
  if (v != 0) w.uint(field, v);
}
inline void put_bool(wire::Writer& w, std::uint32_t field, bool v) {
  if (v) w.boolean(field, v);
}
inline void put_bytes(wire::Writer& w, std::uint32_t field, std::string_view v) {
  if (!v.empty()) w.bytes(field, v);
}

// etcdserverpb.ResponseHeader as field `field` (1 in every response).
void put_header(wire::Writer& w, const Header& h, std::uint32_t field = 1);
inline Header with_revision(Header h, Revision revision) {
  h.revision = revision;
  return h;
}
// A response that is a header alone.
Bytes header_only(const Header& h);

// mvccpb.KeyValue as a submessage.
void put_key_value(wire::Writer& w, std::uint32_t field, const KeyValue& kv);
// Bytes of the submessage, without tag and length.
std::size_t key_value_size(const KeyValue& kv);
Result<KeyValue> decode_key_value(std::string_view bytes);

// What gRPC servers answer when a request cannot be decoded.
inline std::unexpected<Error> malformed() {
  return fail(Code::kInternal,
              "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
}

}  // namespace keelson::kvstore::etcd
