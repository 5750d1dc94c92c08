#include "jepsen/history.h"

namespace keelson::jepsen {
namespace {

using namespace kvstore;

std::string range_text(const std::string& key, const std::string& end) {
  if (end.empty()) return key;
  return "[" + key + "," + (end == std::string(1, '\0') ? "∞" : end) + ")";
}

std::string text(const TxnOp& op);

std::string text(const std::vector<TxnOp>& ops) {
  std::string out;
  for (const auto& op : ops) out += (out.empty() ? "" : "; ") + text(op);
  return out;
}

std::string text(const TxnOp& op) {
  switch (op.kind) {
    case TxnOp::Kind::kRange:
      return "get " + range_text(op.range.key, op.range.end);
    case TxnOp::Kind::kPut:
      return "put " + op.put.key + "=" + std::string(op.put.value.view()) +
             (op.put.lease != 0 ? " lease " + std::to_string(op.put.lease) : "");
    case TxnOp::Kind::kDelete:
      return "delete " + range_text(op.del.key, op.del.end);
    case TxnOp::Kind::kTxn:
      return "txn {…}";
  }
  return "?";
}

}  // namespace

std::string describe(const Op& op) {
  std::string out = "op " + std::to_string(op.id) + " client " + std::to_string(op.client) + ": ";
  switch (op.kind) {
    case Op::Kind::kTxn:
      if (op.txn.compares.empty() && op.txn.success.size() == 1) {
        out += text(op.txn.success[0]);
      } else {
        out += "txn if";
        for (const auto& c : op.txn.compares) out += " " + c.key + "?" + std::to_string(c.number);
        out += " {" + text(op.txn.success) + "} else {" + text(op.txn.failure) + "}";
      }
      break;
    case Op::Kind::kRange:
      out += "get " + range_text(op.range.key, op.range.end) + " at " + std::to_string(op.range.revision) +
             (op.range.serializable ? " serializable" : "");
      break;
    case Op::Kind::kCompact:
      out += "compact " + std::to_string(op.revision);
      break;
    case Op::Kind::kLeaseGrant:
      out += "grant " + std::to_string(op.lease) + " ttl " + std::to_string(op.ttl_s);
      break;
    case Op::Kind::kLeaseRevoke:
      out += "revoke " + std::to_string(op.lease);
      break;
    case Op::Kind::kLeaseKeepAlive:
      out += "keep-alive " + std::to_string(op.lease);
      break;
  }
  if (op.status == Op::Status::kOk) {
    const Revision r = op.kind == Op::Kind::kRange ? op.range_result.revision : op.txn_result.revision;
    out += " -> ok";
    if (op.kind == Op::Kind::kTxn || op.kind == Op::Kind::kRange) out += " revision " + std::to_string(r);
    if (op.kind == Op::Kind::kTxn && !op.txn.compares.empty()) {
      out += op.txn_result.succeeded ? " succeeded" : " else";
    }
  } else {
    out += op.status == Op::Status::kFailed ? " -> failed: " + op.error : " -> unknown " + op.error;
  }
  const auto ms = [](std::int64_t ns) {
    return ns == kNever ? "never" : std::to_string(ns / 1'000'000) + " ms";
  };
  return out + " [" + ms(op.invoked_ns) + ", " + ms(op.returned_ns) + "]";
}

std::string describe(const Event& e) {
  std::string out = e.type == Event::Type::kPut ? "put " : "delete ";
  out += e.kv.key.view();
  if (e.type == Event::Type::kPut) {
    out += "=" + std::string(e.kv.value.view()) + " create " + std::to_string(e.kv.create_revision) +
           " version " + std::to_string(e.kv.version);
  }
  return out + " at " + std::to_string(e.kv.mod_revision);
}

namespace {
std::string quoted(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + "\"";
}
}  // namespace

void write_json_lines(const std::vector<Op>& ops, const EventLog& log, std::FILE* out) {
  static constexpr const char* kStatus[] = {"unknown", "ok", "failed"};
  for (const auto& op : ops) {
    std::fprintf(out,
                 R"({"op":%llu,"client":%d,"status":"%s","invoked_ns":%lld,"returned_ns":%s,"what":%s})"
                 "\n",
                 static_cast<unsigned long long>(op.id), op.client, kStatus[static_cast<int>(op.status)],
                 static_cast<long long>(op.invoked_ns),
                 op.returned_ns == kNever ? "null" : std::to_string(op.returned_ns).c_str(),
                 quoted(describe(op)).c_str());
  }
  for (const auto& r : log) {
    std::string events;
    for (const auto& e : r.events) events += (events.empty() ? "" : ",") + quoted(describe(e));
    std::fprintf(out,
                 R"({"revision":%lld,"at_ns":%lld,"events":[%s]})"
                 "\n",
                 static_cast<long long>(r.revision), static_cast<long long>(r.at_ns), events.c_str());
  }
}

}  // namespace keelson::jepsen
