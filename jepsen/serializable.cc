#include "jepsen/serializable.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace keelson::jepsen {

using namespace kvstore;

namespace {

bool same(const KeyValue& a, const KeyValue& b) {
  return a.key == b.key && a.value == b.value && a.create_revision == b.create_revision &&
         a.mod_revision == b.mod_revision && a.version == b.version && a.lease == b.lease;
}
bool same(const std::vector<KeyValue>& a, const std::vector<KeyValue>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const KeyValue& x, const KeyValue& y) { return same(x, y); });
}
bool same(const std::optional<KeyValue>& a, const std::optional<KeyValue>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}
bool same(const RangeResult& a, const RangeResult& b) {
  return same(a.kvs, b.kvs) && a.count == b.count && a.more == b.more;
}
bool same(const TxnResult& a, const TxnResult& b) {
  if (a.succeeded != b.succeeded || a.responses.size() != b.responses.size()) return false;
  for (std::size_t i = 0; i < a.responses.size(); ++i) {
    const auto& x = a.responses[i];
    const auto& y = b.responses[i];
    if (x.kind != y.kind || x.deleted != y.deleted || !same(x.prev_kv, y.prev_kv) ||
        !same(x.prev_kvs, y.prev_kvs) || !same(x.range, y.range)) {
      return false;
    }
  }
  return true;
}
bool same(const std::vector<Event>& a, const std::vector<Event>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Event& x, const Event& y) {
    if (x.type != y.type || !(x.kv.key == y.kv.key)) return false;
    return x.type == Event::Type::kDelete || same(x.kv, y.kv);
  });
}

bool wrote(const TxnResult& result) {
  return std::any_of(result.responses.begin(), result.responses.end(),
                     [](const TxnOpResult& r) { return r.kind == TxnOp::Kind::kPut || r.deleted > 0; });
}

std::string at(Revision r) {
  return "revision " + std::to_string(r) + ": ";
}

class Checker {
 public:
  Checker(const std::vector<Op>& ops, const Model& model) : ops_(ops), model_(model) {}

  SerializableResult run() {
    for (const auto& op : ops_) {
      if (op.status == Op::Status::kOk) {
        if (op.kind == Op::Kind::kTxn) check_txn(op);
        if (op.kind == Op::Kind::kRange) check_range(op);
      }
    }
    index_values();
    for (const auto& entry : model_.log()) find_author(entry);
    check_real_time();
    return std::move(out_);
  }

 private:
  void violation(const char* property, std::string text) {
    if (out_.violations.size() < 20) out_.violations.push_back({property, std::move(text)});
  }

  void check_txn(const Op& op) {
    const Revision r = op.txn_result.revision;
    if (!wrote(op.txn_result)) {
      if (r > model_.newest()) return violation("real", at(r) + "is not in the log: " + describe(op));
      auto ran = model_.run(op.txn, r);
      if (!ran.events.empty() || !same(ran.result, op.txn_result)) {
        violation("read", "its answer is not the state of one revision: " + describe(op));
      }
      return;
    }
    const LoggedRevision* logged = model_.logged(r);
    if (logged == nullptr) return violation("durable", "an acknowledged write is lost: " + describe(op));
    auto [it, fresh] = out_.authors.emplace(r, &op);
    if (!fresh) {
      return violation("unique", at(r) + "two writes were acknowledged: " + describe(op) + " and " +
                                     describe(*it->second));
    }
    auto ran = model_.run(op.txn, r - 1);
    if (!same(ran.events, logged->events)) {
      std::string text = at(r) + "is not what " + describe(op) + " does:";
      for (const auto& e : logged->events) text += " " + describe(e);
      return violation("write", std::move(text));
    }
    if (!same(ran.result, op.txn_result)) violation("write", at(r) + "wrong answer: " + describe(op));
  }

  void check_range(const Op& op) {
    const Revision r = op.range_result.revision;
    if (r > model_.newest()) return violation("real", at(r) + "is not in the log: " + describe(op));
    if (op.range.revision > r) return violation("read", "a revision of the future was read: " + describe(op));
    const RangeResult want = model_.read(op.range, r);
    if (same(want, op.range_result)) return;
    std::string text = at(r) + "is not what was read: " + describe(op) + ": got";
    for (const auto& kv : op.range_result.kvs) {
      text += " " + std::string(kv.key.view()) + "=" + std::string(kv.value.view()) + "@" +
              std::to_string(kv.mod_revision);
    }
    text += ", expected";
    for (const auto& kv : want.kvs) {
      text += " " + std::string(kv.key.view()) + "=" + std::string(kv.value.view()) + "@" +
              std::to_string(kv.mod_revision);
    }
    violation("read", std::move(text));
  }

  // Which operation each value belongs to.
  void index_values() {
    for (const auto& op : ops_) {
      if (op.kind == Op::Kind::kTxn && op.status != Op::Status::kOk) {
        for (const auto* branch : {&op.txn.success, &op.txn.failure}) {
          for (const auto& o : *branch) {
            if (o.kind == TxnOp::Kind::kPut) by_value_.emplace(o.put.value.view(), &op);
          }
        }
        const auto deletes = [](const std::vector<TxnOp>& branch) {
          return std::any_of(branch.begin(), branch.end(),
                             [](const TxnOp& o) { return o.kind == TxnOp::Kind::kDelete; });
        };
        if (op.status == Op::Status::kUnknown && (deletes(op.txn.success) || deletes(op.txn.failure))) {
          deleters_.push_back(&op);
        }
      }
      if (op.kind == Op::Kind::kLeaseRevoke && op.status != Op::Status::kFailed) revokes_[op.lease] = &op;
    }
  }

  void find_author(const LoggedRevision& entry) {
    if (out_.authors.contains(entry.revision) || entry.events.empty()) return;
    const auto put = std::find_if(entry.events.begin(), entry.events.end(),
                                  [](const Event& e) { return e.type == Event::Type::kPut; });
    if (put != entry.events.end()) {
      auto it = by_value_.find(put->kv.value.view());
      if (it == by_value_.end()) {
        return violation(
            "real", at(entry.revision) + describe(*put) + ": nobody asked for it a first, or a second, time");
      }
      const Op& op = *it->second;
      if (op.status == Op::Status::kFailed) {
        return violation("failed", at(entry.revision) + "happened, though it failed: " + describe(op));
      }
      return claim(op, entry);
    }
    if (ended_lease(entry)) return;
    for (const Op*& op : deleters_) {
      if (op == nullptr || (entry.at_ns != 0 && op->invoked_ns > entry.at_ns)) continue;
      if (!same(model_.run(op->txn, entry.revision - 1).events, entry.events)) continue;
      return claim(*std::exchange(op, nullptr), entry);
    }
    violation("real", at(entry.revision) + describe(entry.events.front()) + ": nobody asked for it");
  }

  void claim(const Op& op, const LoggedRevision& entry) {
    if (!used_.insert(&op).second) {
      return violation("unique", at(entry.revision) + "happened a second time: " + describe(op));
    }
    out_.authors.emplace(entry.revision, &op);
    if (!same(model_.run(op.txn, entry.revision - 1).events, entry.events)) {
      violation("write", at(entry.revision) + "is not what " + describe(op) + " does");
    }
  }

  // All keys of one lease, deleted together.
  bool ended_lease(const LoggedRevision& entry) {
    const auto* v = model_.find(entry.events.front().kv.key, entry.revision - 1);
    if (v == nullptr || v->lease == 0) return false;
    const auto keys = model_.attached(v->lease, entry.revision - 1);
    if (!std::equal(keys.begin(), keys.end(), entry.events.begin(), entry.events.end(),
                    [](std::string_view k, const Event& e) { return e.kv.key.view() == k; })) {
      return false;
    }
    auto it = revokes_.find(v->lease);
    const bool revoked = it != revokes_.end() && (entry.at_ns == 0 || it->second->invoked_ns <= entry.at_ns);
    out_.authors.emplace(entry.revision, revoked ? it->second : nullptr);
    return true;
  }

  void check_real_time() {
    struct Placed {
      const Op* op;
      Revision revision;
      bool write;
    };
    std::vector<Placed> all;
    for (const auto& op : ops_) {
      if (op.status != Op::Status::kOk) continue;
      if (op.kind == Op::Kind::kTxn) all.push_back({&op, op.txn_result.revision, wrote(op.txn_result)});
      if (op.kind == Op::Kind::kRange) all.push_back({&op, op.range_result.revision, false});
    }
    for (const auto& [r, op] : out_.authors) {
      if (op != nullptr && op->kind == Op::Kind::kTxn && op->status == Op::Status::kUnknown)
        all.push_back({op, r, true});
    }
    std::vector<const Placed*> by_start;
    std::vector<const Placed*> by_end;
    for (const auto& p : all) {
      by_start.push_back(&p);
      if (p.op->status == Op::Status::kOk) by_end.push_back(&p);
    }
    const auto order = [](auto key) {
      return [key](const Placed* a, const Placed* b) {
        return std::pair(key(*a->op), a->op->id) < std::pair(key(*b->op), b->op->id);
      };
    };
    std::sort(by_start.begin(), by_start.end(), order([](const Op& o) { return o.invoked_ns; }));
    std::sort(by_end.begin(), by_end.end(), order([](const Op& o) { return o.returned_ns; }));
    const Placed* floor = nullptr;
    std::size_t done = 0;
    for (const Placed* p : by_start) {
      for (; done < by_end.size() && by_end[done]->op->returned_ns < p->op->invoked_ns; ++done) {
        if (floor == nullptr || by_end[done]->revision > floor->revision) floor = by_end[done];
      }
      if (floor == nullptr) continue;
      const bool may_be_old = p->op->kind == Op::Kind::kRange && p->op->range.serializable;
      if (may_be_old || p->revision > floor->revision || (!p->write && p->revision == floor->revision))
        continue;
      violation("real time", describe(*p->op) + " (revision " + std::to_string(p->revision) +
                                 ") was invoked after the end of " + describe(*floor->op));
    }
  }

  const std::vector<Op>& ops_;
  const Model& model_;
  SerializableResult out_;
  std::unordered_map<std::string_view, const Op*> by_value_;
  std::vector<const Op*> deleters_;
  std::unordered_map<LeaseId, const Op*> revokes_;
  std::unordered_set<const Op*> used_;
};

}  // namespace

SerializableResult check_serializable(const std::vector<Op>& ops, const Model& model) {
  return Checker(ops, model).run();
}

}  // namespace keelson::jepsen
