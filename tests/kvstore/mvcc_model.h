// A deliberately dumb store: a std::map per revision. What the MVCC tests compare against.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kvstore/mvcc/errors.h"
#include "kvstore/mvcc/state.h"

namespace keelson::kvstore {

// A backend that keeps every version in memory, by revision.
class MapValues final : public ValueReader {
 public:
  void stage(const ItemPtr& item) { all[item->rev()] = item; }
  Result<KeyValue> read(FullRevision rev) override {
    auto it = all.find(rev);
    if (it == all.end()) return fail(Code::kNotFound, "no such version");
    return Item::to_key_value(it->second);
  }
  std::map<FullRevision, ItemPtr> all;
};

struct ModelValue {
  std::string value;
  Revision create = 0;
  Revision mod = 0;
  std::int64_t version = 0;
  LeaseId lease = 0;
  auto operator<=>(const ModelValue&) const = default;
};
using ModelMap = std::map<std::string, ModelValue>;

struct ModelEvent {
  Revision revision = 0;
  std::string key;
  bool tombstone = false;
  ModelValue value;
  bool had_prev = false;
  ModelValue prev;
  bool operator==(const ModelEvent&) const = default;
};

class Model {
 public:
  const ModelMap& at(Revision r) const { return revisions.at(static_cast<std::size_t>(r)); }
  const ModelMap& now() const { return at(revision()); }
  Revision revision() const { return static_cast<Revision>(revisions.size()) - 1; }

  // Runs a transaction as etcd says it, on copies.
  Result<TxnResult> txn(const TxnRequest& request) {
    Work w{now(), revision(), {}, false};
    std::vector<bool> path;
    choose(request, w.map, path);
    std::size_t i = 0;
    if (auto e = check(request, path, i)) return std::unexpected(*e);
    i = 0;
    TxnResult out;
    out.responses = execute(request, path, i, w, out.succeeded);
    finish(w);
    out.revision = revision();
    return out;
  }

  void lease_revoke(LeaseId id) {
    leases.erase(id);
    Work w{now(), revision(), {}, false};
    std::vector<std::string> keys;
    for (const auto& [k, v] : w.map) {
      if (v.lease == id) keys.push_back(k);
    }
    for (const auto& k : keys) erase(w, k);
    finish(w);
  }

  RangeResult range(const RangeRequest& r, const ModelMap& map, Revision revision_now) const {
    RangeResult out;
    out.revision = revision_now;
    std::vector<std::pair<std::string, ModelValue>> found;
    for (const auto& [k, v] : map) {
      if (!KeyRange{r.key, r.end}.contains(k)) continue;
      ++out.count;
      if (r.min_mod_revision != 0 && v.mod < r.min_mod_revision) continue;
      if (r.max_mod_revision != 0 && v.mod > r.max_mod_revision) continue;
      if (r.min_create_revision != 0 && v.create < r.min_create_revision) continue;
      if (r.max_create_revision != 0 && v.create > r.max_create_revision) continue;
      found.emplace_back(k, v);
    }
    if (r.count_only) return out;
    auto key_of = [&](const auto& p) -> std::pair<std::string, std::int64_t> {
      switch (r.sort_target) {
        case SortTarget::kKey:
          return {p.first, 0};
        case SortTarget::kVersion:
          return {"", p.second.version};
        case SortTarget::kCreate:
          return {"", p.second.create};
        case SortTarget::kMod:
          return {"", p.second.mod};
        case SortTarget::kValue:
          return {p.second.value, 0};
      }
      return {};
    };
    // Insertion sort: stable, and nothing like the code under test.
    for (std::size_t i = 1; i < found.size(); ++i) {
      for (std::size_t j = i; j > 0; --j) {
        const bool down = r.sort_order == SortOrder::kDescend;
        if (down ? !(key_of(found[j - 1]) < key_of(found[j])) : !(key_of(found[j]) < key_of(found[j - 1])))
          break;
        std::swap(found[j - 1], found[j]);
      }
    }
    for (const auto& [k, v] : found) {
      if (r.limit > 0 && static_cast<std::int64_t>(out.kvs.size()) == r.limit) {
        out.more = true;
        break;
      }
      out.kvs.push_back(to_kv(k, v, r.keys_only));
    }
    return out;
  }

  static KeyValue to_kv(const std::string& k, const ModelValue& v, bool keys_only = false) {
    KeyValue kv;
    kv.key = Bytes::copy(k);
    if (!keys_only) kv.value = Bytes::copy(v.value);
    kv.create_revision = v.create;
    kv.mod_revision = v.mod;
    kv.version = v.version;
    kv.lease = v.lease;
    return kv;
  }

  std::vector<ModelMap> revisions{{}, {}};  // [0] is never used
  std::vector<ModelEvent> events;
  std::set<LeaseId> leases;
  Revision compacted = 0;

 private:
  struct Work {
    ModelMap map;
    Revision revision;
    std::vector<ModelEvent> events;
    bool changed;
  };
  void finish(Work& w) {
    if (!w.changed) return;
    revisions.push_back(std::move(w.map));
    events.insert(events.end(), w.events.begin(), w.events.end());
  }
  static void note(Work& w, const std::string& key, bool tombstone, const ModelValue& v) {
    ModelEvent e;
    e.revision = w.revision + 1;
    e.key = key;
    e.tombstone = tombstone;
    if (!tombstone) e.value = v;
    auto it = w.map.find(key);
    e.had_prev = it != w.map.end();
    if (e.had_prev) e.prev = it->second;
    w.events.push_back(e);
    w.changed = true;
  }
  static void erase(Work& w, const std::string& key) {
    note(w, key, true, {});
    w.map.erase(key);
  }

  static bool holds(const Compare& c, const ModelMap& map) {
    auto one = [&](const ModelValue* v) {
      const ModelValue zero;
      const ModelValue& x = v != nullptr ? *v : zero;
      int sign = 0;
      auto sign_of = [](auto a, auto b) { return a < b ? -1 : a > b ? 1 : 0; };
      switch (c.target) {
        case Compare::Target::kValue:
          if (v == nullptr) return false;
          sign = sign_of(x.value, c.value);
          break;
        case Compare::Target::kVersion:
          sign = sign_of(x.version, c.number);
          break;
        case Compare::Target::kCreate:
          sign = sign_of(x.create, c.number);
          break;
        case Compare::Target::kMod:
          sign = sign_of(x.mod, c.number);
          break;
        case Compare::Target::kLease:
          sign = sign_of(x.lease, c.number);
          break;
      }
      switch (c.op) {
        case Compare::Op::kEqual:
          return sign == 0;
        case Compare::Op::kGreater:
          return sign > 0;
        case Compare::Op::kLess:
          return sign < 0;
        case Compare::Op::kNotEqual:
          return sign != 0;
      }
      return false;
    };
    bool any = false;
    for (const auto& [k, v] : map) {
      if (!KeyRange{c.key, c.end}.contains(k)) continue;
      any = true;
      if (!one(&v)) return false;
    }
    return any || one(nullptr);
  }
  static void choose(const TxnRequest& r, const ModelMap& map, std::vector<bool>& path) {
    bool ok = true;
    for (const auto& c : r.compares) ok = ok && holds(c, map);
    path.push_back(ok);
    for (const auto& op : ok ? r.success : r.failure) {
      if (op.kind == TxnOp::Kind::kTxn) choose(*op.txn, map, path);
    }
  }
  std::optional<Error> check(const TxnRequest& r, const std::vector<bool>& path, std::size_t& i) const {
    for (const auto& op : path[i++] ? r.success : r.failure) {
      if (op.kind == TxnOp::Kind::kRange) {
        if (op.range.revision > revision()) return future_revision_error();
        if (op.range.revision > 0 && op.range.revision < compacted) return compacted_error();
      } else if (op.kind == TxnOp::Kind::kPut) {
        if ((op.put.ignore_lease || op.put.ignore_value) && !now().contains(op.put.key))
          return key_not_found_error();
        if (op.put.lease != 0 && !leases.contains(op.put.lease)) return lease_not_found_error();
      } else if (op.kind == TxnOp::Kind::kTxn) {
        if (auto e = check(*op.txn, path, i)) return e;
      }
    }
    return std::nullopt;
  }
  std::vector<TxnOpResult> execute(const TxnRequest& r, const std::vector<bool>& path, std::size_t& i,
                                   Work& w, bool& succeeded) const {
    succeeded = path[i++];
    std::vector<TxnOpResult> out;
    for (const auto& op : succeeded ? r.success : r.failure) {
      TxnOpResult res;
      res.kind = op.kind;
      if (op.kind == TxnOp::Kind::kRange) {
        const Revision seen = w.changed ? w.revision + 1 : w.revision;
        res.range = range(op.range, op.range.revision > 0 ? at(op.range.revision) : w.map, seen);
      } else if (op.kind == TxnOp::Kind::kPut) {
        auto it = w.map.find(op.put.key);
        const ModelValue* old = it != w.map.end() ? &it->second : nullptr;
        ModelValue v;
        v.value = op.put.value.view();
        v.lease = op.put.lease;
        if (op.put.ignore_value) v.value = old != nullptr ? old->value : "";
        if (op.put.ignore_lease) v.lease = old != nullptr ? old->lease : 0;
        v.mod = w.revision + 1;
        v.create = old != nullptr ? old->create : v.mod;
        v.version = old != nullptr ? old->version + 1 : 1;
        if (op.put.prev_kv && old != nullptr) res.prev_kv = to_kv(op.put.key, *old);
        note(w, op.put.key, false, v);
        w.map[op.put.key] = v;
      } else if (op.kind == TxnOp::Kind::kDelete) {
        std::vector<std::string> keys;
        for (const auto& [k, v] : w.map) {
          if (KeyRange{op.del.key, op.del.end}.contains(k)) keys.push_back(k);
        }
        for (const auto& k : keys) {
          if (op.del.prev_kv) res.prev_kvs.push_back(to_kv(k, w.map.at(k)));
          erase(w, k);
        }
        res.deleted = static_cast<std::int64_t>(keys.size());
      } else {
        res.responses = execute(*op.txn, path, i, w, res.succeeded);
      }
      out.push_back(std::move(res));
    }
    return out;
  }
};

// Random requests over a small set of keys.
class RequestMaker {
 public:
  explicit RequestMaker(Rng& rng) : rng_(rng) {}
  std::string key() { return keys()[rng_.below(keys().size())]; }
  static const std::vector<std::string>& keys() {
    static const std::vector<std::string> k{
        "a", "a/1", "a/2", "ab", "b", "b/long/key", "c", std::string("c\0", 2), "zz"};
    return k;
  }
  std::pair<std::string, std::string> range() {
    std::string from = key();
    switch (rng_.below(4)) {
      case 0:
        return {from, std::string(1, '\0')};
      case 1:
        return {from, key()};  // may be empty or backwards
      default:
        return {from, ""};
    }
  }
  RangeRequest range_request(Revision revision_now) {
    RangeRequest r;
    std::tie(r.key, r.end) = range();
    if (rng_.below(3) == 0) r.limit = static_cast<std::int64_t>(1 + rng_.below(4));
    if (rng_.below(3) == 0) r.revision = rng_.between(0, revision_now + (rng_.below(20) == 0 ? 1 : 0));
    if (rng_.below(3) == 0) r.sort_order = static_cast<SortOrder>(rng_.below(3));
    if (rng_.below(3) == 0) r.sort_target = static_cast<SortTarget>(rng_.below(5));
    r.keys_only = rng_.below(5) == 0;
    r.count_only = rng_.below(8) == 0;
    for (Revision* f :
         {&r.min_mod_revision, &r.max_mod_revision, &r.min_create_revision, &r.max_create_revision}) {
      if (rng_.below(12) == 0) *f = rng_.between(1, revision_now + 1);
    }
    return r;
  }
  TxnOp op(Revision revision_now, int depth) {
    TxnOp op;
    switch (rng_.below(depth > 0 ? 7 : 6)) {
      case 0:
        op.kind = TxnOp::Kind::kRange;
        op.range = range_request(revision_now);
        break;
      case 1:
      case 2:
        op.kind = TxnOp::Kind::kDelete;
        std::tie(op.del.key, op.del.end) = range();
        op.del.prev_kv = rng_.below(2) == 0;
        break;
      case 6:
        op.kind = TxnOp::Kind::kTxn;
        op.txn = std::make_shared<TxnRequest>(txn(revision_now, depth - 1));
        break;
      default:
        op.kind = TxnOp::Kind::kPut;
        op.put.key = key();
        op.put.prev_kv = rng_.below(2) == 0;
        op.put.ignore_value = rng_.below(20) == 0;
        op.put.ignore_lease = rng_.below(20) == 0;
        if (!op.put.ignore_value) op.put.value = Bytes("v" + std::to_string(rng_.below(1000)));
        if (!op.put.ignore_lease && rng_.below(4) == 0)
          op.put.lease = static_cast<LeaseId>(1 + rng_.below(4));
    }
    return op;
  }
  TxnRequest txn(Revision revision_now, int depth) {
    TxnRequest t;
    if (rng_.below(2) == 0) {
      t.success.push_back(op(revision_now, 0));
      return t;
    }
    for (auto n = rng_.below(3); n > 0; --n) {
      Compare c;
      std::tie(c.key, c.end) = range();
      c.target = static_cast<Compare::Target>(rng_.below(5));
      c.op = static_cast<Compare::Op>(rng_.below(4));
      c.number = static_cast<std::int64_t>(rng_.below(4));
      if (c.target == Compare::Target::kMod || c.target == Compare::Target::kCreate) {
        c.number = rng_.between(0, revision_now);
      }
      c.value = "v" + std::to_string(rng_.below(1000));
      t.compares.push_back(c);
    }
    for (auto n = 1 + rng_.below(3); n > 0; --n) t.success.push_back(op(revision_now, depth));
    for (auto n = rng_.below(3); n > 0; --n) t.failure.push_back(op(revision_now, depth));
    return t;
  }

 private:
  Rng& rng_;
};

}  // namespace keelson::kvstore
