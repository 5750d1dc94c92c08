// The checkers of histories: one honest history passes, and each small lie in it is found.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "jepsen/lease_check.h"
#include "jepsen/serializable.h"
#include "jepsen/watch_check.h"

namespace keelson::jepsen {
namespace {

using namespace kvstore;

constexpr std::int64_t kMs = 1'000'000;

// Puts and reads of one client after another, 10 ms each and 1 ms apart, with the log that belongs to them.
struct History {
  std::vector<Op> ops;
  EventLog log;
  std::map<std::string, KeyValue> live;
  Revision revision = 1;
  std::int64_t now = 0;

  Op& begin(Op::Kind kind) {
    Op& op = ops.emplace_back();
    op.id = ops.size();
    op.kind = kind;
    op.status = Op::Status::kOk;
    op.invoked_ns = now += kMs;
    now += 10 * kMs;
    op.returned_ns = now;
    return op;
  }
  Op& put(const std::string& key, const std::string& value, LeaseId lease = 0) {
    Op& op = begin(Op::Kind::kTxn);
    TxnOp& o = op.txn.success.emplace_back();
    o.kind = TxnOp::Kind::kPut;
    o.put.key = key;
    o.put.value = Bytes(std::string(value));
    o.put.lease = lease;
    op.txn_result.revision = ++revision;
    op.txn_result.succeeded = true;
    op.txn_result.responses.emplace_back().kind = TxnOp::Kind::kPut;
    KeyValue& kv = live[key];
    if (kv.version == 0) kv.create_revision = revision;
    kv = {Bytes(std::string(key)), o.put.value, kv.create_revision, revision, kv.version + 1, lease};
    log.push_back({revision, op.returned_ns, {{Event::Type::kPut, kv, std::nullopt}}});
    return op;
  }
  // The end of a lease with one key.
  void lease_ends(const std::string& key) {
    Event e;
    e.type = Event::Type::kDelete;
    e.kv.key = Bytes(std::string(key));
    e.kv.mod_revision = ++revision;
    log.push_back({revision, now, {e}});
    live.erase(key);
  }
  Op& get(const std::string& key) {
    Op& op = begin(Op::Kind::kRange);
    op.range.key = key;
    op.range_result.revision = revision;
    if (auto it = live.find(key); it != live.end()) {
      op.range_result.kvs.push_back(it->second);
      op.range_result.count = 1;
    }
    return op;
  }
  Op& lease(Op::Kind kind, LeaseId id, std::int64_t ttl_s) {
    Op& op = begin(kind);
    op.lease = id;
    op.ttl_s = ttl_s;
    return op;
  }

  // The properties that are violated, in the order of finding.
  std::string check() const {
    Violations found;
    const Model model(log, found);
    auto r = check_serializable(ops, model);
    for (auto& v : r.violations) found.push_back(std::move(v));
    for (auto& v : check_leases(ops, model, r.authors, {})) found.push_back(std::move(v));
    std::string out;
    for (const auto& v : found) out += (out.empty() ? "" : " ") + v.property;
    return out;
  }
};

TEST(Serializable, AnHonestHistoryPasses) {
  History h;
  h.put("a", "1");
  h.put("b", "2");
  h.get("a");
  h.put("a", "3");
  h.get("a");
  h.get("c");
  EXPECT_EQ(h.check(), "");
}

TEST(Serializable, AnAcknowledgedWriteIsLost) {
  History h;
  h.put("a", "1");
  h.put("a", "2");
  h.log.pop_back();
  EXPECT_EQ(h.check(), "durable");
}

TEST(Serializable, AReadIsStale) {
  History h;
  h.put("a", "1");
  const Op old = h.get("a");
  h.put("a", "2");
  Op& read = h.get("a");
  read.range_result = old.range_result;
  EXPECT_EQ(h.check(), "real time");
  read.range.serializable = true;  // may be old
  EXPECT_EQ(h.check(), "");
}

TEST(Serializable, AReadIsOfNoRevision) {
  History h;
  h.put("a", "1");
  h.put("b", "2");
  h.get("a").range_result.kvs[0].value = Bytes(std::string("2"));
  EXPECT_EQ(h.check(), "read");
}

TEST(Serializable, TwoWritesHaveOneRevision) {
  History h;
  h.put("a", "1");
  h.put("b", "2");
  h.ops[1].txn_result.revision = h.ops[0].txn_result.revision;
  EXPECT_NE(h.check().find("unique"), std::string::npos) << h.check();
}

TEST(Serializable, WhatFailedHappened) {
  History h;
  h.put("a", "1").status = Op::Status::kFailed;
  EXPECT_EQ(h.check(), "failed");
}

TEST(Serializable, WhatHadNoAnswerMayHaveHappened) {
  History h;
  Op& op = h.put("a", "1");
  op.status = Op::Status::kUnknown;
  op.returned_ns = kNever;
  h.get("a");
  EXPECT_EQ(h.check(), "");
  h.log.clear();
  h.ops[1].range_result = {};
  h.ops[1].range_result.revision = 1;
  EXPECT_EQ(h.check(), "");
}

TEST(Serializable, NobodyAskedForIt) {
  History h;
  h.put("a", "1");
  h.ops.clear();
  EXPECT_EQ(h.check(), "real");
}

TEST(Leases, EndNeverEarly) {
  const auto ends_after = [](std::int64_t ms) {
    History h;
    h.lease(Op::Kind::kLeaseGrant, 7, 5);
    h.put("l", "1", 7);
    h.now = 3000 * kMs;
    h.lease(Op::Kind::kLeaseKeepAlive, 7, 5);
    h.now = ms * kMs;
    h.lease_ends("l");
    return h.check();
  };
  EXPECT_EQ(ends_after(8001), "");
  EXPECT_EQ(ends_after(7900), "lease");  // late for the grant, early for the keep-alive
  EXPECT_EQ(ends_after(4000), "lease lease");
}

// ---- Watches

struct Watched {
  History h;
  WatchRecord record;

  Watched() {
    h.put("a", "1");  // 2
    h.put("b", "2");  // 3
    h.put("a", "3");  // 4
    h.put("c", "4");  // 5
    record.id = 1;
    record.request.key = "a";
    record.request.end = "c";
    record.request.start_revision = 2;
    for (std::size_t i = 0; i < 3; ++i) record.batches.push_back({h.log[i].revision, h.log[i].events});
    record.batches.push_back({5, {}});
    record.complete_to = 5;
  }
  std::string check() const {
    Violations found;
    const Model model(h.log, found);
    std::string out;
    for (const auto& v : check_watch(record, model, 0)) out += (out.empty() ? "" : ", ") + v.property;
    return out;
  }
};

TEST(Watch, AnHonestOnePasses) {
  EXPECT_EQ(Watched().check(), "");
}

TEST(Watch, EachPropertyIsChecked) {
  const std::vector<std::pair<std::string, std::function<void(Watched&)>>> lies = {
      {"watch Reliable", [](Watched& w) { w.record.batches.erase(w.record.batches.begin() + 1); }},
      {"watch Resumable", [](Watched& w) { w.record.batches.erase(w.record.batches.begin()); }},
      {"watch Unique",
       [](Watched& w) { w.record.batches.insert(w.record.batches.begin(), w.record.batches[0]); }},
      {"watch Ordered", [](Watched& w) { std::swap(w.record.batches[1], w.record.batches[2]); }},
      {"watch Bookmarkable",
       [](Watched& w) { w.record.batches.insert(w.record.batches.begin(), WatchBatch{3, {}}); }},
      {"watch Filter", [](Watched& w) { w.record.request.end = "b"; }},
      {"watch PrevKV",
       [](Watched& w) { w.record.batches[2].events[0].prev_kv = w.record.batches[0].events[0].kv; }},
      {"watch Reliable",
       [](Watched& w) { w.record.batches[0].events[0].kv.value = Bytes(std::string("9")); }},
  };
  for (const auto& [property, lie] : lies) {
    Watched w;
    lie(w);
    EXPECT_NE(w.check().find(property), std::string::npos) << property << ": " << w.check();
  }
}

TEST(Watch, ARevisionIsNotSplit) {
  History h;
  h.put("a", "1");
  Event second = h.log[0].events[0];
  second.kv.key = Bytes(std::string("b"));
  h.log[0].events.push_back(second);
  Violations found;
  const Model model(h.log, found);
  WatchRecord record;
  record.request.key = "a";
  record.request.end = "z";
  record.request.start_revision = 2;
  record.batches.push_back({2, h.log[0].events});
  EXPECT_TRUE(check_watch(record, model, 0).empty());
  record.batches = {{2, {h.log[0].events[0]}}, {2, {h.log[0].events[1]}}};
  ASSERT_FALSE(check_watch(record, model, 0).empty());
  EXPECT_EQ(check_watch(record, model, 0)[0].property, "watch Atomic");
}

}  // namespace
}  // namespace keelson::jepsen
