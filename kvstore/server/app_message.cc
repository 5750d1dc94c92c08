#include "kvstore/server/app_message.h"

#include "base/wire.h"
#include "raft/core/message_codec.h"

namespace keelson::kvstore {
namespace {

void encode_change(std::string& out, const MemberChange& c) {
  wire::Writer w(out);
  w.uint(1, static_cast<std::uint64_t>(c.op));
  w.fixed64(2, c.id);
  for (const auto& url : c.peer_urls) w.bytes(3, url);
}

bool decode_change(std::string_view bytes, MemberChange& c) {
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) {
      const auto op = r.uint();
      if (op < 1 || op > 5) return false;
      c.op = static_cast<MemberChange::Op>(op);
    } else if (r.field() == 2) {
      c.id = r.fixed64();
    } else if (r.field() == 3) {
      c.peer_urls.emplace_back(r.bytes());
    }
  }
  return r.ok();
}

bool decode_error(std::string_view bytes, Error& e) {
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) {
      const auto code = r.uint();
      if (code < 1 || code > 16) return false;
      e.code = static_cast<Code>(code);
    }
    if (r.field() == 2) e.message = r.bytes();
  }
  return r.ok();
}

void encode_info(std::string& out, const LeaseInfo& info) {
  wire::Writer w(out);
  w.sint(1, info.id);
  w.sint(2, info.granted_ttl_s);
  w.sint(3, info.remaining_ttl_s);
  for (const auto& key : info.keys) w.bytes(4, key);
}

bool decode_info(std::string_view bytes, LeaseInfo& info) {
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) info.id = r.sint();
    if (r.field() == 2) info.granted_ttl_s = r.sint();
    if (r.field() == 3) info.remaining_ttl_s = r.sint();
    if (r.field() == 4) info.keys.emplace_back(r.bytes());
  }
  return r.ok();
}

bool decode_hash(std::string_view bytes, IndexHash& h) {
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) h.index = raft::Index(r.uint());
    if (r.field() == 2) h.hash = r.fixed64();
  }
  return r.ok();
}

bool decode_repair_field(const Bytes& whole, wire::Reader& r, AppMessage& m) {
  switch (r.field()) {
    case 13:
      m.range.first = raft::Index(r.uint());
      return true;
    case 14:
      m.range.last = raft::Index(r.uint());
      return true;
    case 15:
      m.snapshot = r.boolean();
      return true;
    case 16: {
      const auto answer = r.uint();
      m.answer = static_cast<LogRepair::Answer>(answer);
      return answer >= 1 && answer <= 4;
    }
    case 17:
      return raft::decode(whole, r.bytes(), m.entries.emplace_back());
    default:
      return true;
  }
}

void encode_repair_fields(std::string& out, const AppMessage& m) {
  wire::Writer w(out);
  w.uint(13, m.range.first.value());
  w.uint(14, m.range.last.value());
  if (m.snapshot) w.boolean(15, true);
  if (m.kind == AppMessage::Kind::kFetched) w.uint(16, static_cast<std::uint64_t>(m.answer));
  for (const auto& e : m.entries) raft::encode(e, 17, out);
}

bool decode_field(const Bytes& whole, wire::Reader& r, AppMessage& m) {
  switch (r.field()) {
    case 1: {
      const auto kind = r.uint();
      m.kind = static_cast<AppMessage::Kind>(kind);
      return kind >= 1 && kind <= 6;
    }
    case 2:
      m.request = r.fixed64();
      return true;
    case 3: {
      const auto op = r.uint();
      m.op = static_cast<Pending::Op>(op);
      return op <= static_cast<std::uint64_t>(Pending::Op::kMoveLeader);
    }
    case 4:
      m.lease = r.sint();
      return true;
    case 5:
      m.lease_keys = r.boolean();
      return true;
    case 6:
      return decode_change(r.bytes(), m.change);
    case 7:
      m.target = r.fixed64();
      return true;
    case 8:
      return decode_error(r.bytes(), m.error.emplace());
    case 9:
      return decode_info(r.bytes(), m.info);
    case 10:
      m.applied = raft::Index(r.uint());
      return true;
    case 11:
      return decode_hash(r.bytes(), m.hashes.emplace_back());
    case 12:
      m.new_member = r.fixed64();
      return true;
    default:
      return decode_repair_field(whole, r, m);
  }
}

}  // namespace

std::string encode(const AppMessage& m) {
  std::string out;
  wire::Writer w(out);
  w.uint(1, static_cast<std::uint64_t>(m.kind));
  if (m.request != 0) w.fixed64(2, m.request);
  if (m.kind == AppMessage::Kind::kRequest) {
    w.uint(3, static_cast<std::uint64_t>(m.op));
    if (m.lease != 0) w.sint(4, m.lease);
    if (m.lease_keys) w.boolean(5, true);
    if (m.op == Pending::Op::kMember) {
      auto mark = w.begin(6);
      encode_change(out, m.change);
      w.end(mark);
    }
  }
  if (m.target != 0) w.fixed64(7, m.target);
  if (m.error) {
    auto mark = w.begin(8);
    w.uint(1, static_cast<std::uint64_t>(m.error->code));
    w.bytes(2, m.error->message);
    w.end(mark);
  }
  if (m.info.id != 0) {
    auto mark = w.begin(9);
    encode_info(out, m.info);
    w.end(mark);
  }
  if (m.applied != raft::Index()) w.uint(10, m.applied.value());
  for (const auto& h : m.hashes) {
    auto mark = w.begin(11);
    w.uint(1, h.index.value());
    w.fixed64(2, h.hash);
    w.end(mark);
  }
  if (m.new_member != 0) w.fixed64(12, m.new_member);
  if (m.kind == AppMessage::Kind::kFetch || m.kind == AppMessage::Kind::kFetched)
    encode_repair_fields(out, m);
  return out;
}

Result<AppMessage> decode_app_message(const Bytes& bytes) {
  AppMessage m;
  wire::Reader r(bytes);
  while (r.next()) {
    if (!decode_field(bytes, r, m)) return fail(Code::kDataLoss, "a message between members is malformed");
  }
  if (!r.ok()) return fail(Code::kDataLoss, "a message between members is malformed");
  return m;
}

}  // namespace keelson::kvstore
