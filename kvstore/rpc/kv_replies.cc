// Range, Put, DeleteRange, Txn: replies. Replies with values know their sizes beforehand and move no byte
// twice.
#include "base/check.h"
#include "kvstore/rpc/fields.h"

namespace keelson::kvstore::rpc {
namespace {

constexpr std::size_t kHeaderMax = 48;
constexpr int kDepthMax = 64;

std::size_t range_size(const Header* header, const RangeResult& v) {
  std::size_t n = header ? message_size(header_size(*header)) : 0;
  for (auto& kv : v.kvs) n += message_size(key_value_size(kv));
  return n + (v.more ? 2 : 0) + int_size(v.count);
}

void put_range(const Header* header, const RangeResult& v, std::string& out) {
  wire::Writer w(out);
  if (header) put_header(w, *header);
  for (auto& kv : v.kvs) put_key_value(w, 2, kv);
  put_bool(w, 3, v.more);
  put_int(w, 4, v.count);
}

Result<void> decode_range(const Bytes& whole, std::string_view in, Header& header, RangeResult& v) {
  TRY(decode_header(in, header));
  v.revision = header.revision;
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 2:
        TRY(decode_key_value(whole, r.bytes(), v.kvs.emplace_back()));
        break;
      case 3:
        v.more = r.boolean();
        break;
      case 4:
        v.count = r.sint();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

Header inner_header(Revision revision) {
  Header h;
  h.revision = revision;
  return h;
}

std::size_t op_values_size(const std::vector<TxnOpResult>& responses) {
  std::size_t n = 0;
  for (auto& op : responses) {
    n += 64;
    for (auto& kv : op.range.kvs) n += message_size(key_value_size(kv));
    for (auto& kv : op.prev_kvs) n += message_size(key_value_size(kv));
    if (op.prev_kv) n += message_size(key_value_size(*op.prev_kv));
    n += op_values_size(op.responses);
  }
  return n;
}

void put_txn(const Header& header, Revision revision, bool succeeded,
             const std::vector<TxnOpResult>& responses, std::string& out);

void put_op(Revision revision, const TxnOpResult& v, std::string& out) {
  wire::Writer w(out);
  switch (v.kind) {
    case TxnOp::Kind::kRange: {
      const Header header = inner_header(revision);
      w.tag(1, wire::Type::kBytes);
      wire::append_varint(out, range_size(&header, v.range));
      put_range(&header, v.range, out);
      break;
    }
    case TxnOp::Kind::kPut: {
      auto m = w.begin(2);
      encode(inner_header(revision), v, out);
      w.end(m);
      break;
    }
    case TxnOp::Kind::kDelete: {
      auto m = w.begin(3);
      encode(inner_header(revision), v, out);
      w.end(m);
      break;
    }
    case TxnOp::Kind::kTxn: {
      auto m = w.begin(4);
      put_txn(Header(), revision, v.succeeded, v.responses, out);
      w.end(m);
      break;
    }
  }
}

void put_txn(const Header& header, Revision revision, bool succeeded,
             const std::vector<TxnOpResult>& responses, std::string& out) {
  wire::Writer w(out);
  put_header(w, header);
  put_bool(w, 2, succeeded);
  for (auto& op : responses) {
    auto m = w.begin(3);
    put_op(revision, op, out);
    w.end(m);
  }
}

Result<void> decode_txn(const Bytes& whole, std::string_view in, Header& header, bool& succeeded,
                        std::vector<TxnOpResult>& responses, int depth);

Result<void> decode_plain_op(const Bytes& whole, std::string_view in, Header& header, TxnOpResult& v) {
  if (v.kind == TxnOp::Kind::kRange) return decode_range(whole, in, header, v.range);
  TRY(decode_header(in, header));
  const bool put = v.kind == TxnOp::Kind::kPut;
  wire::Reader r(in);
  while (r.next()) {
    if (put && r.field() == 2) TRY(decode_key_value(whole, r.bytes(), v.prev_kv.emplace()));
    if (!put && r.field() == 2) v.deleted = r.sint();
    if (!put && r.field() == 3) TRY(decode_key_value(whole, r.bytes(), v.prev_kvs.emplace_back()));
  }
  if (!r.ok()) return malformed();
  return {};
}

Result<void> decode_op(const Bytes& whole, std::string_view in, TxnOpResult& v, int depth) {
  wire::Reader r(in);
  while (r.next()) {
    if (r.field() > 4) continue;
    v.kind = static_cast<TxnOp::Kind>(r.field() - 1);
    Header header;
    if (v.kind == TxnOp::Kind::kTxn)
      TRY(decode_txn(whole, r.bytes(), header, v.succeeded, v.responses, depth + 1));
    else
      TRY(decode_plain_op(whole, r.bytes(), header, v));
  }
  if (!r.ok()) return malformed();
  return {};
}

Result<void> decode_txn(const Bytes& whole, std::string_view in, Header& header, bool& succeeded,
                        std::vector<TxnOpResult>& responses, int depth) {
  if (depth > kDepthMax) return malformed();
  TRY(decode_header(in, header));
  wire::Reader r(in);
  while (r.next()) {
    switch (r.field()) {
      case 2:
        succeeded = r.boolean();
        break;
      case 3:
        TRY(decode_op(whole, r.bytes(), responses.emplace_back(), depth));
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return malformed();
  return {};
}

}  // namespace

void encode(const Header& header, const RangeResult& v, std::string& out) {
  out.reserve(out.size() + range_size(&header, v));
  put_range(&header, v, out);
}

Result<void> decode(const Bytes& in, Header& header, RangeResult& v) {
  return decode_range(in, in, header, v);
}

void encode_stream_piece(const Header* header, const RangeResult& v, std::string& out) {
  const std::size_t n = range_size(header, v);
  out.reserve(out.size() + n + 11);
  wire::Writer w(out);
  w.tag(1, wire::Type::kBytes);
  wire::append_varint(out, n);
  put_range(header, v, out);
}

void encode(const Header& header, const TxnOpResult& v, std::string& out) {
  CHECK(v.kind != TxnOp::Kind::kTxn);
  if (v.kind == TxnOp::Kind::kRange) return encode(header, v.range, out);
  wire::Writer w(out);
  put_header(w, header);
  if (v.kind == TxnOp::Kind::kPut) {
    if (v.prev_kv) put_key_value(w, 2, *v.prev_kv);
    return;
  }
  put_int(w, 2, v.deleted);
  for (auto& kv : v.prev_kvs) put_key_value(w, 3, kv);
}

Result<void> decode(const Bytes& in, Header& header, TxnOpResult& v) {
  CHECK(v.kind != TxnOp::Kind::kTxn);
  return decode_plain_op(in, in, header, v);
}

void encode(const Header& header, const TxnResult& v, std::string& out) {
  out.reserve(out.size() + kHeaderMax + op_values_size(v.responses));
  put_txn(header, header.revision, v.succeeded, v.responses, out);
}

Result<void> decode(const Bytes& in, Header& header, TxnResult& v) {
  TRY(decode_txn(in, in, header, v.succeeded, v.responses, 0));
  v.revision = header.revision;
  return {};
}

}  // namespace keelson::kvstore::rpc
