#include "kvstore/mvcc/read.h"

#include <algorithm>

#include "kvstore/mvcc/errors.h"

namespace keelson::kvstore {
namespace {

// What a key looked like at a revision, before its value is fetched.
struct Visible {
  ItemPtr item;     // set: the newest version is the visible one
  VersionRef past;  // else this one
  bool found = false;
};

template <class Share>
Visible visible_at(const Item* item, Revision at, Share share) {
  Visible v;
  if (item == nullptr) return v;
  if (item->rev().main <= at) {
    v.found = !item->tombstone();
    if (v.found) v.item = share(item);
    return v;
  }
  const VersionRef* past = item->older_at(at);
  if (past != nullptr && past->tombstone == 0) {
    v.found = true;
    v.past = *past;
  }
  return v;
}

Result<KeyValue> fetch(const ReadContext& ctx, const Visible& v, bool keys_only) {
  if (v.item) return Item::to_key_value(v.item, keys_only);
  auto kv = ctx.values->read(v.past.rev());
  if (!kv) {
    // Compaction may have removed it under us; the caller's check says so.
    return kv.error().code == Code::kNotFound ? fail(compacted_error()) : std::unexpected(kv.error());
  }
  if (keys_only) kv->value = Bytes();
  return kv;
}

bool filtered(const RangeRequest& r) {
  return r.min_mod_revision != 0 || r.max_mod_revision != 0 || r.min_create_revision != 0 ||
         r.max_create_revision != 0;
}

bool passes(const RangeRequest& r, Revision mod, Revision create) {
  return (r.min_mod_revision == 0 || mod >= r.min_mod_revision) &&
         (r.max_mod_revision == 0 || mod <= r.max_mod_revision) &&
         (r.min_create_revision == 0 || create >= r.min_create_revision) &&
         (r.max_create_revision == 0 || create <= r.max_create_revision);
}

bool sort_less(SortTarget target, const KeyValue& a, const KeyValue& b) {
  switch (target) {
    case SortTarget::kKey:
      return a.key.view() < b.key.view();
    case SortTarget::kVersion:
      return a.version < b.version;
    case SortTarget::kCreate:
      return a.create_revision < b.create_revision;
    case SortTarget::kMod:
      return a.mod_revision < b.mod_revision;
    case SortTarget::kValue:
      return a.value.view() < b.value.view();
  }
  return false;
}

void sort_kvs(const RangeRequest& r, std::vector<KeyValue>& kvs) {
  SortOrder order = r.sort_order;
  if (order == SortOrder::kNone && r.sort_target != SortTarget::kKey) order = SortOrder::kAscend;
  const bool down = order == SortOrder::kDescend;
  // Equal ones stay in key order.
  std::sort(kvs.begin(), kvs.end(), [&](const auto& a, const auto& b) {
    if (sort_less(r.sort_target, down ? b : a, down ? a : b)) return true;
    if (sort_less(r.sort_target, down ? a : b, down ? b : a)) return false;
    return a.key.view() < b.key.view();
  });
}

}  // namespace

Result<RangeResult> read_range(const View& view, const ReadContext& ctx, const RangeRequest& request) {
  if (request.revision > view.revision) return fail(future_revision_error());
  const bool now = request.revision <= 0 || request.revision == view.revision;
  const Revision at = now ? view.revision : request.revision;
  if (!now && at < ctx.compacted->load(std::memory_order_acquire)) return fail(compacted_error());

  RangeResult out;
  out.revision = view.revision;
  const KeyRange range{request.key, request.end};
  if (request.count_only && now) {
    out.count = view.count(range);
    return out;
  }
  const bool sorted = request.sort_order == SortOrder::kDescend || request.sort_target != SortTarget::kKey;
  const bool filter = filtered(request);
  // Sorting by value needs values even where the answer does not.
  const bool keys_only = request.keys_only && !(sorted && request.sort_target == SortTarget::kValue);
  const std::int64_t fetch_max = request.limit > 0 && !sorted && !filter ? request.limit : 0;
  bool cut = false;
  auto visit = [&](const Item* item, auto share) -> Result<void> {
    Visible v = visible_at(item, at, share);
    if (!v.found) return {};
    ++out.count;
    if (request.count_only || cut) return {};
    const Revision mod = v.item ? v.item->rev().main : v.past.main;
    const Revision create = v.item ? v.item->create() : v.past.create;
    if (filter && !passes(request, mod, create)) return {};
    if (fetch_max > 0 && static_cast<std::int64_t>(out.kvs.size()) == fetch_max) {
      cut = true;
      return {};
    }
    out.kvs.push_back(TRY(fetch(ctx, v, keys_only)));
    return {};
  };
  if (range.single()) {
    TRY(visit(view.find(range.key), [](const Item* i) { return Tree::share(i); }));
  } else {
    for (Cursor c(view, range.key); c.item() != nullptr && range.contains(c.item()->key()); c.next()) {
      TRY(visit(c.item(), [](const Item* i) { return Tree::share(i); }));
      if (cut && now) {
        out.count = view.count(range);
        break;
      }
    }
  }
  if (!now && at < ctx.compacted->load(std::memory_order_acquire)) return fail(compacted_error());
  if (sorted) sort_kvs(request, out.kvs);
  out.more = cut;
  if (request.limit > 0 && static_cast<std::int64_t>(out.kvs.size()) > request.limit) {
    out.kvs.resize(static_cast<std::size_t>(request.limit));
    out.more = true;
  }
  if (request.keys_only && !keys_only) {
    for (auto& kv : out.kvs) kv.value = Bytes();
  }
  return out;
}

Result<std::optional<KeyValue>> read_key(const View& view, const ReadContext& ctx, std::string_view key,
                                         Revision at) {
  Visible v = visible_at(view.find(key), at, [](const Item* i) { return Tree::share(i); });
  if (!v.found) return std::optional<KeyValue>();
  return std::optional<KeyValue>(TRY(fetch(ctx, v, false)));
}

namespace {

template <class T>
bool relation_holds(Compare::Op op, const T& have, const T& want) {
  switch (op) {
    case Compare::Op::kEqual:
      return have == want;
    case Compare::Op::kGreater:
      return have > want;
    case Compare::Op::kLess:
      return have < want;
    case Compare::Op::kNotEqual:
      return have != want;
  }
  return false;
}

// `item` null: a key that is not there.
bool item_matches(const Item* item, const Compare& c) {
  std::int64_t have = 0;
  switch (c.target) {
    case Compare::Target::kValue:
      return item != nullptr && relation_holds<std::string_view>(c.op, item->value(), c.value);
    case Compare::Target::kVersion:
      have = item != nullptr ? item->version() : 0;
      break;
    case Compare::Target::kCreate:
      have = item != nullptr ? item->create() : 0;
      break;
    case Compare::Target::kMod:
      have = item != nullptr ? item->rev().main : 0;
      break;
    case Compare::Target::kLease:
      have = item != nullptr ? item->lease() : 0;
      break;
  }
  return relation_holds(c.op, have, c.number);
}

}  // namespace

bool compare_holds(const View& view, const Compare& compare) {
  const KeyRange range{compare.key, compare.end};
  if (range.single()) {
    const Item* item = view.find(range.key);
    return item_matches(item != nullptr && !item->tombstone() ? item : nullptr, compare);
  }
  bool any = false;
  for (Cursor c(view, range.key); c.item() != nullptr && range.contains(c.item()->key()); c.next()) {
    if (c.item()->tombstone()) continue;
    any = true;
    if (!item_matches(c.item(), compare)) return false;
  }
  return any || item_matches(nullptr, compare);
}

std::vector<PastChange> past_changes(const View& view, const KeyRange& range, Revision from) {
  std::vector<PastChange> out;
  auto gather = [&](const Item* item) {
    if (item == nullptr || item->rev().main < from) return;
    out.push_back({item->rev(), item->tombstone(), Tree::share(item), {}});
    for (const VersionBlock* b = item->older(); b != nullptr; b = b->prev) {
      const VersionRef* slots = b->slots();
      std::uint32_t n = b->size.load(std::memory_order_acquire);
      for (std::uint32_t i = n; i > 0; --i) {
        const VersionRef& v = slots[i - 1];
        if (v.rev() >= item->rev()) continue;
        if (v.main < from) return;
        out.push_back({v.rev(), v.tombstone != 0, nullptr, v.tombstone != 0 ? std::string(item->key()) : ""});
      }
    }
  };
  if (range.single()) {
    gather(view.find(range.key));
  } else {
    for (Cursor c(view, range.key); c.item() != nullptr && range.contains(c.item()->key()); c.next())
      gather(c.item());
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.rev < b.rev; });
  return out;
}

Result<Event> past_event(const View& view, const ReadContext& ctx, const PastChange& change, bool prev_kv) {
  Event e;
  e.type = change.tombstone ? Event::Type::kDelete : Event::Type::kPut;
  if (change.item) {
    e.kv = Item::to_key_value(change.item);
  } else if (change.tombstone) {
    e.kv.key = Bytes(change.key);
    e.kv.mod_revision = change.rev.main;
  } else {
    VersionRef at;
    at.main = change.rev.main;
    at.sub = change.rev.sub;
    e.kv = TRY(fetch(ctx, Visible{nullptr, at, true}, false));
  }
  if (!prev_kv || change.rev.main - 1 < ctx.compacted->load(std::memory_order_acquire)) return e;
  auto prev = read_key(view, ctx, e.kv.key, change.rev.main - 1);
  if (prev) {
    e.prev_kv = std::move(*prev);
  } else if (prev.error().code != Code::kOutOfRange) {
    return std::unexpected(prev.error());
  }
  return e;
}

}  // namespace keelson::kvstore
