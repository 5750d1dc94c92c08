#include "kvstore/mvcc/state.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "kvstore/mvcc/bulk_load.h"
#include "kvstore/mvcc/errors.h"

namespace keelson::kvstore {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15ULL) * (b | 1);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64) ^ std::rotl(b, 29);
}

std::uint64_t hash_bytes(std::uint64_t h, std::string_view s) {
  h = mix(h, s.size() + 0x51ed27);
  while (s.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, s.data(), 8);
    h = mix(h ^ word, 0xd6e8feb86659fd93ULL);
    s.remove_prefix(8);
  }
  std::uint64_t last = 0;
  if (!s.empty()) std::memcpy(&last, s.data(), s.size());
  return mix(h ^ last, 0xa0761d6478bd642fULL);
}

std::uint64_t key_hash(std::string_view key) {
  return hash_bytes(0, key);
}

// The state hash is the sum of these over the live keys: it does not depend on order or on compaction.
std::uint64_t item_hash(const Item& item, std::uint64_t key_hash) {
  if (item.tombstone()) return 0;
  std::uint64_t h = hash_bytes(key_hash, item.value());
  h = mix(h ^ static_cast<std::uint64_t>(item.rev().main), item.rev().sub);
  h = mix(h ^ static_cast<std::uint64_t>(item.create()), static_cast<std::uint64_t>(item.version()));
  return mix(h, static_cast<std::uint64_t>(item.lease()));
}

// Of one version in the backend: its key and value, and about what its other fields, its revision and
// LevelDB's index take.
std::uint64_t version_bytes(std::size_t key_size, std::size_t value_size) {
  constexpr std::uint64_t kOverhead = 64;
  return key_size + value_size + kOverhead;
}

const Item* live(const Item* item) {
  return item != nullptr && !item->tombstone() ? item : nullptr;
}

}  // namespace

// One transaction. Which branches run, nested ones too, is decided on the state before it (etcd); then
// everything that could fail is checked; then it runs. Read-only transactions have no State.
class State::TxnRun {
 public:
  TxnRun(State* state, View view, ReadContext ctx, Effects* effects)
      : state_(state), view_(view), ctx_(ctx), effects_(effects) {}

  Result<TxnResult> run(const TxnRequest& request) {
    choose(request);
    std::size_t at = 0;
    TRY(check(request, at));
    at = 0;
    TxnResult out;
    out.responses = TRY(execute(request, at, out.succeeded));
    out.revision = changed() ? view_.revision + 1 : view_.revision;
    return out;
  }
  bool changed() const { return next_sub_ > 0; }

 private:
  const std::vector<TxnOp>& branch(const TxnRequest& r, std::size_t& at) const {
    return chosen_[at++] ? r.success : r.failure;
  }

  // Depth first, as check() and execute() walk it.
  void choose(const TxnRequest& request) {
    bool ok = true;
    for (const auto& c : request.compares) ok = ok && compare_holds(view_, c);
    chosen_.push_back(ok);
    for (const auto& op : ok ? request.success : request.failure) {
      if (op.kind == TxnOp::Kind::kTxn) choose(*op.txn);
    }
  }

  Result<void> check(const TxnRequest& request, std::size_t& at) {
    for (const auto& op : branch(request, at)) {
      switch (op.kind) {
        case TxnOp::Kind::kRange:
          if (op.range.revision > view_.revision) return fail(future_revision_error());
          if (op.range.revision > 0 && op.range.revision < *ctx_.compacted) return fail(compacted_error());
          break;
        case TxnOp::Kind::kPut:
          if ((op.put.ignore_value || op.put.ignore_lease) && live(view_.find(op.put.key)) == nullptr) {
            return fail(key_not_found_error());
          }
          if (op.put.lease != 0 && !op.put.ignore_lease && !state_->leases_.exists(op.put.lease)) {
            return fail(lease_not_found_error());
          }
          break;
        case TxnOp::Kind::kDelete:
          break;
        case TxnOp::Kind::kTxn:
          TRY(check(*op.txn, at));
          break;
      }
    }
    return {};
  }

  Result<std::vector<TxnOpResult>> execute(const TxnRequest& request, std::size_t& at, bool& succeeded) {
    succeeded = chosen_[at];
    std::vector<TxnOpResult> out;
    const auto& ops = branch(request, at);
    out.reserve(ops.size());
    for (const auto& op : ops) {
      TxnOpResult r;
      r.kind = op.kind;
      switch (op.kind) {
        case TxnOp::Kind::kRange:
          r.range = TRY(range(op.range));
          break;
        case TxnOp::Kind::kPut:
          put(op.put, r);
          break;
        case TxnOp::Kind::kDelete:
          erase(op.del, r);
          break;
        case TxnOp::Kind::kTxn:
          r.responses = TRY(execute(*op.txn, at, r.succeeded));
          break;
      }
      out.push_back(std::move(r));
    }
    return out;
  }

  View now() const {
    return state_ == nullptr ? view_ : state_->tree_.working(changed() ? view_.revision + 1 : view_.revision);
  }

  Result<RangeResult> range(const RangeRequest& request) {
    auto r = read_range(now(), ctx_, request);
    // check() has excluded what the request could have wrong; with writes done, only stopping is safe.
    CHECK_MSG(r.has_value() || !changed(), r ? "" : r.error().message.c_str());
    return r;
  }

  void write(ItemFields fields, std::string_view key, std::string_view value) {
    fields.rev = {view_.revision + 1, next_sub_++};
    state_->write(fields, key, value, *effects_);
  }

  void put(const PutRequest& p, TxnOpResult& r) {
    const Item* there = now().find(p.key);
    const Item* old = live(there);
    // A delete in the same transaction may have taken what ignore_value and ignore_lease refer to: then
    // nothing is kept.
    ItemPtr keep = old != nullptr ? Tree::share(old) : nullptr;
    ItemFields f;
    f.create = old != nullptr ? old->create() : view_.revision + 1;
    f.version = old != nullptr ? old->version() + 1 : 1;
    f.follows = there != nullptr;
    f.lease = p.lease;
    if (p.ignore_lease) f.lease = keep ? keep->lease() : 0;
    std::string_view value = p.value;
    if (p.ignore_value) value = keep ? keep->value() : std::string_view();
    write(f, p.key, value);
    if (p.prev_kv && keep) r.prev_kv = Item::to_key_value(keep);
  }

  void erase(const DeleteRequest& d, TxnOpResult& r) {
    std::vector<ItemPtr> victims;
    const KeyRange range{d.key, d.end};
    const View view = now();
    if (range.single()) {
      if (const Item* item = live(view.find(d.key))) victims.push_back(Tree::share(item));
    } else {
      for (Cursor c(view, range.key); c.item() != nullptr && range.contains(c.item()->key()); c.next()) {
        if (live(c.item()) != nullptr) victims.push_back(Tree::share(c.item()));
      }
    }
    for (const auto& v : victims) {
      ItemFields f;
      f.tombstone = true;
      write(f, v->key(), {});
      if (d.prev_kv) r.prev_kvs.push_back(Item::to_key_value(v));
    }
    r.deleted = static_cast<std::int64_t>(victims.size());
  }

  State* const state_;
  const View view_;
  const ReadContext ctx_;
  Effects* const effects_;
  std::vector<bool> chosen_;
  std::uint32_t next_sub_ = 0;
};

State::State(ValueReader* values) : values_(values) {
  publish();
}
State::~State() = default;

void State::write(const ItemFields& fields, std::string_view key, std::string_view value, Effects& effects) {
  ItemPtr item = Item::make(fields, key, value);
  ItemPtr prev = tree_.put(item);
  const std::uint64_t hash = key_hash(key);
  count(*item, item_hash(*item, hash), prev.get(), hash);
  effects.changes.push_back({std::move(item), std::move(prev)});
}

// What a version that takes the place of `prev` does to everything but the tree.
void State::count(const Item& item, std::uint64_t own_hash, const Item* prev, std::uint64_t key_hash) {
  hash_ += own_hash;
  stored_bytes_ += version_bytes(item.key().size(), item.value().size());
  if (prev != nullptr) {
    hash_ -= item_hash(*prev, key_hash);
    if (prev->lease() != 0) leases_.detach(prev->lease(), item.key());
  }
  if (item.lease() != 0) leases_.attach(item.lease(), item.key());
}

void State::load_version(const ItemFields& fields, std::string_view key, std::string_view value) {
  load(prepare(fields, key, value));
}

LoadedVersion State::prepare(const ItemFields& fields, std::string_view key, std::string_view value) {
  LoadedVersion v{Item::make(fields, key, value), kvstore::key_hash(key)};
  v.item_hash = kvstore::item_hash(*v.item, v.key_hash);
  return v;
}

void State::load_versions(std::vector<LoadedVersion> versions) {
  constexpr std::size_t kAhead = 16;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    if (loading_ && i + kAhead < versions.size()) loading_->prefetch(versions[i + kAhead].key_hash);
    load(std::move(versions[i]));
  }
}

void State::load(LoadedVersion v) {
  if (!loading_) loading_ = std::make_unique<BulkLoad>();
  const BulkLoad::Put put = loading_->put(std::move(v.item), v.key_hash);
  count(*put.now, v.item_hash, put.before.get(), v.key_hash);
  revision_ = std::max(revision_, put.now->rev().main);
}

void State::load_lease(LeaseId id, std::int64_t ttl_s, MonoTime now, std::int64_t remaining_s) {
  if (!leases_.exists(id)) leases_.grant(id, ttl_s, now);
  leases_.checkpoint({id, remaining_s});
}

void State::finish_load(Revision revision, Revision compacted, bool compaction_done,
                        const RunBoth& run_both) {
  CHECK(revision >= revision_);
  if (loading_) tree_.build(loading_->take_sorted(run_both), run_both);
  loading_.reset();
  revision_ = revision;
  compacted_.store(compacted, std::memory_order_release);
  compacting_ = !compaction_done && compacted > 0;
  compaction_cursor_.clear();
  publish();
}

Result<TxnResult> State::txn(const TxnRequest& request, Effects& effects) {
  TxnRun run(this, tree_.working(revision_), read_context(), &effects);
  auto result = run.run(request);
  if (run.changed()) ++revision_;
  return result;
}

Result<TxnResult> State::read_only_txn(const View& view, const ReadContext& ctx, const TxnRequest& request) {
  CHECK(is_read_only(request));
  return TxnRun(nullptr, view, ctx, nullptr).run(request);
}

Result<void> State::compact(Revision revision) {
  if (revision <= compacted_.load(std::memory_order_relaxed)) return fail(compacted_error());
  if (revision > revision_) return fail(future_revision_error());
  compacted_.store(revision, std::memory_order_seq_cst);
  compacting_ = true;
  compaction_cursor_.clear();
  return {};
}

bool State::compact_step(std::size_t keys_max, Effects& effects) {
  if (!compacting_) return true;
  const Revision at = compacted_.load(std::memory_order_relaxed);
  std::vector<std::string> gone;
  std::size_t seen = 0;
  Cursor c(tree_.working(revision_), compaction_cursor_);
  for (; c.item() != nullptr && seen < keys_max; c.next(), ++seen) {
    const Item* item = c.item();
    if (item->older() == nullptr && !item->tombstone()) continue;
    // The newest version at or before `at` stays, unless it is a tombstone from before it.
    FullRevision newest = item->rev();
    bool tombstone = item->tombstone();
    if (newest.main > at) {
      const VersionRef* v = item->older_at(at);
      newest = v != nullptr ? v->rev() : FullRevision{};
      tombstone = v != nullptr && v->tombstone != 0;
    }
    const bool drop_newest = tombstone && newest.main < at;
    const bool keep_newest = !drop_newest && !fault_drops_live_version_;
    auto keep = [&](const VersionRef& v) {
      const bool kept = v.main > at || (v.rev() == newest && keep_newest);
      if (!kept) stored_bytes_ -= version_bytes(item->key().size(), v.value_size);
      return kept;
    };
    tree_.trim(item, keep, effects.dropped);
    if (drop_newest && newest == item->rev()) {
      effects.dropped.push_back(newest);
      stored_bytes_ -= version_bytes(item->key().size(), 0);
      gone.emplace_back(item->key());
    }
  }
  compacting_ = c.item() != nullptr;
  compaction_cursor_ = compacting_ ? std::string(c.item()->key()) : "";
  for (const auto& key : gone) tree_.erase(key);
  return !compacting_;
}

Result<std::int64_t> State::lease_grant(LeaseId id, std::int64_t ttl_s, MonoTime now, Effects& effects) {
  if (ttl_s > kLeaseTtlMax_s) return fail(lease_ttl_error());
  if (leases_.exists(id)) return fail(lease_exists_error());
  const std::int64_t ttl = leases_.grant(id, ttl_s, now);
  effects.leases.push_back({id, ttl});
  return ttl;
}

Result<void> State::lease_revoke(LeaseId id, Effects& effects) {
  if (!leases_.exists(id)) return fail(lease_not_found_error());
  const auto keys = leases_.remove(id);
  effects.leases.push_back({id, 0});
  std::uint32_t sub = 0;
  for (const auto& key : keys) {
    ItemFields f;
    f.rev = {revision_ + 1, sub++};
    f.tombstone = true;
    write(f, key, {}, effects);
  }
  if (sub > 0) ++revision_;
  return {};
}

void State::lease_checkpoint(const std::vector<LeaseCheckpoint>& remains, Effects& effects) {
  for (const auto& c : remains) {
    if (!leases_.exists(c.id)) continue;
    leases_.checkpoint(c);
    const std::int64_t ttl = leases_.info(c.id, false, {}).granted_ttl_s;
    effects.leases.push_back({c.id, ttl, c.remaining_s < ttl ? c.remaining_s : 0});
  }
}

void State::publish() {
  auto made = tree_.publish(revision_, hash_);
  {
    std::lock_guard lock(snapshot_mu_);
    std::swap(snapshot_, made);
  }
  published_revision_.store(revision_, std::memory_order_release);
}

SnapshotPtr State::snapshot() const {
  std::lock_guard lock(snapshot_mu_);
  return snapshot_;
}

bool is_read_only(const TxnRequest& request) {
  for (const auto* ops : {&request.success, &request.failure}) {
    for (const auto& op : *ops) {
      if (op.kind == TxnOp::Kind::kPut || op.kind == TxnOp::Kind::kDelete) return false;
      if (op.kind == TxnOp::Kind::kTxn && !is_read_only(*op.txn)) return false;
    }
  }
  return true;
}

}  // namespace keelson::kvstore
