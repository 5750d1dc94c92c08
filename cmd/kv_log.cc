#include "cmd/kv_log.h"

#include <cstdio>
#include <string_view>

#include "base/log.h"
#include "kvstore/rpc/codec.h"
#include "kvstore/server/command.h"
#include "kvstore/server/etcd/json.h"
#include "raft/core/membership.h"
#include "raft/wal/scan.h"

namespace keelson::cmd {
namespace {

using kvstore::Command;
using kvstore::TxnOp;
using raft::wal::RecordType;
using raft::wal::ScannedRecord;

constexpr char kUsage[] =
    "keelson kv log dump DATA-DIR\n\n"
    "Prints what the log of a member holds, stopped or running, one JSON object a line, in the order in\n"
    "which it was written. An entry replaces an earlier one with its index and all after that one. Requests\n"
    "have the form of etcd's InternalRaftRequest.";

// One flat JSON object.
class Line {
 public:
  Line& text(std::string_view name, std::string_view value) {
    key(name);
    append_json_string(out_, value);
    return *this;
  }
  Line& number(std::string_view name, auto value) {
    key(name);
    out_ += std::to_string(value);
    return *this;
  }
  // As proto3's JSON has 64-bit numbers.
  Line& quoted(std::string_view name, auto value) { return text(name, std::to_string(value)); }
  Line& json(std::string_view name, std::string_view value) {
    key(name);
    out_ += value;
    return *this;
  }
  std::string str() const { return out_ + "}"; }

 private:
  void key(std::string_view name) {
    out_ += out_.size() == 1 ? "" : ",";
    append_json_string(out_, name);
    out_ += ':';
  }
  std::string out_ = "{";
};

template <class Request>
std::string etcd_json(std::string_view message, const Request& request) {
  static const kvstore::etcd::Schema schema(kvstore::etcd::schema_text());
  std::string bytes;
  kvstore::rpc::encode(request, bytes);
  std::string out;
  kvstore::etcd::wire_to_json(*schema.message(message), bytes, out);
  return out;
}

void add_txn(Line& line, const kvstore::TxnRequest& txn) {
  const bool alone = txn.compares.empty() && txn.failure.empty() && txn.success.size() == 1;
  if (alone && txn.success[0].kind == TxnOp::Kind::kPut) {
    line.json("put", etcd_json("etcdserverpb.PutRequest", txn.success[0].put));
  } else if (alone && txn.success[0].kind == TxnOp::Kind::kDelete) {
    line.json("delete_range", etcd_json("etcdserverpb.DeleteRangeRequest", txn.success[0].del));
  } else {
    line.json("txn", etcd_json("etcdserverpb.TxnRequest", txn));
  }
}

std::string alarm_json(const Command& c) {
  constexpr const char* kNames[] = {"NONE", "NOSPACE", "CORRUPT"};
  return Line()
      .text("action", c.activate ? "ACTIVATE" : "DEACTIVATE")
      .quoted("memberID", c.alarm.member_id)
      .text("alarm", kNames[static_cast<std::size_t>(c.alarm.type)])
      .str();
}

std::string checkpoints_json(const Command& c) {
  std::string list;
  for (const auto& l : c.remains) {
    list +=
        (list.empty() ? "" : ",") + Line().quoted("ID", l.id).quoted("remaining_TTL", l.remaining_s).str();
  }
  return Line().json("checkpoints", "[" + list + "]").str();
}

// Passwords' hashes and tokens are left out.
std::string auth_json(const kvstore::AuthCommand& a) {
  constexpr const char* kNames[] = {"",
                                    "enable",
                                    "disable",
                                    "user_add",
                                    "user_delete",
                                    "user_change_password",
                                    "user_grant_role",
                                    "user_revoke_role",
                                    "role_add",
                                    "role_delete",
                                    "role_grant_permission",
                                    "role_revoke_permission",
                                    "authenticate"};
  return Line()
      .text("kind", kNames[static_cast<std::size_t>(a.kind)])
      .text("user", a.user)
      .text("role", a.role)
      .str();
}

std::string request_json(const Command& c) {
  using Kind = Command::Kind;
  Line line;
  switch (c.kind) {
    case Kind::kNone:
      break;
    case Kind::kTxn:
      add_txn(line, c.txn);
      break;
    case Kind::kCompact:
      line.json("compaction", Line().quoted("revision", c.revision).str());
      break;
    case Kind::kLeaseGrant:
      line.json("lease_grant", Line().quoted("ID", c.lease).quoted("TTL", c.ttl_s).str());
      break;
    case Kind::kLeaseRevoke:
      line.json("lease_revoke", Line().quoted("ID", c.lease).str());
      break;
    case Kind::kLeaseCheckpoint:
      line.json("lease_checkpoint", checkpoints_json(c));
      break;
    case Kind::kMemberPublish:
    case Kind::kMemberUpdate:
      line.json(c.kind == Kind::kMemberPublish ? "cluster_member_attr_set" : "member_update",
                Line().quoted("member_ID", c.member.id).text("name", c.member.name).str());
      break;
    case Kind::kAlarm:
      line.json("alarm", alarm_json(c));
      break;
    case Kind::kAuth:
      line.json("auth", auth_json(c.auth));
      break;
  }
  return line.str();
}

std::string conf_change_json(const Bytes& data) {
  const auto change = raft::decode_conf_change(data);
  if (!change) return Line().text("error", change.error().message).str();
  std::string steps;
  for (const auto& s : change->steps) {
    using Op = raft::ConfChange::Op;
    const char* op = s.op == Op::kAddVoter     ? "add"
                     : s.op == Op::kRemove     ? "remove"
                     : s.op == Op::kAddLearner ? "add learner"
                                               : "promote";
    steps += (steps.empty() ? "" : ",") + Line().text("op", op).quoted("member_ID", s.node.value()).str();
  }
  return Line().json("steps", "[" + steps + "]").str();
}

void add_entry(Line& line, const raft::wal::Record& r) {
  line.number("index", raft::wal::get64(r.payload.data() + 8))
      .number("term", raft::wal::get64(r.payload.data()));
  const Bytes data = Bytes::copy(r.payload.substr(16));
  if (r.type == RecordType::kConfChangeEntry) {
    line.json("conf_change", conf_change_json(data));
    return;
  }
  const auto command = kvstore::decode_command(data);
  if (!command) {
    line.text("error", command.error().message);
  } else if (command->kind != Command::Kind::kNone) {
    line.json("request", request_json(*command));
  }
}

// Empty: nothing to tell.
std::string describe(const ScannedRecord& s) {
  const auto& r = s.record;
  Line line;
  if (s.anew) line.json("anew", "true");
  const auto u64 = [&](std::size_t i) {
    return r.payload.size() >= 8 * (i + 1) ? raft::wal::get64(r.payload.data() + 8 * i) : 0;
  };
  switch (r.type) {
    case RecordType::kEntry:
    case RecordType::kConfChangeEntry:
      if (r.payload.size() >= 16) add_entry(line, r);
      break;
    case RecordType::kHardState:
      line.json("hard_state",
                Line().number("term", u64(0)).quoted("vote", u64(1)).number("commit", u64(2)).str());
      break;
    case RecordType::kMembership:
      line.json("membership", Line().number("index", u64(0)).str());
      break;
    case RecordType::kTruncate:
      line.number("truncate_after", u64(0));
      break;
    case RecordType::kPrefixDrop:
      line.json("prefix_drop", Line().number("index", u64(0)).number("term", u64(1)).str());
      break;
    case RecordType::kSeal:
      line.text("seal", *s.path);
      break;
  }
  return line.str();
}

}  // namespace

int run_kv_log(std::vector<std::string> args) {
  std::string dir;
  if (args.size() == 2 && args[0] == "dump" && !args[1].starts_with("-")) {
    dir = args[1];
  } else {
    std::fprintf(stderr, "usage: %s\n", kUsage);
    return args.empty() || args.back() == "--help" ? 0 : 128;
  }
  FileSystem& fs = posix_file_system();
  for (const char* below : {"/member/wal", "/wal"}) {
    if (fs.exists(dir + below)) {
      dir += below;
      break;
    }
  }
  const auto done =
      raft::wal::scan_log(fs, dir, [](const ScannedRecord& r) { std::puts(describe(r).c_str()); });
  if (!done) {
    std::fprintf(stderr, "Error: %s\n", done.error().message.c_str());
    return 1;
  }
  return 0;
}

}  // namespace keelson::cmd
