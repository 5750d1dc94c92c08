// The messages of etcdserverpb.KV, Watch and Lease, both ways: the server decodes requests and encodes
// replies, the client does the opposite. The values are the store's own (kvstore/types.h); what only the wire
// has stands below.
//
// encode() appends to `out`; proto3 rules: zero and empty fields are left out. decode() fills a fresh value,
// skips unknown fields, and answers kInternal for malformed bytes (fields.h) and kInvalidArgument, with etcd's
// wording, for values that no request may have. Values and keys of KeyValue, Event and PutRequest::value are slices of `in`: nothing is copied, and
// they keep it alive.
//
// Thread rule: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "kvstore/types.h"

namespace keelson::kvstore::rpc {

// KV. A TxnOpResult is encoded as the reply of its kind: Put answers with its transaction's only one.
void encode(const RangeRequest& v, std::string& out);
Result<void> decode(const Bytes& in, RangeRequest& v);
void encode(const PutRequest& v, std::string& out);
Result<void> decode(const Bytes& in, PutRequest& v);
void encode(const DeleteRequest& v, std::string& out);
Result<void> decode(const Bytes& in, DeleteRequest& v);
void encode(const TxnRequest& v, std::string& out);
Result<void> decode(const Bytes& in, TxnRequest& v);

// Reserves what it needs: no byte is moved twice.
void encode(const Header& header, const RangeResult& v, std::string& out);
// v.revision is the header's.
Result<void> decode(const Bytes& in, Header& header, RangeResult& v);
// Not for kTxn.
void encode(const Header& header, const TxnOpResult& v, std::string& out);
// v.kind says which reply `in` is.
Result<void> decode(const Bytes& in, Header& header, TxnOpResult& v);
// Operations' headers tell the revision only, those of nested transactions nothing, as etcd's.
void encode(const Header& header, const TxnResult& v, std::string& out);
Result<void> decode(const Bytes& in, Header& header, TxnResult& v);
// RangeStreamResponse: pieces whose kvs together are the result's; the last one alone brings header, count
// and more (null before).
void encode_stream_piece(const Header* header, const RangeResult& v, std::string& out);

struct CompactionRequest {
  Revision revision = 0;
  bool physical = false;
};
void encode(const CompactionRequest& v, std::string& out);
Result<void> decode(const Bytes& in, CompactionRequest& v);

// Replies that are nothing but a header, and the header (field 1) of any other reply.
void encode(const Header& v, std::string& out);
Result<void> decode_header(std::string_view in, Header& v);

// Watch.
struct WatchCall {
  enum class Kind : std::uint8_t { kNone, kCreate, kCancel, kProgress };
  Kind kind = Kind::kNone;
  WatchRequest create;        // kCreate
  std::int64_t watch_id = 0;  // kCreate: 0 leaves the choice to the server; kCancel
  bool fragment = false;      // kCreate: large replies may come in pieces
};
void encode(const WatchCall& v, std::string& out);
Result<void> decode(const Bytes& in, WatchCall& v);

struct WatchReply {
  Header header;
  std::int64_t watch_id = 0;
  bool created = false;
  bool canceled = false;
  Revision compact_revision = 0;
  std::string cancel_reason;
  bool fragment = false;  // more pieces of this reply follow
  std::vector<Event> events;
};
void encode(const WatchReply& v, std::string& out);
// The same with `events` (of encode_events()) in place of its own: encoded once, sent to many.
void encode(const WatchReply& v, std::string_view events, std::string& out);
void encode_events(std::span<const Event> events, std::string& out);
Result<void> decode(const Bytes& in, WatchReply& v);
// What `event` adds to an encoded WatchReply: for fragments and limits.
std::size_t encoded_size(const Event& event);

// Lease. Requests are LeaseInfo: `id`, and granted_ttl_s for a grant.
void encode_lease_grant(const LeaseInfo& v, std::string& out);
Result<void> decode_lease_grant(std::string_view in, LeaseInfo& v);
// Revoke and KeepAlive.
void encode_lease_id(LeaseId id, std::string& out);
Result<void> decode_lease_id(std::string_view in, LeaseId& id);
// TimeToLive.
void encode_lease_time_to_live(LeaseId id, bool keys, std::string& out);
Result<void> decode_lease_time_to_live(std::string_view in, LeaseId& id, bool& keys);
// Replies: Grant {id, granted_ttl_s}; KeepAlive {id, remaining_ttl_s: 0 means that there is none};
// TimeToLive {all}; Leases.
void encode_lease_granted(const Header& header, const LeaseInfo& v, std::string& out);
Result<void> decode_lease_granted(std::string_view in, Header& header, LeaseInfo& v);
void encode_lease_kept(const Header& header, const LeaseInfo& v, std::string& out);
Result<void> decode_lease_kept(std::string_view in, Header& header, LeaseInfo& v);
void encode_lease_lives(const Header& header, const LeaseInfo& v, std::string& out);
Result<void> decode_lease_lives(std::string_view in, Header& header, LeaseInfo& v);
void encode_leases(const Header& header, const std::vector<LeaseId>& v, std::string& out);
Result<void> decode_leases(std::string_view in, Header& header, std::vector<LeaseId>& v);

}  // namespace keelson::kvstore::rpc
