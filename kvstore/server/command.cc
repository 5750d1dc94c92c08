#include "kvstore/server/command.h"

#include <cstring>

#include "base/check.h"
#include "base/wire.h"

namespace keelson::kvstore {
namespace {

constexpr int kNestingMax =
    64;  // above kTxnNestingMax of kvstore/mvcc/state.h, which the proposer is held to

void put_if(wire::Writer& w, std::uint32_t field, std::int64_t v) {
  if (v != 0) w.sint(field, v);
}
void put_if(wire::Writer& w, std::uint32_t field, std::string_view v) {
  if (!v.empty()) w.bytes(field, v);
}

void encode(std::string& out, const RangeRequest& r) {
  wire::Writer w(out);
  put_if(w, 1, r.key);
  put_if(w, 2, r.end);
  put_if(w, 3, r.limit);
  put_if(w, 4, r.revision);
  put_if(w, 5, static_cast<std::int64_t>(r.sort_order));
  put_if(w, 6, static_cast<std::int64_t>(r.sort_target));
  put_if(w, 8, r.keys_only ? 1 : 0);
  put_if(w, 9, r.count_only ? 1 : 0);
  put_if(w, 10, r.min_mod_revision);
  put_if(w, 11, r.max_mod_revision);
  put_if(w, 12, r.min_create_revision);
  put_if(w, 13, r.max_create_revision);
}

void encode(std::string& out, const PutRequest& p) {
  wire::Writer w(out);
  put_if(w, 1, p.key);
  put_if(w, 2, p.value.view());
  put_if(w, 3, p.lease);
  put_if(w, 4, p.prev_kv ? 1 : 0);
  put_if(w, 5, p.ignore_value ? 1 : 0);
  put_if(w, 6, p.ignore_lease ? 1 : 0);
}

void encode(std::string& out, const DeleteRequest& d) {
  wire::Writer w(out);
  put_if(w, 1, d.key);
  put_if(w, 2, d.end);
  put_if(w, 3, d.prev_kv ? 1 : 0);
}

void encode(std::string& out, const Compare& c) {
  wire::Writer w(out);
  w.uint(1, static_cast<std::uint64_t>(c.op));
  w.uint(2, static_cast<std::uint64_t>(c.target));
  put_if(w, 3, c.key);
  put_if(w, 4, c.number);
  put_if(w, 5, c.value);
  put_if(w, 6, c.end);
}

void encode(std::string& out, const TxnRequest& t) {
  wire::Writer w(out);
  for (const auto& c : t.compares) {
    auto m = w.begin(1);
    encode(out, c);
    w.end(m);
  }
  for (std::uint32_t field : {2U, 3U}) {
    for (const auto& op : field == 2 ? t.success : t.failure) {
      auto outer = w.begin(field);
      auto m = w.begin(static_cast<std::uint32_t>(op.kind) + 1);
      switch (op.kind) {
        case TxnOp::Kind::kRange:
          encode(out, op.range);
          break;
        case TxnOp::Kind::kPut:
          encode(out, op.put);
          break;
        case TxnOp::Kind::kDelete:
          encode(out, op.del);
          break;
        case TxnOp::Kind::kTxn:
          encode(out, *op.txn);
          break;
      }
      w.end(m);
      w.end(outer);
    }
  }
}

// Decoding. `all` owns the memory that `at` views.
bool decode(std::string_view at, RangeRequest& r) {
  wire::Reader in(at);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        r.key = in.bytes();
        break;
      case 2:
        r.end = in.bytes();
        break;
      case 3:
        r.limit = in.sint();
        break;
      case 4:
        r.revision = in.sint();
        break;
      case 5:
        r.sort_order = static_cast<SortOrder>(in.uint() % 3);
        break;
      case 6:
        r.sort_target = static_cast<SortTarget>(in.uint() % 5);
        break;
      case 8:
        r.keys_only = in.boolean();
        break;
      case 9:
        r.count_only = in.boolean();
        break;
      case 10:
        r.min_mod_revision = in.sint();
        break;
      case 11:
        r.max_mod_revision = in.sint();
        break;
      case 12:
        r.min_create_revision = in.sint();
        break;
      case 13:
        r.max_create_revision = in.sint();
        break;
      default:
        return false;
    }
  }
  return in.ok();
}

bool decode(const Bytes& all, std::string_view at, PutRequest& p) {
  wire::Reader in(at);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        p.key = in.bytes();
        break;
      case 2: {
        const auto v = in.bytes();
        if (in.ok() && !v.empty())
          p.value = all.slice(static_cast<std::size_t>(v.data() - all.data()), v.size());
        break;
      }
      case 3:
        p.lease = in.sint();
        break;
      case 4:
        p.prev_kv = in.boolean();
        break;
      case 5:
        p.ignore_value = in.boolean();
        break;
      case 6:
        p.ignore_lease = in.boolean();
        break;
      default:
        return false;
    }
  }
  return in.ok();
}

bool decode(std::string_view at, DeleteRequest& d) {
  wire::Reader in(at);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        d.key = in.bytes();
        break;
      case 2:
        d.end = in.bytes();
        break;
      case 3:
        d.prev_kv = in.boolean();
        break;
      default:
        return false;
    }
  }
  return in.ok();
}

bool decode(std::string_view at, Compare& c) {
  wire::Reader in(at);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        c.op = static_cast<Compare::Op>(in.uint() % 4);
        break;
      case 2:
        c.target = static_cast<Compare::Target>(in.uint() % 5);
        break;
      case 3:
        c.key = in.bytes();
        break;
      case 4:
        c.number = in.sint();
        break;
      case 5:
        c.value = in.bytes();
        break;
      case 6:
        c.end = in.bytes();
        break;
      default:
        return false;
    }
  }
  return in.ok();
}

bool decode(const Bytes& all, std::string_view at, TxnRequest& t, int depth);

bool decode(const Bytes& all, std::string_view at, TxnOp& op, int depth) {
  wire::Reader in(at);
  if (!in.next()) return false;
  const auto body = in.bytes();
  if (!in.ok()) return false;
  switch (in.field()) {
    case 1:
      op.kind = TxnOp::Kind::kRange;
      return decode(body, op.range) && !in.next();
    case 2:
      op.kind = TxnOp::Kind::kPut;
      return decode(all, body, op.put) && !in.next();
    case 3:
      op.kind = TxnOp::Kind::kDelete;
      return decode(body, op.del) && !in.next();
    case 4:
      op.kind = TxnOp::Kind::kTxn;
      op.txn = std::make_shared<TxnRequest>();
      return decode(all, body, *op.txn, depth + 1) && !in.next();
    default:
      return false;
  }
}

bool decode(const Bytes& all, std::string_view at, TxnRequest& t, int depth) {
  if (depth > kNestingMax) return false;
  wire::Reader in(at);
  while (in.next()) {
    const auto body = in.bytes();
    if (!in.ok()) return false;
    bool ok = false;
    if (in.field() == 1) ok = decode(body, t.compares.emplace_back());
    if (in.field() == 2) ok = decode(all, body, t.success.emplace_back(), depth);
    if (in.field() == 3) ok = decode(all, body, t.failure.emplace_back(), depth);
    if (!ok) return false;
  }
  return in.ok();
}

bool decode_lease(std::string_view at, Command& c) {
  wire::Reader in(at);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        c.lease = in.sint();
        break;
      case 2:
        c.ttl_s = in.sint();
        break;
      default:
        return false;
    }
  }
  return in.ok();
}

bool decode_checkpoint(std::string_view at, Command& c) {
  wire::Reader in(at);
  while (in.next()) {
    if (in.field() != 1) return false;
    LeaseCheckpoint l;
    wire::Reader one(in.bytes());
    while (one.next()) {
      if (one.field() == 1) l.id = one.sint();
      if (one.field() == 2) l.remaining_s = one.sint();
    }
    if (!one.ok()) return false;
    c.remains.push_back(l);
  }
  return in.ok();
}

bool decode_member(std::string_view at, MemberInfo& m) {
  wire::Reader in(at);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        m.id = in.fixed64();
        break;
      case 2:
        m.name = in.bytes();
        break;
      case 3:
        m.peer_urls.emplace_back(in.bytes());
        break;
      case 4:
        m.client_urls.emplace_back(in.bytes());
        break;
      case 5:
        m.learner = in.boolean();
        break;
      default:
        return false;
    }
  }
  return in.ok();
}

void encode(std::string& out, const MemberInfo& m) {
  wire::Writer w(out);
  w.fixed64(1, m.id);
  put_if(w, 2, m.name);
  for (const auto& url : m.peer_urls) w.bytes(3, url);
  for (const auto& url : m.client_urls) w.bytes(4, url);
  if (m.learner) w.boolean(5, true);
}

bool decode_alarm(std::string_view at, Command& c) {
  wire::Reader in(at);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        c.alarm.member_id = in.fixed64();
        break;
      case 2:
        c.alarm.type = static_cast<AlarmType>(in.uint() % 3);
        break;
      case 3:
        c.activate = in.boolean();
        break;
      default:
        return false;
    }
  }
  return in.ok();
}

bool decode_auth(std::string_view at, Command& c) {
  auto auth = decode_auth_command(at);
  if (!auth) return false;
  c.auth = std::move(*auth);
  return true;
}

constexpr std::uint32_t kHeaderField = 15;
constexpr std::size_t kRequestIdAt = 3;  // behind the header's tag, its size (one byte) and the id's tag
constexpr std::size_t kUserMax = 64;     // a longer name makes the size take more bytes: id goes elsewhere

bool decode_header(std::string_view at, Command& c) {
  wire::Reader in(at);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        c.request = in.fixed64();
        break;
      case 2:
        c.who.user = in.bytes();
        break;
      case 3:
        c.who.auth_revision = in.uint();
        break;
      case 4:
        if (in.boolean()) c.who = Identity::internal();
        break;
      default:
        return false;
    }
  }
  return in.ok();
}

// The header comes first, its id first of all: at kRequestIdAt. Users with long names have a second header.
std::string begin_command(const Identity& who) {
  std::string out;
  wire::Writer w(out);
  const bool apart = who.user.size() > kUserMax;
  auto m = w.begin(kHeaderField);
  w.fixed64(1, 0);
  if (who.auth_revision == kInternalAuthRevision) {
    w.boolean(4, true);
  } else {
    if (who.auth_revision != 0) w.uint(3, who.auth_revision);
    if (!apart) put_if(w, 2, who.user);
  }
  w.end(m);
  if (apart) {
    m = w.begin(kHeaderField);
    w.bytes(2, who.user);
    w.end(m);
  }
  return out;
}

// One command of submessage `field`, written by `body`.
template <class Body>
std::string command(std::uint32_t field, const Identity& who, Body body) {
  std::string out = begin_command(who);
  wire::Writer w(out);
  auto m = w.begin(field);
  body(out, w);
  w.end(m);
  return out;
}

bool decode_body(const Bytes& bytes, wire::Reader& in, Command& c) {
  using Kind = Command::Kind;
  switch (in.field()) {
    case 1:
      c.kind = Kind::kTxn;
      return decode(bytes, in.bytes(), c.txn, 0);
    case 2:
      c.kind = Kind::kCompact;
      c.revision = in.sint();
      return true;
    case 3:
    case 4:
      c.kind = in.field() == 3 ? Kind::kLeaseGrant : Kind::kLeaseRevoke;
      return decode_lease(in.bytes(), c);
    case 5:
      c.kind = Kind::kLeaseCheckpoint;
      return decode_checkpoint(in.bytes(), c);
    case 6:
    case 7:
      c.kind = in.field() == 6 ? Kind::kMemberPublish : Kind::kMemberUpdate;
      return decode_member(in.bytes(), c.member);
    case 8:
      c.kind = Kind::kAlarm;
      return decode_alarm(in.bytes(), c);
    case 9:
      c.kind = Kind::kAuth;
      return decode_auth(in.bytes(), c);
    default:
      return false;
  }
}

}  // namespace

std::string encode_txn(const TxnRequest& request, const Identity& who) {
  return command(1, who, [&](std::string& out, wire::Writer&) { encode(out, request); });
}

std::string encode_compact(Revision revision, const Identity& who) {
  std::string out = begin_command(who);
  wire::Writer(out).sint(2, revision);
  return out;
}

std::string encode_lease_grant(LeaseId id, std::int64_t ttl_s, const Identity& who) {
  return command(3, who, [&](std::string&, wire::Writer& w) {
    w.sint(1, id);
    w.sint(2, ttl_s);
  });
}

std::string encode_lease_revoke(LeaseId id, const Identity& who) {
  return command(4, who, [&](std::string&, wire::Writer& w) { w.sint(1, id); });
}

std::string encode_lease_checkpoint(const std::vector<LeaseCheckpoint>& remains) {
  return command(5, Identity::internal(), [&](std::string&, wire::Writer& w) {
    for (const auto& l : remains) {
      auto m = w.begin(1);
      w.sint(1, l.id);
      w.sint(2, l.remaining_s);
      w.end(m);
    }
  });
}

std::string encode_member_publish(const MemberInfo& member) {
  return command(6, Identity::internal(), [&](std::string& out, wire::Writer&) { encode(out, member); });
}

std::string encode_member_update(const MemberInfo& member) {
  return command(7, Identity::internal(), [&](std::string& out, wire::Writer&) { encode(out, member); });
}

std::string encode_alarm(const Alarm& alarm, bool activate, const Identity& who) {
  return command(8, who, [&](std::string&, wire::Writer& w) {
    w.fixed64(1, alarm.member_id);
    w.uint(2, static_cast<std::uint64_t>(alarm.type));
    w.boolean(3, activate);
  });
}

std::string encode_auth(const AuthCommand& auth, const Identity& who) {
  return command(9, who, [&](std::string& out, wire::Writer&) { out += encode(auth); });
}

void set_request_id(std::string& command, std::uint64_t id) {
  CHECK(command.size() >= kRequestIdAt + sizeof id && command[0] == char(kHeaderField << 3 | 2));
  std::memcpy(command.data() + kRequestIdAt, &id, sizeof id);
}

Result<Command> decode_command(const Bytes& bytes) {
  Command c;
  if (bytes.empty()) return c;
  wire::Reader in(bytes);
  bool ok = in.next();
  while (ok && in.field() == kHeaderField) ok = decode_header(in.bytes(), c) && in.next();
  if (!ok || !decode_body(bytes, in, c) || in.next() || !in.ok()) {
    return fail(Code::kDataLoss, "a log entry holds no command of this version");
  }
  return c;
}

std::string encode(const ConfContext& context) {
  std::string out;
  wire::Writer w(out);
  w.fixed64(1, context.request);
  for (const auto& member : context.members) {
    auto m = w.begin(2);
    encode(out, member);
    w.end(m);
  }
  return out;
}

Result<ConfContext> decode_conf_context(const Bytes& bytes) {
  ConfContext c;
  wire::Reader in(bytes);
  bool ok = true;
  while (ok && in.next()) {
    if (in.field() == 1) {
      c.request = in.fixed64();
    } else {
      ok = in.field() == 2 && decode_member(in.bytes(), c.members.emplace_back());
    }
  }
  if (!ok || !in.ok()) return fail(Code::kDataLoss, "the context of a membership change is malformed");
  return c;
}

}  // namespace keelson::kvstore
