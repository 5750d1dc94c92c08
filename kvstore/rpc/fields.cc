#include "kvstore/rpc/fields.h"

namespace keelson::kvstore::rpc {

std::size_t header_size(const Header& v) {
  return int_size(static_cast<std::int64_t>(v.cluster_id)) +
         int_size(static_cast<std::int64_t>(v.member_id)) + int_size(v.revision) +
         int_size(static_cast<std::int64_t>(v.raft_term));
}

void put_header(wire::Writer& w, const Header& v, std::uint32_t field) {
  w.tag(field, wire::Type::kBytes);
  w.length(header_size(v));
  put_uint(w, 1, v.cluster_id);
  put_uint(w, 2, v.member_id);
  put_int(w, 3, v.revision);
  put_uint(w, 4, v.raft_term);
}

void encode(const Header& v, std::string& out) {
  wire::Writer w(out);
  put_header(w, v);
}

Result<void> decode_header(std::string_view in, Header& v) {
  wire::Reader outer(in);
  while (outer.next()) {
    if (outer.field() != 1) continue;
    wire::Reader r(outer.bytes());
    while (r.next()) {
      switch (r.field()) {
        case 1:
          v.cluster_id = r.uint();
          break;
        case 2:
          v.member_id = r.uint();
          break;
        case 3:
          v.revision = r.sint();
          break;
        case 4:
          v.raft_term = r.uint();
          break;
        default:
          break;
      }
    }
    if (!r.ok()) return malformed();
    return {};
  }
  if (!outer.ok()) return malformed();
  return {};
}

std::size_t key_value_size(const KeyValue& v) {
  return bytes_size(v.key.size()) + int_size(v.create_revision) + int_size(v.mod_revision) +
         int_size(v.version) + bytes_size(v.value.size()) + int_size(v.lease);
}

void put_key_value(wire::Writer& w, std::uint32_t field, const KeyValue& v) {
  w.tag(field, wire::Type::kBytes);
  w.length(key_value_size(v));
  put_bytes(w, 1, v.key);
  put_int(w, 2, v.create_revision);
  put_int(w, 3, v.mod_revision);
  put_int(w, 4, v.version);
  put_bytes(w, 5, v.value);
  put_int(w, 6, v.lease);
}

Result<void> decode_key_value(const Bytes& whole, std::string_view in, KeyValue& v) {
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        v.key = slice_of(whole, r.bytes());
        break;
      case 2:
        v.create_revision = r.sint();
        break;
      case 3:
        v.mod_revision = r.sint();
        break;
      case 4:
        v.version = r.sint();
        break;
      case 5:
        v.value = slice_of(whole, r.bytes());
        break;
      case 6:
        v.lease = r.sint();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

}  // namespace keelson::kvstore::rpc
