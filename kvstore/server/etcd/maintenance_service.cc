#include <charconv>

#include "kvstore/server/etcd/errors.h"
#include "kvstore/server/etcd/services.h"
#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {
namespace {

using net::GrpcCall;

constexpr std::uint64_t kDefaultQuota = std::uint64_t{2} << 30;
constexpr std::size_t kSnapshotPiece = 256 << 10;

// ---- Alarm

Task<Result<Bytes>> alarm(ServiceContext* c, GrpcCall* call, std::string request) {
  enum : std::uint64_t { kGet = 0, kActivate = 1, kDeactivate = 2 };
  std::uint64_t action = kGet;
  std::uint64_t type = 0;
  Alarm alarm;
  wire::Reader r(request);
  while (r.next()) {
    if (r.field() == 1) action = r.uint();
    if (r.field() == 2) alarm.member_id = r.uint();
    if (r.field() == 3) type = r.uint();
  }
  if (!r.ok()) co_return malformed();
  alarm.type = type <= 2 ? static_cast<AlarmType>(type) : AlarmType::kNone;
  if (action == kGet) {
    CO_TRY(require_user(*c, *call));
  } else {
    CO_TRY(require_admin(*c, *call));
  }
  std::vector<Alarm> found;
  if (action == kGet) {
    found = CO_TRY(co_await c->member.alarms());
    if (type != 0) std::erase_if(found, [&](const Alarm& a) { return a.type != alarm.type; });
  } else if (alarm.type != AlarmType::kNone) {
    found = action == kActivate ? CO_TRY(co_await c->member.alarm_activate(alarm))
                                : CO_TRY(co_await c->member.alarm_deactivate(alarm));
  }
  std::string out;
  wire::Writer w(out);
  put_header(w, c->member.header());
  for (const Alarm& a : found) {
    const auto mark = w.begin(2);
    put_uint(w, 1, a.member_id);
    put_uint(w, 2, static_cast<std::uint64_t>(a.type));
    w.end(mark);
  }
  co_return Bytes(std::move(out));
}

// ---- Status, Hash, HashKV

Task<Result<Bytes>> status(ServiceContext* c, GrpcCall* call, std::string) {
  CO_TRY(require_user(*c, *call));
  const MemberStatus s = c->member.status();
  std::string out;
  wire::Writer w(out);
  put_header(w, c->member.header());
  put_bytes(w, 2, kServerVersion);
  put_uint(w, 3, s.db_size);
  put_uint(w, 4, s.leader);
  put_uint(w, 5, s.raft_index);
  put_uint(w, 6, s.raft_term);
  put_uint(w, 7, s.raft_applied_index);
  for (const auto& e : s.errors) w.bytes(8, e);
  put_uint(w, 9, s.db_size_in_use);
  put_bool(w, 10, s.learner);
  put_bytes(w, 11, kClusterVersion);
  put_uint(w, 12, s.db_quota != 0 ? s.db_quota : kDefaultQuota);
  w.bytes(13, {});  // downgradeInfo: none under way
  co_return Bytes(std::move(out));
}

Task<Result<Bytes>> hash(ServiceContext* c, GrpcCall* call, std::string) {
  CO_TRY(require_admin(*c, *call));
  const HashKv h = CO_TRY(co_await c->member.hash_kv(0));
  std::string out;
  wire::Writer w(out);
  put_header(w, c->member.header());
  put_uint(w, 2, h.hash);
  co_return Bytes(std::move(out));
}

Task<Result<Bytes>> hash_kv(ServiceContext* c, GrpcCall* call, std::string request) {
  CO_TRY(require_admin(*c, *call));
  Revision revision = 0;
  wire::Reader r(request);
  while (r.next()) {
    if (r.field() == 1) revision = r.sint();
  }
  if (!r.ok()) co_return malformed();
  const HashKv h = CO_TRY(co_await c->member.hash_kv(revision));
  std::string out;
  wire::Writer w(out);
  put_header(w, c->member.header());
  put_uint(w, 2, h.hash);
  put_int(w, 3, h.compact_revision != 0 ? h.compact_revision : -1);  // etcd's -1: never compacted
  put_int(w, 4, h.hash_revision);
  co_return Bytes(std::move(out));
}

// Space is given back all the time: there is nothing to stop the world for.
Task<Result<Bytes>> defragment(ServiceContext* c, GrpcCall* call, std::string) {
  CO_TRY(require_admin(*c, *call));
  if (const auto e = c->points.defrag_open_error.take().value) co_return fail(Code::kUnknown, *e);
  co_await pass(c->points.defrag_before_copy, c->clock);
  if (const auto e = c->points.defrag_failure.take().value) co_return fail(Code::kUnknown, *e);
  co_return Bytes();
}

Task<Result<Bytes>> move_leader(ServiceContext* c, GrpcCall* call, std::string request) {
  CO_TRY(require_admin(*c, *call));
  std::uint64_t target = 0;
  wire::Reader r(request);
  while (r.next()) {
    if (r.field() == 1) target = r.uint();
  }
  if (!r.ok()) co_return malformed();
  if (c->member.header().member_id != c->member.leader()) co_return fail(not_leader_error());
  CO_TRY(co_await c->member.move_leader(target));
  co_return Bytes();
}

// ---- Snapshot

Bytes snapshot_piece(std::uint64_t remaining, std::string_view blob) {
  std::string out;
  out.reserve(blob.size() + 32);
  wire::Writer w(out);
  put_uint(w, 2, remaining);
  put_bytes(w, 3, blob);
  put_bytes(w, 4, kClusterVersion);
  return Bytes(std::move(out));
}

Task<Result<void>> snapshot(ServiceContext* c, GrpcCall* call) {
  CO_TRY(require_admin(*c, *call));
  auto request = CO_TRY(co_await call->receive());
  if (!request) co_return malformed();
  auto reader = CO_TRY(co_await c->member.snapshot());
  const std::uint64_t total = reader->size();
  c->logger.info("sending database snapshot to client", {{"total-bytes", total}});
  std::uint64_t sent = 0;
  for (;;) {
    const std::string piece = CO_TRY(co_await reader->read());
    if (piece.empty()) break;
    std::string_view rest(piece);
    while (!rest.empty()) {
      // The checksum behind the file is a message of its own.
      std::size_t n = std::min(rest.size(), kSnapshotPiece);
      if (sent < total) n = static_cast<std::size_t>(std::min<std::uint64_t>(n, total - sent));
      sent += n;
      CO_TRY(co_await call->send(snapshot_piece(sent < total ? total - sent : 0, rest.substr(0, n))));
      rest.remove_prefix(n);
    }
  }
  c->logger.info("successfully sent database snapshot to client", {{"total-bytes", total}});
  co_return Result<void>();
}

// ---- Downgrade

// "3.6", "3.6.0" and the like; nullopt for what is no version.
std::optional<std::pair<int, int>> parse_version(std::string_view text) {
  int part[3] = {0, 0, 0};
  int n = 0;
  for (const char* p = text.data(); n < 3; ++p) {
    const auto [end, ec] = std::from_chars(p, text.data() + text.size(), part[n]);
    if (ec != std::errc() || part[n] < 0) return std::nullopt;
    ++n;
    p = end;
    if (p == text.data() + text.size()) break;
    if (*p != '.') return std::nullopt;
    if (n == 3) return std::nullopt;
  }
  if (n < 2) return std::nullopt;
  return std::pair(part[0], part[1]);
}

// One minor version down is what etcd allows; this store keeps no such format: it validates, and refuses.
Task<Result<Bytes>> downgrade(ServiceContext* c, GrpcCall* call, std::string request) {
  enum : std::uint64_t { kValidate = 0, kEnable = 1, kCancel = 2 };
  CO_TRY(require_admin(*c, *call));
  std::uint64_t action = 0;
  std::string version;
  wire::Reader r(request);
  while (r.next()) {
    if (r.field() == 1) action = r.uint();
    if (r.field() == 2) version = r.bytes();
  }
  if (!r.ok()) co_return malformed();
  if (action > kCancel) co_return fail(Code::kUnknown, "etcdserver: unknown method");
  if (action != kCancel) {
    const auto target = parse_version(version);
    if (!target) co_return fail(downgrade_version_format_error());
    if (*target != std::pair(3, 6)) co_return fail(downgrade_invalid_target_error());
    if (action == kEnable) {
      co_return fail(Code::kFailedPrecondition, "etcdserver: this store cannot be downgraded");
    }
  }
  std::string out;
  wire::Writer w(out);
  put_header(w, c->member.header());
  put_bytes(w, 2, kClusterVersion.substr(0, 3));
  co_return Bytes(std::move(out));
}

}  // namespace

void register_maintenance(ServiceContext& context, net::GrpcRouter& router) {
  ServiceContext* c = &context;
  const std::string p = "/etcdserverpb.Maintenance/";
  router.unary(p + "Alarm", [c](GrpcCall& call, std::string m) { return alarm(c, &call, std::move(m)); });
  router.unary(p + "Status", [c](GrpcCall& call, std::string m) { return status(c, &call, std::move(m)); });
  router.unary(p + "Defragment",
               [c](GrpcCall& call, std::string m) { return defragment(c, &call, std::move(m)); });
  router.unary(p + "Hash", [c](GrpcCall& call, std::string m) { return hash(c, &call, std::move(m)); });
  router.unary(p + "HashKV", [c](GrpcCall& call, std::string m) { return hash_kv(c, &call, std::move(m)); });
  router.stream(p + "Snapshot", [c](GrpcCall& call) { return snapshot(c, &call); });
  router.unary(p + "MoveLeader",
               [c](GrpcCall& call, std::string m) { return move_leader(c, &call, std::move(m)); });
  router.unary(p + "Downgrade",
               [c](GrpcCall& call, std::string m) { return downgrade(c, &call, std::move(m)); });
}

}  // namespace keelson::kvstore::etcd
