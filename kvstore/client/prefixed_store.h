// PrefixedStore: shows the keys of another store under a different first part: what is "/registry/…" to its
// user is
// "<prefix>/…" in the store (--etcd-prefix). Keys elsewhere are out of reach.
// Thread rule: as Store; the store outlives it.
#pragma once

#include <string>

#include "kvstore/store.h"

namespace keelson::kvstore {

class PrefixedStore final : public Store {
 public:
  // Both without a slash at the end: PrefixedStore(store, "/registry", "/clusters/a").
  PrefixedStore(Store& store, std::string shown, std::string stored);

  Task<Result<RangeResult>> range(RangeRequest request) override;
  std::optional<Result<RangeResult>> range_now(const RangeRequest& request) override;
  Task<Result<TxnResult>> txn(TxnRequest request) override;
  Task<Result<void>> compact(Revision revision) override;
  Task<Result<std::unique_ptr<WatchStream>>> watch(WatchRequest request) override;
  Task<Result<LeaseInfo>> lease_grant(LeaseId id, std::int64_t ttl_s) override;
  Task<Result<void>> lease_revoke(LeaseId id) override;
  Task<Result<LeaseInfo>> lease_keep_alive(LeaseId id) override;
  Task<Result<LeaseInfo>> lease_time_to_live(LeaseId id, bool keys) override;
  Task<Result<std::vector<LeaseId>>> leases() override;
  Revision current_revision() const override;

  // "/registry/a" → "<prefix>/a" in the request's keys, and back in what comes.
  void hide(std::string& key) const;
  void show(KeyValue& kv) const;

 private:
  void hide(TxnRequest& request) const;
  void hide(std::vector<TxnOp>& ops) const;
  void show(std::vector<TxnOpResult>& responses) const;

  Store& store_;
  const std::string shown_;
  const std::string stored_;
};

}  // namespace keelson::kvstore
