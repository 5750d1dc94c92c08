#include "kvstore/server/etcd/kv_codec.h"

#include <memory>

#include "kvstore/server/etcd/errors.h"

namespace keelson::kvstore::etcd {
namespace {

constexpr int kNestingMax = 100;  // of transactions; protobuf's own limit for messages

Result<PutRequest> decode_put(const Bytes& whole, std::string_view bytes) {
  PutRequest p;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        p.key = r.bytes();
        break;
      case 2: {
        const auto v = r.bytes();
        if (!v.empty()) p.value = whole.slice(static_cast<std::size_t>(v.data() - whole.data()), v.size());
        break;
      }
      case 3:
        p.lease = r.sint();
        break;
      case 4:
        p.prev_kv = r.boolean();
        break;
      case 5:
        p.ignore_value = r.boolean();
        break;
      case 6:
        p.ignore_lease = r.boolean();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return p;
}

Result<Compare> decode_compare(std::string_view bytes) {
  Compare c;
  c.target = Compare::Target::kVersion;
  std::uint64_t op = 0;
  std::uint64_t target = 0;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        op = r.uint();
        break;
      case 2:
        target = r.uint();
        break;
      case 3:
        c.key = r.bytes();
        break;
      case 4:
      case 5:
      case 6:
      case 8:
        c.number = r.sint();
        c.value.clear();
        break;
      case 7:
        c.value = r.bytes();
        c.number = 0;
        break;
      case 64:
        c.end = r.bytes();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  if (op > 3 || target > 4) return fail(Code::kInvalidArgument, "etcdserver: invalid compare");
  c.op = static_cast<Compare::Op>(op);
  c.target = static_cast<Compare::Target>(target);
  return c;
}

Result<TxnRequest> decode_txn(const Bytes& whole, std::string_view bytes, int depth);

Result<TxnOp> decode_op(const Bytes& whole, std::string_view bytes, int depth) {
  TxnOp op;
  bool any = false;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() < 1 || r.field() > 4) continue;
    const auto body = r.bytes();
    if (!r.ok()) break;
    any = true;
    switch (r.field()) {
      case 1:
        op.kind = TxnOp::Kind::kRange;
        op.range = TRY(decode_range(body));
        break;
      case 2:
        op.kind = TxnOp::Kind::kPut;
        op.put = TRY(decode_put(whole, body));
        break;
      case 3:
        op.kind = TxnOp::Kind::kDelete;
        op.del = TRY(decode_delete(body));
        break;
      case 4:
        op.kind = TxnOp::Kind::kTxn;
        op.txn = std::make_shared<TxnRequest>(TRY(decode_txn(whole, body, depth + 1)));
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  if (!any) return fail(key_not_found_error());
  return op;
}

Result<TxnRequest> decode_txn(const Bytes& whole, std::string_view bytes, int depth) {
  if (depth > kNestingMax) return malformed();
  TxnRequest t;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        t.compares.push_back(TRY(decode_compare(r.bytes())));
        break;
      case 2:
        t.success.push_back(TRY(decode_op(whole, r.bytes(), depth)));
        break;
      case 3:
        t.failure.push_back(TRY(decode_op(whole, r.bytes(), depth)));
        break;
      default:
        break;
    }
    if (!r.ok()) break;
  }
  if (!r.ok()) return malformed();
  return t;
}

void put_put(wire::Writer& w, const std::optional<KeyValue>& prev) {
  if (prev) put_key_value(w, 2, *prev);
}
void put_delete(wire::Writer& w, std::int64_t deleted, const std::vector<KeyValue>& prevs) {
  put_int(w, 2, deleted);
  for (const auto& kv : prevs) put_key_value(w, 3, kv);
}

void put_op_results(std::string& out, Revision revision, const std::vector<TxnOpResult>& results);

// The response inside of a ResponseOp; etcd gives it a header with nothing but the revision, and a nested
// transaction an empty one.
void put_op_result(std::string& out, Revision revision, const TxnOpResult& r) {
  wire::Writer w(out);
  const Header h{0, 0, revision, 0};
  switch (r.kind) {
    case TxnOp::Kind::kRange: {
      const auto mark = w.begin(1);
      put_range(out, &h, r.range);
      w.end(mark);
      break;
    }
    case TxnOp::Kind::kPut: {
      const auto mark = w.begin(2);
      put_header(w, h);
      put_put(w, r.prev_kv);
      w.end(mark);
      break;
    }
    case TxnOp::Kind::kDelete: {
      const auto mark = w.begin(3);
      put_header(w, h);
      put_delete(w, r.deleted, r.prev_kvs);
      w.end(mark);
      break;
    }
    case TxnOp::Kind::kTxn: {
      const auto mark = w.begin(4);
      put_header(w, Header{});
      put_bool(w, 2, r.succeeded);
      put_op_results(out, revision, r.responses);
      w.end(mark);
      break;
    }
  }
}

void put_op_results(std::string& out, Revision revision, const std::vector<TxnOpResult>& results) {
  wire::Writer w(out);
  for (const auto& r : results) {
    const auto mark = w.begin(3);
    put_op_result(out, revision, r);
    w.end(mark);
  }
}

}  // namespace

Result<RangeRequest> decode_range(std::string_view bytes) {
  RangeRequest q;
  std::uint64_t order = 0;
  std::uint64_t target = 0;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        q.key = r.bytes();
        break;
      case 2:
        q.end = r.bytes();
        break;
      case 3:
        q.limit = r.sint();
        break;
      case 4:
        q.revision = r.sint();
        break;
      case 5:
        order = r.uint();
        break;
      case 6:
        target = r.uint();
        break;
      case 7:
        q.serializable = r.boolean();
        break;
      case 8:
        q.keys_only = r.boolean();
        break;
      case 9:
        q.count_only = r.boolean();
        break;
      case 10:
        q.min_mod_revision = r.sint();
        break;
      case 11:
        q.max_mod_revision = r.sint();
        break;
      case 12:
        q.min_create_revision = r.sint();
        break;
      case 13:
        q.max_create_revision = r.sint();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  if (q.key.empty()) return fail(empty_key_error());
  if (order > 2 || target > 4) return fail(invalid_sort_error());
  q.sort_order = static_cast<SortOrder>(order);
  q.sort_target = static_cast<SortTarget>(target);
  return q;
}

Result<PutRequest> decode_put(std::string request) {
  const Bytes whole(std::move(request));
  return decode_put(whole, whole.view());
}

Result<DeleteRequest> decode_delete(std::string_view bytes) {
  DeleteRequest d;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        d.key = r.bytes();
        break;
      case 2:
        d.end = r.bytes();
        break;
      case 3:
        d.prev_kv = r.boolean();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return d;
}

Result<TxnRequest> decode_txn(std::string request) {
  const Bytes whole(std::move(request));
  return decode_txn(whole, whole.view(), 0);
}

Result<CompactRequest> decode_compact(std::string_view bytes) {
  CompactRequest c;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) c.revision = r.sint();
    if (r.field() == 2) c.physical = r.boolean();
  }
  if (!r.ok()) return malformed();
  return c;
}

std::size_t range_size(const RangeResult& r) {
  std::size_t n = 32;
  for (const auto& kv : r.kvs) n += key_value_size(kv) + 6;
  return n;
}

void put_range(std::string& out, const Header* h, const RangeResult& r) {
  wire::Writer w(out);
  if (h != nullptr) put_header(w, *h);
  for (const auto& kv : r.kvs) put_key_value(w, 2, kv);
  put_bool(w, 3, r.more);
  put_int(w, 4, r.count);
}

Bytes encode_range(const Header& h, const RangeResult& r) {
  std::string out;
  out.reserve(range_size(r) + 48);
  put_range(out, &h, r);
  return Bytes(std::move(out));
}

Bytes encode_put(const Header& h, const std::optional<KeyValue>& prev) {
  std::string out;
  wire::Writer w(out);
  put_header(w, h);
  put_put(w, prev);
  return Bytes(std::move(out));
}

Bytes encode_delete(const Header& h, std::int64_t deleted, const std::vector<KeyValue>& prevs) {
  std::string out;
  wire::Writer w(out);
  put_header(w, h);
  put_delete(w, deleted, prevs);
  return Bytes(std::move(out));
}

Bytes encode_txn(const Header& h, const TxnResult& r) {
  std::string out;
  wire::Writer w(out);
  put_header(w, h);
  put_bool(w, 2, r.succeeded);
  put_op_results(out, h.revision, r.responses);
  return Bytes(std::move(out));
}

}  // namespace keelson::kvstore::etcd
