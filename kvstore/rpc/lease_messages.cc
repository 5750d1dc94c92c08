// Messages of etcdserverpb.Lease.
#include "kvstore/rpc/fields.h"

namespace keelson::kvstore::rpc {

void encode_lease_grant(const LeaseInfo& v, std::string& out) {
  wire::Writer w(out);
  put_int(w, 1, v.granted_ttl_s);
  put_int(w, 2, v.id);
}

Result<void> decode_lease_grant(std::string_view in, LeaseInfo& v) {
  wire::Reader r(in);
  while (r.next()) {
    if (r.field() == 1) v.granted_ttl_s = r.sint();
    if (r.field() == 2) v.id = r.sint();
  }
  if (!r.ok()) return malformed();
  return {};
}

void encode_lease_id(LeaseId id, std::string& out) {
  wire::Writer w(out);
  put_int(w, 1, id);
}

Result<void> decode_lease_id(std::string_view in, LeaseId& id) {
  wire::Reader r(in);
  while (r.next())
    if (r.field() == 1) id = r.sint();
  if (!r.ok()) return malformed();
  return {};
}

void encode_lease_time_to_live(LeaseId id, bool keys, std::string& out) {
  wire::Writer w(out);
  put_int(w, 1, id);
  put_bool(w, 2, keys);
}

Result<void> decode_lease_time_to_live(std::string_view in, LeaseId& id, bool& keys) {
  wire::Reader r(in);
  while (r.next()) {
    if (r.field() == 1) id = r.sint();
    if (r.field() == 2) keys = r.boolean();
  }
  if (!r.ok()) return malformed();
  return {};
}

void encode_lease_granted(const Header& header, const LeaseInfo& v, std::string& out) {
  wire::Writer w(out);
  put_header(w, header);
  put_int(w, 2, v.id);
  put_int(w, 3, v.granted_ttl_s);
}

Result<void> decode_lease_granted(std::string_view in, Header& header, LeaseInfo& v) {
  TRY(decode_header(in, header));
  wire::Reader r(in);
  while (r.next()) {
    if (r.field() == 2) v.id = r.sint();
    if (r.field() == 3) v.granted_ttl_s = r.sint();
  }
  if (!r.ok()) return malformed();
  v.remaining_ttl_s = v.granted_ttl_s;
  return {};
}

void encode_lease_kept(const Header& header, const LeaseInfo& v, std::string& out) {
  wire::Writer w(out);
  put_header(w, header);
  put_int(w, 2, v.id);
  put_int(w, 3, v.remaining_ttl_s);
}

Result<void> decode_lease_kept(std::string_view in, Header& header, LeaseInfo& v) {
  TRY(decode_header(in, header));
  wire::Reader r(in);
  while (r.next()) {
    if (r.field() == 2) v.id = r.sint();
    if (r.field() == 3) v.remaining_ttl_s = r.sint();
  }
  if (!r.ok()) return malformed();
  return {};
}

void encode_lease_lives(const Header& header, const LeaseInfo& v, std::string& out) {
  wire::Writer w(out);
  put_header(w, header);
  put_int(w, 2, v.id);
  put_int(w, 3, v.remaining_ttl_s);
  put_int(w, 4, v.granted_ttl_s);
  for (auto& key : v.keys) w.bytes(5, key);
}

Result<void> decode_lease_lives(std::string_view in, Header& header, LeaseInfo& v) {
  TRY(decode_header(in, header));
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 2:
        v.id = r.sint();
        break;
      case 3:
        v.remaining_ttl_s = r.sint();
        break;
      case 4:
        v.granted_ttl_s = r.sint();
        break;
      case 5:
        v.keys.emplace_back(r.bytes());
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

void encode_leases(const Header& header, const std::vector<LeaseId>& v, std::string& out) {
  wire::Writer w(out);
  put_header(w, header);
  for (const LeaseId id : v) {
    const auto m = w.begin(2);
    put_int(w, 1, id);
    w.end(m);
  }
}

Result<void> decode_leases(std::string_view in, Header& header, std::vector<LeaseId>& v) {
  TRY(decode_header(in, header));
  wire::Reader r(in);
  while (r.next())
    if (r.field() == 2) TRY(decode_lease_id(r.bytes(), v.emplace_back(0)));
  if (!r.ok()) return malformed();
  return {};
}

}  // namespace keelson::kvstore::rpc
