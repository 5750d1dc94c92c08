#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {
namespace {

std::size_t int_size(std::int64_t v) {
  return v == 0 ? 0 : 1 + wire::varint_size(static_cast<std::uint64_t>(v));
}
std::size_t bytes_size(std::size_t n) {
  return n == 0 ? 0 : 1 + wire::varint_size(n) + n;
}

}  // namespace

void put_header(wire::Writer& w, const Header& h, std::uint32_t field) {
  const auto mark = w.begin(field);
  put_uint(w, 1, h.cluster_id);
  put_uint(w, 2, h.member_id);
  put_int(w, 3, h.revision);
  put_uint(w, 4, h.raft_term);
  w.end(mark);
}

Bytes header_only(const Header& h) {
  std::string out;
  wire::Writer w(out);
  put_header(w, h);
  return Bytes(std::move(out));
}

std::size_t key_value_size(const KeyValue& kv) {
  return bytes_size(kv.key.size()) + int_size(kv.create_revision) + int_size(kv.mod_revision) +
         int_size(kv.version) + bytes_size(kv.value.size()) + int_size(kv.lease);
}

void put_key_value(wire::Writer& w, std::uint32_t field, const KeyValue& kv) {
  w.tag(field, wire::Type::kBytes);
  w.length(key_value_size(kv));
  put_bytes(w, 1, kv.key);
  put_int(w, 2, kv.create_revision);
  put_int(w, 3, kv.mod_revision);
  put_int(w, 4, kv.version);
  put_bytes(w, 5, kv.value);
  put_int(w, 6, kv.lease);
}

Result<KeyValue> decode_key_value(std::string_view bytes) {
  KeyValue kv;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        kv.key = Bytes::copy(r.bytes());
        break;
      case 2:
        kv.create_revision = r.sint();
        break;
      case 3:
        kv.mod_revision = r.sint();
        break;
      case 4:
        kv.version = r.sint();
        break;
      case 5:
        kv.value = Bytes::copy(r.bytes());
        break;
      case 6:
        kv.lease = r.sint();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return kv;
}

}  // namespace keelson::kvstore::etcd
