// etcdserverpb's KV messages: requests to and results from kvstore/types.h.
//
// Decoders skip unknown fields and keep the last of a repeated scalar, as protobuf says; malformed bytes are
// kInternal (wire.h). They take the request's string: values of puts share its memory. Encoders write into
// one buffer. Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {

// kInvalidArgument for a sort order or target that does not exist.
Result<RangeRequest> decode_range(std::string_view bytes);
// `request` is kept alive by the value.
Result<PutRequest> decode_put(std::string request);
Result<DeleteRequest> decode_delete(std::string_view bytes);
// An operation without content is "etcdserver: key not found", as etcd has it.
Result<TxnRequest> decode_txn(std::string request);

struct CompactRequest {
  Revision revision = 0;
  bool physical = false;
};
Result<CompactRequest> decode_compact(std::string_view bytes);

// Bytes of the RangeResponse but for its header, at most.
std::size_t range_size(const RangeResult& r);
// The fields of a RangeResponse. Without a header when `h` is null.
void put_range(std::string& out, const Header* h, const RangeResult& r);
Bytes encode_range(const Header& h, const RangeResult& r);
Bytes encode_put(const Header& h, const std::optional<KeyValue>& prev);
Bytes encode_delete(const Header& h, std::int64_t deleted, const std::vector<KeyValue>& prevs);
Bytes encode_txn(const Header& h, const TxnResult& r);

}  // namespace keelson::kvstore::etcd
