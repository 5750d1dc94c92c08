#include "kvstore/backend/record.h"

#include "base/wire.h"

namespace keelson::kvstore {
namespace {

void put_big_endian(std::string& out, std::uint64_t v, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(v >> (8 * i)));
}

std::uint64_t get_big_endian(std::string_view s) {
  std::uint64_t v = 0;
  for (char c : s) v = v << 8 | static_cast<unsigned char>(c);
  return v;
}

}  // namespace

namespace record {

std::string version_key(FullRevision rev) {
  std::string out(1, kVersionPrefix);
  put_big_endian(out, static_cast<std::uint64_t>(rev.main), 8);
  put_big_endian(out, rev.sub, 4);
  return out;
}

std::string lease_key(LeaseId id) {
  std::string out(1, kLeasePrefix);
  put_big_endian(out, static_cast<std::uint64_t>(id), 8);
  return out;
}

std::string system_key(std::string_view name) {
  return std::string(1, kSystemPrefix).append(name);
}

// False for a key that is not one of a version.
static bool parse_version_key(std::string_view key, FullRevision& rev) {
  if (key.size() != 13 || key[0] != kVersionPrefix) return false;
  rev.main = static_cast<Revision>(get_big_endian(key.substr(1, 8)));
  rev.sub = static_cast<std::uint32_t>(get_big_endian(key.substr(9, 4)));
  return rev.main > 0;
}

Result<DecodedVersion> parse_version(std::string_view key, std::string_view value) {
  DecodedVersion v;
  if (!parse_version_key(key, v.fields.rev) || !decode_version(value, v))
    return fail(Code::kDataLoss, "backend: a version record is malformed");
  return v;
}

std::string encode_meta(const BackendMeta& m) {
  std::string out;
  wire::Writer w(out);
  w.uint(1, m.applied_index);
  w.uint(2, m.applied_term);
  w.sint(3, m.revision);
  w.sint(4, m.compacted);
  w.boolean(5, m.compaction_done);
  w.fixed64(6, m.state_hash);
  if (m.snapshot_index != 0) w.uint(7, m.snapshot_index);
  if (m.records_hash != 0) w.fixed64(8, m.records_hash);
  return out;
}

bool decode_meta(std::string_view bytes, BackendMeta& m) {
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        m.applied_index = r.uint();
        break;
      case 2:
        m.applied_term = r.uint();
        break;
      case 3:
        m.revision = r.sint();
        break;
      case 4:
        m.compacted = r.sint();
        break;
      case 5:
        m.compaction_done = r.boolean();
        break;
      case 6:
        m.state_hash = r.fixed64();
        break;
      case 7:
        m.snapshot_index = r.uint();
        break;
      case 8:
        m.records_hash = r.fixed64();
        break;
      default:
        break;
    }
  }
  return r.ok();
}

std::string encode_lease(const LeaseChange& lease) {
  std::string out;
  wire::Writer w(out);
  w.sint(1, lease.ttl_s);
  if (lease.remaining_s != 0) w.sint(2, lease.remaining_s);
  return out;
}

bool decode_lease(std::string_view key, std::string_view bytes, LeaseChange& lease) {
  if (key.size() != 9 || key[0] != kLeasePrefix) return false;
  lease.id = static_cast<LeaseId>(get_big_endian(key.substr(1)));
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) lease.ttl_s = r.sint();
    if (r.field() == 2) lease.remaining_s = r.sint();
  }
  return r.ok() && lease.ttl_s > 0;
}

}  // namespace record

void encode_version(const Item& item, std::string& out) {
  wire::Writer w(out);
  w.bytes(1, item.key());
  if (item.tombstone()) {
    w.boolean(6, true);
    return;
  }
  w.bytes(2, item.value());
  w.sint(3, item.create());
  w.sint(4, item.version());
  if (item.lease() != 0) w.sint(5, item.lease());
}

bool decode_version(std::string_view bytes, DecodedVersion& out) {
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        out.key = r.bytes();
        break;
      case 2:
        out.value = r.bytes();
        break;
      case 3:
        out.fields.create = r.sint();
        break;
      case 4:
        out.fields.version = r.sint();
        break;
      case 5:
        out.fields.lease = r.sint();
        break;
      case 6:
        out.fields.tombstone = r.boolean();
        break;
      default:
        break;
    }
  }
  return r.ok() && !out.key.empty() && !(out.fields.tombstone && !out.value.empty());
}

}  // namespace keelson::kvstore
