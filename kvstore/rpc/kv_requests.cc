// Range, Put, DeleteRange, Txn, Compact: requests.
#include "kvstore/rpc/fields.h"

namespace keelson::kvstore::rpc {
namespace {

constexpr int kDepthMax = 64;  // of transactions in transactions

Result<void> decode_range(std::string_view in, RangeRequest& v) {
  std::uint64_t order = 0, target = 0;
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        v.key = r.bytes();
        break;
      case 2:
        v.end = r.bytes();
        break;
      case 3:
        v.limit = r.sint();
        break;
      case 4:
        v.revision = r.sint();
        break;
      case 5:
        order = r.uint();
        break;
      case 6:
        target = r.uint();
        break;
      case 7:
        v.serializable = r.boolean();
        break;
      case 8:
        v.keys_only = r.boolean();
        break;
      case 9:
        v.count_only = r.boolean();
        break;
      case 10:
        v.min_mod_revision = r.sint();
        break;
      case 11:
        v.max_mod_revision = r.sint();
        break;
      case 12:
        v.min_create_revision = r.sint();
        break;
      case 13:
        v.max_create_revision = r.sint();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  if (order > 2 || target > 4) return fail(Code::kInvalidArgument, "etcdserver: invalid sort option");
  // On the wire ascending is 1 and descending 2, as here.
  v.sort_order = static_cast<SortOrder>(order);
  v.sort_target = static_cast<SortTarget>(target);
  return {};
}

Result<void> decode_put(const Bytes& whole, std::string_view in, PutRequest& v) {
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        v.key = r.bytes();
        break;
      case 2:
        v.value = slice_of(whole, r.bytes());
        break;
      case 3:
        v.lease = r.sint();
        break;
      case 4:
        v.prev_kv = r.boolean();
        break;
      case 5:
        v.ignore_value = r.boolean();
        break;
      case 6:
        v.ignore_lease = r.boolean();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

Result<void> decode_delete(std::string_view in, DeleteRequest& v) {
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        v.key = r.bytes();
        break;
      case 2:
        v.end = r.bytes();
        break;
      case 3:
        v.prev_kv = r.boolean();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

// The number is in the field of the target's own; any other is as if it were not there.
constexpr std::uint32_t union_field(Compare::Target target) {
  constexpr std::uint32_t kFields[] = {4, 5, 6, 7, 8};
  return kFields[static_cast<std::size_t>(target)];
}

void encode_compare(const Compare& v, std::string& out) {
  wire::Writer w(out);
  put_uint(w, 1, static_cast<std::uint64_t>(v.op));
  put_uint(w, 2, static_cast<std::uint64_t>(v.target));
  put_bytes(w, 3, v.key);
  if (v.target == Compare::Target::kValue)
    w.bytes(7, v.value);
  else
    w.sint(union_field(v.target), v.number);
  put_bytes(w, 64, v.end);
}

Result<void> decode_compare(std::string_view in, Compare& v) {
  std::uint64_t op = 0, target = 0;
  std::int64_t numbers[9] = {};
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        op = r.uint();
        break;
      case 2:
        target = r.uint();
        break;
      case 3:
        v.key = r.bytes();
        break;
      case 4:
      case 5:
      case 6:
      case 8:
        numbers[r.field()] = r.sint();
        break;
      case 7:
        v.value = r.bytes();
        break;
      case 64:
        v.end = r.bytes();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  if (op > 3 || target > 4) return fail(Code::kInvalidArgument, "etcdserver: invalid compare");
  v.op = static_cast<Compare::Op>(op);
  v.target = static_cast<Compare::Target>(target);
  v.number = numbers[union_field(v.target)];
  return {};
}

void encode_op(const TxnOp& v, std::string& out) {
  wire::Writer w(out);
  switch (v.kind) {
    case TxnOp::Kind::kRange: {
      auto m = w.begin(1);
      encode(v.range, out);
      w.end(m);
      break;
    }
    case TxnOp::Kind::kPut: {
      auto m = w.begin(2);
      encode(v.put, out);
      w.end(m);
      break;
    }
    case TxnOp::Kind::kDelete: {
      auto m = w.begin(3);
      encode(v.del, out);
      w.end(m);
      break;
    }
    case TxnOp::Kind::kTxn: {
      auto m = w.begin(4);
      encode(*v.txn, out);
      w.end(m);
      break;
    }
  }
}

Result<void> decode_txn(const Bytes& whole, std::string_view in, TxnRequest& v, int depth);

Result<void> decode_op(const Bytes& whole, std::string_view in, TxnOp& v, int depth) {
  bool any = false;
  wire::Reader r(in);
  while (r.next()) {
    const std::string_view body = r.field() <= 4 ? r.bytes() : std::string_view();
    any = any || r.field() <= 4;
    switch (r.field()) {
      case 1:
        v.kind = TxnOp::Kind::kRange;
        TRY(decode_range(body, v.range));
        break;
      case 2:
        v.kind = TxnOp::Kind::kPut;
        TRY(decode_put(whole, body, v.put));
        break;
      case 3:
        v.kind = TxnOp::Kind::kDelete;
        TRY(decode_delete(body, v.del));
        break;
      case 4:
        v.kind = TxnOp::Kind::kTxn;
        v.txn = std::make_shared<TxnRequest>();
        TRY(decode_txn(whole, body, *v.txn, depth + 1));
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  if (!any) return fail(Code::kInvalidArgument, "etcdserver: key not found");
  return {};
}

Result<void> decode_txn(const Bytes& whole, std::string_view in, TxnRequest& v, int depth) {
  if (depth > kDepthMax)
    return fail(Code::kInvalidArgument, "etcdserver: too many operations in txn request");
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        TRY(decode_compare(r.bytes(), v.compares.emplace_back()));
        break;
      case 2:
        TRY(decode_op(whole, r.bytes(), v.success.emplace_back(), depth));
        break;
      case 3:
        TRY(decode_op(whole, r.bytes(), v.failure.emplace_back(), depth));
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

}  // namespace

void encode(const RangeRequest& v, std::string& out) {
  wire::Writer w(out);
  put_bytes(w, 1, v.key);
  put_bytes(w, 2, v.end);
  put_int(w, 3, v.limit);
  put_int(w, 4, v.revision);
  put_uint(w, 5, static_cast<std::uint64_t>(v.sort_order));
  put_uint(w, 6, static_cast<std::uint64_t>(v.sort_target));
  put_bool(w, 7, v.serializable);
  put_bool(w, 8, v.keys_only);
  put_bool(w, 9, v.count_only);
  put_int(w, 10, v.min_mod_revision);
  put_int(w, 11, v.max_mod_revision);
  put_int(w, 12, v.min_create_revision);
  put_int(w, 13, v.max_create_revision);
}

Result<void> decode(const Bytes& in, RangeRequest& v) {
  return decode_range(in, v);
}

void encode(const PutRequest& v, std::string& out) {
  wire::Writer w(out);
  put_bytes(w, 1, v.key);
  put_bytes(w, 2, v.value);
  put_int(w, 3, v.lease);
  put_bool(w, 4, v.prev_kv);
  put_bool(w, 5, v.ignore_value);
  put_bool(w, 6, v.ignore_lease);
}

Result<void> decode(const Bytes& in, PutRequest& v) {
  return decode_put(in, in, v);
}

void encode(const DeleteRequest& v, std::string& out) {
  wire::Writer w(out);
  put_bytes(w, 1, v.key);
  put_bytes(w, 2, v.end);
  put_bool(w, 3, v.prev_kv);
}

Result<void> decode(const Bytes& in, DeleteRequest& v) {
  return decode_delete(in, v);
}

void encode(const TxnRequest& v, std::string& out) {
  wire::Writer w(out);
  for (auto& c : v.compares) {
    auto m = w.begin(1);
    encode_compare(c, out);
    w.end(m);
  }
  for (auto& op : v.success) {
    auto m = w.begin(2);
    encode_op(op, out);
    w.end(m);
  }
  for (auto& op : v.failure) {
    auto m = w.begin(3);
    encode_op(op, out);
    w.end(m);
  }
}

Result<void> decode(const Bytes& in, TxnRequest& v) {
  return decode_txn(in, in, v, 0);
}

void encode(const CompactionRequest& v, std::string& out) {
  wire::Writer w(out);
  put_int(w, 1, v.revision);
  put_bool(w, 2, v.physical);
}

Result<void> decode(const Bytes& in, CompactionRequest& v) {
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        v.revision = r.sint();
        break;
      case 2:
        v.physical = r.boolean();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

}  // namespace keelson::kvstore::rpc
