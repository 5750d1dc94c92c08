#include "kvstore/server/command.h"

#include <cstring>

#include "base/check.h"
#include "base/wire.h"
#include "kvstore/server/txn_codec.h"

namespace keelson::kvstore {
namespace {

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
  if (!m.name.empty()) w.bytes(2, m.name);
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
    if (!apart && !who.user.empty()) w.bytes(2, who.user);
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
      return decode(bytes, in.bytes(), c.txn);
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
