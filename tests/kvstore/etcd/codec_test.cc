// The codecs against bytes of a real etcd's answers, and against the schema.
#include <gtest/gtest.h>

#include "kvstore/server/etcd/json.h"
#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {
namespace {

const Schema& schema() {
  static const Schema kSchema(schema_text());
  return kSchema;
}

std::string json_of(const char* message, std::string_view bytes) {
  std::string out;
  EXPECT_TRUE(wire_to_json(*schema().message(message), bytes, out));
  return out;
}
std::string wire_of(const char* message, std::string_view json) {
  auto r = json_to_wire(*schema().message(message), json);
  EXPECT_TRUE(r) << r.error().message;
  return r.value_or("");
}

TEST(EtcdCodec, RangeRequestHasEveryField) {
  const auto bytes =
      wire_of("etcdserverpb.RangeRequest",
              R"({"key":"YQ==","range_end":"Yg==","limit":"7","revision":8,"sortOrder":"DESCEND",
        "sort_target":"MOD","serializable":true,"keys_only":true,"count_only":true,"min_mod_revision":1,
        "max_mod_revision":"2","min_create_revision":3,"max_create_revision":-4,"unknown":{"x":[1]}})");
  const auto r = decoded<RangeRequest>(Bytes(bytes));
  ASSERT_TRUE(r);
  EXPECT_EQ(r->key, "a");
  EXPECT_EQ(r->end, "b");
  EXPECT_EQ(r->limit, 7);
  EXPECT_EQ(r->revision, 8);
  EXPECT_EQ(r->sort_order, SortOrder::kDescend);
  EXPECT_EQ(r->sort_target, SortTarget::kMod);
  EXPECT_TRUE(r->serializable && r->keys_only && r->count_only);
  EXPECT_EQ(r->min_mod_revision, 1);
  EXPECT_EQ(r->max_mod_revision, 2);
  EXPECT_EQ(r->min_create_revision, 3);
  EXPECT_EQ(r->max_create_revision, -4);
}

// What etcd 3.7.1 sent for {"header":…,"kvs":[…],"more":true,"count":"12"}.
TEST(EtcdCodec, RangeResponseBytes) {
  RangeResult r;
  KeyValue kv{Bytes::literal("k"), Bytes::literal("v"), 2, 3, 2, 9};
  r.kvs.push_back(kv);
  r.more = true;
  r.count = 12;
  const Bytes out = encoded(Header{1, 2, 300, 4}, r);
  const std::string want(
      "\x0a\x09\x08\x01\x10\x02\x18\xac\x02\x20\x04"
      "\x12\x0e\x0a\x01k\x10\x02\x18\x03\x20\x02\x2a\x01v\x30\x09"
      "\x18\x01\x20\x0c");
  EXPECT_EQ(out.view(), want);
  EXPECT_EQ(json_of("etcdserverpb.RangeResponse", out),
            R"({"header":{"cluster_id":"1","member_id":"2","revision":"300","raft_term":"4"},)"
            R"("kvs":[{"key":"aw==","create_revision":"2","mod_revision":"3","version":"2","value":"dg==",)"
            R"("lease":"9"}],"more":true,"count":"12"})");
}

TEST(EtcdCodec, TxnNestsAndSharesValues) {
  auto bytes = wire_of("etcdserverpb.TxnRequest",
                       R"({"compare":[{"key":"YQ==","target":"VALUE","result":"NOT_EQUAL","value":"eA=="},
        {"key":"YQ==","range_end":"Yg==","target":"LEASE","result":"LESS","lease":"5"}],
        "success":[{"request_put":{"key":"a2V5","value":"dmFsdWU=","lease":"3","prev_kv":true}},
        {"request_delete_range":{"key":"ZA=="}}],
        "failure":[{"request_txn":{"success":[{"request_range":{"key":"cg=="}}]}}]})");
  const auto t = decoded<TxnRequest>(Bytes(std::move(bytes)));
  ASSERT_TRUE(t);
  ASSERT_EQ(t->compares.size(), 2u);
  EXPECT_EQ(t->compares[0].op, Compare::Op::kNotEqual);
  EXPECT_EQ(t->compares[0].value, "x");
  EXPECT_EQ(t->compares[1].target, Compare::Target::kLease);
  EXPECT_EQ(t->compares[1].number, 5);
  EXPECT_EQ(t->compares[1].end, "b");
  ASSERT_EQ(t->success.size(), 2u);
  EXPECT_EQ(t->success[0].put.value.view(), "value");
  EXPECT_TRUE(t->success[0].put.prev_kv);
  EXPECT_EQ(t->success[1].kind, TxnOp::Kind::kDelete);
  EXPECT_EQ(t->failure[0].txn->success[0].range.key, "r");
}

TEST(EtcdCodec, ErrorsOfRequests) {
  const auto range = [](std::string bytes) { return decoded<RangeRequest>(Bytes(std::move(bytes))); };
  EXPECT_EQ(range("\x0a\x01k\x28\x07").error().message, "etcdserver: invalid sort option");
  EXPECT_EQ(range("\x0a\x05k").error().code, Code::kInternal);
  EXPECT_EQ(decoded<TxnRequest>(Bytes(std::string("\x12\x00", 2))).error().message, "etcdserver: key not found");
}

TEST(EtcdCodec, WatchRequestAndReply) {
  const auto m = decoded<rpc::WatchCall>(Bytes(
      wire_of("etcdserverpb.WatchRequest",
              R"({"create_request":{"key":"YQ==","start_revision":"5","filters":["NOPUT","NODELETE"],
        "prev_kv":true,"watch_id":"9","fragment":true,"progress_notify":true}})")));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->kind, rpc::WatchCall::Kind::kCreate);
  EXPECT_TRUE(m->create.no_put && m->create.no_delete && m->create.prev_kv && m->fragment);
  EXPECT_EQ(m->watch_id, 9);
  EXPECT_EQ(m->create.start_revision, 5);
  // Packed, as protobuf libraries send it.
  const auto packed = decoded<rpc::WatchCall>(Bytes(std::string("\x0a\x04\x2a\x02\x00\x01", 6)));
  ASSERT_TRUE(packed);
  EXPECT_TRUE(packed->create.no_put && packed->create.no_delete);

  Event e;
  e.type = Event::Type::kDelete;
  e.kv.key = Bytes::literal("k");
  e.kv.mod_revision = 6;
  std::string out;
  std::string events;
  rpc::encode_events(std::span(&e, 1), events);
  EXPECT_EQ(events.size(), rpc::encoded_size(e));
  rpc::encode({.header = {1, 2, 6, 1}, .watch_id = -1, .fragment = true}, events, out);
  EXPECT_EQ(json_of("etcdserverpb.WatchResponse", out),
            R"({"header":{"cluster_id":"1","member_id":"2","revision":"6","raft_term":"1"},"watch_id":"-1",)"
            R"("fragment":true,"events":[{"type":"DELETE","kv":{"key":"aw==","mod_revision":"6"}}]})");
}

TEST(EtcdJson, WhatIsRefused) {
  const auto& m = *schema().message("etcdserverpb.LeaseGrantRequest");
  for (const char* bad :
       {R"({"TTL":"x"})", R"({"TTL":1.5})", R"({"TTL":true})", "{", "[]", "5", R"({"TTL":{}})"}) {
    const auto r = json_to_wire(m, bad);
    ASSERT_FALSE(r) << bad;
    EXPECT_EQ(r.error().code, Code::kInvalidArgument);
  }
  EXPECT_TRUE(json_to_wire(m, R"({"TTL":1e3,"ID":null})"));
  EXPECT_EQ(json_value_end(R"( {"a":"}\""} {)"), 12u);
  EXPECT_EQ(json_value_end(R"({"a":)"), std::string_view::npos);
}

TEST(EtcdSchema, EveryMessageIsKnown) {
  EXPECT_EQ(schema().http_paths().size(), 51u);
  const auto* m = schema().by_http_path("/v3/kv/lease/revoke");
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->path, "/etcdserverpb.Lease/LeaseRevoke");
  for (const auto& [path, method] : schema().http_paths()) {
    EXPECT_FALSE(method->response->fields.empty()) << path;
  }
}

// Decoders and the transcoder on broken bytes: no crash, and what decodes stays within bounds (ASan).
TEST(EtcdCodec, BrokenBytes) {
  const auto good =
      wire_of("etcdserverpb.TxnRequest",
              R"({"compare":[{"key":"YQ==","value":"eA=="}],"success":[{"request_put":{"key":"a2V5",
        "value":"dmFsdWU="}},{"request_txn":{"failure":[{"request_range":{"key":"cg=="}}]}}]})");
  std::uint64_t state = 42;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (int k = 0; k < 3; ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      bytes[(state >> 33) % bytes.size()] = static_cast<char>(state >> 17);
    }
    bytes.resize(bytes.size() - (state >> 40) % 4);
    std::string out;
    (void)wire_to_json(*schema().message("etcdserverpb.TxnRequest"), bytes, out);
    (void)decoded<rpc::WatchCall>(Bytes(bytes));
    (void)decoded<RangeRequest>(Bytes(bytes));
    (void)decoded<TxnRequest>(Bytes(bytes));
  }
}

}  // namespace
}  // namespace keelson::kvstore::etcd
