#include "kvstore/client/prefixed_store.h"

namespace keelson::kvstore {
namespace {

class PrefixedWatch final : public WatchStream {
 public:
  PrefixedWatch(const PrefixedStore& store, std::unique_ptr<WatchStream> stream)
      : store_(store), stream_(std::move(stream)) {}
  Task<Result<WatchBatch>> next() override {
    auto batch = co_await stream_->next();
    if (batch) {
      for (auto& event : batch->events) {
        store_.show(event.kv);
        if (event.prev_kv) store_.show(*event.prev_kv);
      }
    }
    co_return batch;
  }
  void request_progress() override { stream_->request_progress(); }
  Revision compacted() const override { return stream_->compacted(); }

 private:
  const PrefixedStore& store_;
  const std::unique_ptr<WatchStream> stream_;
};

}  // namespace

PrefixedStore::PrefixedStore(Store& store, std::string shown, std::string stored)
    : store_(store), shown_(std::move(shown)), stored_(std::move(stored)) {}

void PrefixedStore::hide(std::string& key) const {
  if (key.starts_with(shown_)) key.replace(0, shown_.size(), stored_);
}

void PrefixedStore::show(KeyValue& kv) const {
  if (kv.key.view().starts_with(stored_))
    kv.key = Bytes(shown_ + std::string(kv.key.view().substr(stored_.size())));
}

void PrefixedStore::hide(std::vector<TxnOp>& ops) const {
  for (auto& op : ops) {
    hide(op.range.key);
    hide(op.range.end);
    hide(op.put.key);
    hide(op.del.key);
    hide(op.del.end);
    if (op.txn) {
      op.txn = std::make_shared<TxnRequest>(*op.txn);
      hide(*op.txn);
    }
  }
}

void PrefixedStore::hide(TxnRequest& request) const {
  for (auto& c : request.compares) {
    hide(c.key);
    hide(c.end);
  }
  hide(request.success);
  hide(request.failure);
}

void PrefixedStore::show(std::vector<TxnOpResult>& responses) const {
  for (auto& r : responses) {
    for (auto& kv : r.range.kvs) show(kv);
    for (auto& kv : r.prev_kvs) show(kv);
    if (r.prev_kv) show(*r.prev_kv);
    show(r.responses);
  }
}

Task<Result<RangeResult>> PrefixedStore::range(RangeRequest request) {
  hide(request.key);
  hide(request.end);
  auto answer = co_await store_.range(std::move(request));
  if (answer)
    for (auto& kv : answer->kvs) show(kv);
  co_return answer;
}

std::optional<Result<RangeResult>> PrefixedStore::range_now(const RangeRequest& request) {
  RangeRequest hidden = request;
  hide(hidden.key);
  hide(hidden.end);
  auto answer = store_.range_now(hidden);
  if (answer && *answer)
    for (auto& kv : (*answer)->kvs) show(kv);
  return answer;
}

Task<Result<TxnResult>> PrefixedStore::txn(TxnRequest request) {
  hide(request);
  auto done = co_await store_.txn(std::move(request));
  if (done) show(done->responses);
  co_return done;
}

Task<Result<std::unique_ptr<WatchStream>>> PrefixedStore::watch(WatchRequest request) {
  hide(request.key);
  hide(request.end);
  auto stream = CO_TRY(co_await store_.watch(std::move(request)));
  co_return std::unique_ptr<WatchStream>(std::make_unique<PrefixedWatch>(*this, std::move(stream)));
}

Task<Result<LeaseInfo>> PrefixedStore::lease_time_to_live(LeaseId id, bool keys) {
  auto info = co_await store_.lease_time_to_live(id, keys);
  if (info) {
    for (auto& key : info->keys)
      if (key.starts_with(stored_)) key.replace(0, stored_.size(), shown_);
  }
  co_return info;
}

Task<Result<void>> PrefixedStore::compact(Revision revision) {
  return store_.compact(revision);
}
Task<Result<LeaseInfo>> PrefixedStore::lease_grant(LeaseId id, std::int64_t ttl_s) {
  return store_.lease_grant(id, ttl_s);
}
Task<Result<void>> PrefixedStore::lease_revoke(LeaseId id) {
  return store_.lease_revoke(id);
}
Task<Result<LeaseInfo>> PrefixedStore::lease_keep_alive(LeaseId id) {
  return store_.lease_keep_alive(id);
}
Task<Result<std::vector<LeaseId>>> PrefixedStore::leases() {
  return store_.leases();
}
Revision PrefixedStore::current_revision() const {
  return store_.current_revision();
}

}  // namespace keelson::kvstore
