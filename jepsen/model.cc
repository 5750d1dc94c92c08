#include "jepsen/model.h"

#include <algorithm>

namespace keelson::jepsen {

using namespace kvstore;

bool in_range(std::string_view key, std::string_view range_key, std::string_view range_end) {
  if (range_end.empty()) return key == range_key;
  return key >= range_key && (range_end == std::string_view("\0", 1) || key < range_end);
}

Model::Model(const EventLog& log, Violations& violations) : log_(log) {
  first_ = log.empty() ? 2 : log.front().revision;
  newest_ = first_ - 1;
  for (const auto& entry : log) {
    if (entry.revision != newest_ + 1) {
      violations.push_back({"event log", "revision " + std::to_string(entry.revision) + " follows " +
                                             std::to_string(newest_)});
    }
    newest_ = entry.revision;
    if (entry.events.empty()) {
      violations.push_back({"event log", "revision " + std::to_string(entry.revision) + " changes nothing"});
    }
    for (const auto& e : entry.events) {
      auto& versions = keys_[std::string(e.kv.key.view())];
      const bool was_live = !versions.empty() && versions.back().live;
      Version v;
      v.mod = entry.revision;
      if (e.type == Event::Type::kPut) {
        v.live = true;
        v.create = was_live ? versions.back().create : entry.revision;
        v.version = was_live ? versions.back().version + 1 : 1;
        v.value = e.kv.value;
        v.lease = e.kv.lease;
        if (e.kv.create_revision != v.create || e.kv.version != v.version) {
          violations.push_back({"event log", describe(e) + ": expected create " + std::to_string(v.create) +
                                                 " version " + std::to_string(v.version)});
        }
        if (v.lease != 0) lease_keys_[v.lease].emplace(e.kv.key.view());
      } else if (!was_live) {
        violations.push_back({"event log", describe(e) + ": there was nothing to delete"});
      }
      if (e.kv.mod_revision != entry.revision) {
        violations.push_back({"event log", describe(e) + " logged at " + std::to_string(entry.revision)});
      }
      versions.push_back(std::move(v));
    }
  }
}

const Model::Version* Model::find(std::string_view key, Revision at) const {
  auto it = keys_.find(key);
  if (it == keys_.end()) return nullptr;
  const auto& versions = it->second;
  auto v = std::upper_bound(versions.begin(), versions.end(), at,
                            [](Revision r, const Version& x) { return r < x.mod; });
  return v == versions.begin() || !(v - 1)->live ? nullptr : &*(v - 1);
}

std::vector<std::pair<std::string_view, const Model::Version*>> Model::range(std::string_view key,
                                                                             std::string_view end,
                                                                             Revision at) const {
  std::vector<std::pair<std::string_view, const Version*>> out;
  for (auto it = keys_.lower_bound(key); it != keys_.end() && in_range(it->first, key, end); ++it) {
    if (const Version* v = find(it->first, at)) out.emplace_back(it->first, v);
  }
  return out;
}

std::vector<std::string_view> Model::attached(LeaseId lease, Revision at) const {
  std::vector<std::string_view> out;
  auto it = lease_keys_.find(lease);
  if (it == lease_keys_.end()) return out;
  for (const auto& key : it->second) {
    const Version* v = find(key, at);
    if (v != nullptr && v->lease == lease) out.emplace_back(key);
  }
  return out;
}

namespace {
KeyValue key_value(std::string_view key, const Model::Version& v, bool keys_only = false) {
  KeyValue kv;
  kv.key = Bytes::copy(key);
  if (!keys_only) kv.value = v.value;
  kv.create_revision = v.create;
  kv.mod_revision = v.mod;
  kv.version = v.version;
  kv.lease = v.lease;
  return kv;
}
}  // namespace

RangeResult Model::read(const RangeRequest& q, Revision at) const {
  RangeResult out;
  out.revision = at;
  for (const auto& [key, v] : range(q.key, q.end, q.revision > 0 ? q.revision : at)) {
    ++out.count;
    if (q.count_only) continue;
    if (q.limit > 0 && static_cast<std::int64_t>(out.kvs.size()) >= q.limit) {
      out.more = true;
      continue;
    }
    out.kvs.push_back(key_value(key, *v, q.keys_only));
  }
  return out;
}

bool Model::holds(const Compare& c, Revision at) const {
  const Version none;
  const Version* v = find(c.key, at);
  if (c.target == Compare::Target::kValue) {
    if (v == nullptr) return false;
    const int order = v->value.view().compare(c.value);
    switch (c.op) {
      case Compare::Op::kEqual:
        return order == 0;
      case Compare::Op::kGreater:
        return order > 0;
      case Compare::Op::kLess:
        return order < 0;
      case Compare::Op::kNotEqual:
        return order != 0;
    }
  }
  if (v == nullptr) v = &none;
  std::int64_t have = 0;
  if (c.target == Compare::Target::kVersion) have = v->version;
  if (c.target == Compare::Target::kCreate) have = v->create;
  if (c.target == Compare::Target::kMod) have = v == &none ? 0 : v->mod;
  if (c.target == Compare::Target::kLease) have = v->lease;
  switch (c.op) {
    case Compare::Op::kEqual:
      return have == c.number;
    case Compare::Op::kGreater:
      return have > c.number;
    case Compare::Op::kLess:
      return have < c.number;
    case Compare::Op::kNotEqual:
      return have != c.number;
  }
  return false;
}

// A transaction in progress: what it has changed so far lies over the state before it.
struct Model::Run {
  const Model& model;
  const Revision at;
  std::map<std::string, Version, std::less<>> over{};
  std::vector<Event> events{};

  std::map<std::string_view, const Version*> range(std::string_view key, std::string_view end) const {
    std::map<std::string_view, const Version*> out;
    for (const auto& [k, v] : model.range(key, end, at)) out[k] = v;
    for (auto it = over.lower_bound(key); it != over.end() && in_range(it->first, key, end); ++it) {
      if (it->second.live) {
        out[it->first] = &it->second;
      } else {
        out.erase(it->first);
      }
    }
    return out;
  }

  TxnOpResult read(const RangeRequest& q) const {
    TxnOpResult r;
    r.kind = TxnOp::Kind::kRange;
    r.range.revision = events.empty() ? at : at + 1;
    if (q.revision > 0) {
      r.range = model.read(q, at);
      return r;
    }
    for (const auto& [k, v] : range(q.key, q.end)) {
      ++r.range.count;
      if (q.count_only) continue;
      if (q.limit > 0 && static_cast<std::int64_t>(r.range.kvs.size()) >= q.limit) {
        r.range.more = true;
        continue;
      }
      r.range.kvs.push_back(key_value(k, *v, q.keys_only));
    }
    return r;
  }

  TxnOpResult put(const PutRequest& q) {
    TxnOpResult r;
    r.kind = TxnOp::Kind::kPut;
    const auto before = range(q.key, "");
    const Version* old = before.empty() ? nullptr : before.begin()->second;
    if (q.prev_kv && old != nullptr) r.prev_kv = key_value(before.begin()->first, *old);
    Version v;
    v.mod = at + 1;
    v.live = true;
    v.create = old != nullptr ? old->create : at + 1;
    v.version = old != nullptr ? old->version + 1 : 1;
    v.value = q.ignore_value && old != nullptr ? old->value : q.value;
    v.lease = q.ignore_lease && old != nullptr ? old->lease : q.lease;
    over[q.key] = v;
    Event e;
    e.type = Event::Type::kPut;
    e.kv = key_value(q.key, v);
    events.push_back(std::move(e));
    return r;
  }

  TxnOpResult del(const DeleteRequest& q) {
    TxnOpResult r;
    r.kind = TxnOp::Kind::kDelete;
    std::vector<std::string> keys;
    for (const auto& [k, v] : range(q.key, q.end)) {
      ++r.deleted;
      if (q.prev_kv) r.prev_kvs.push_back(key_value(k, *v));
      keys.emplace_back(k);
    }
    for (const auto& k : keys) {
      Version v;
      v.mod = at + 1;
      over[k] = v;
      Event e;
      e.type = Event::Type::kDelete;
      e.kv.key = Bytes::copy(k);
      e.kv.mod_revision = at + 1;
      events.push_back(std::move(e));
    }
    return r;
  }
};

Model::Ran Model::run(const TxnRequest& request, Revision at) const {
  Run run{*this, at};
  Ran out;
  out.result.succeeded = std::all_of(request.compares.begin(), request.compares.end(),
                                     [&](const Compare& c) { return holds(c, at); });
  for (const auto& op : out.result.succeeded ? request.success : request.failure) {
    if (op.kind == TxnOp::Kind::kRange) out.result.responses.push_back(run.read(op.range));
    if (op.kind == TxnOp::Kind::kPut) out.result.responses.push_back(run.put(op.put));
    if (op.kind == TxnOp::Kind::kDelete) out.result.responses.push_back(run.del(op.del));
  }
  out.result.revision = run.events.empty() ? at : at + 1;
  out.events = std::move(run.events);
  return out;
}

const LoggedRevision* Model::logged(Revision revision) const {
  if (revision < first_ || revision > newest_) return nullptr;
  const auto i = static_cast<std::size_t>(revision - first_);
  return i < log_.size() && log_[i].revision == revision ? &log_[i] : nullptr;
}

}  // namespace keelson::jepsen
