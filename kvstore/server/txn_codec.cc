#include "kvstore/server/txn_codec.h"

#include "base/wire.h"

namespace keelson::kvstore {
namespace {

// Above kTxnNestingMax of kvstore/mvcc/state.h, which the proposer is held to.
constexpr int kNestingMax = 64;

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

}  // namespace

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

bool decode(const Bytes& all, std::string_view at, TxnRequest& t) {
  return decode(all, at, t, 0);
}

}  // namespace keelson::kvstore
