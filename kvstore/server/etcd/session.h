// What locks and elections are made of (etcd's client "concurrency" recipes, run in the server): a key
// NAME/LEASE in hex that a lease keeps, and waiting until every key of that name created before is gone.
//
// Thread rule: of the call: its executor.
#pragma once

#include <string>

#include "kvstore/server/etcd/context.h"
#include "net/grpc.h"

namespace keelson::kvstore::etcd {

// One caller's view of the store: its rights are checked anew for everything it does here, since it may wait
// long. Errors have the code kUnknown and etcd's text, as etcd's own services answer them.
class Session {
 public:
  // References outlive it.
  Session(ServiceContext& c, net::GrpcCall& call) : c_(&c), call_(&call) {}

  // `lease`, or a fresh one of 60 s when it is 0. A lease that does not exist is noticed by the first txn.
  Task<Result<LeaseId>> lease(LeaseId lease);
  Task<Result<TxnResult>> txn(TxnRequest request);
  // Linearizable.
  Task<Result<RangeResult>> range(RangeRequest request);
  Task<Result<std::unique_ptr<WatchStream>>> watch(WatchRequest request);

  enum class Turn {
    kOurs,  // no key with `prefix` is older than ours
    kLost,  // our key is gone: the lease ended, or somebody deleted it
    kGone,  // the client has left
  };
  // Waits for it. `revision`: our key's create revision.
  Task<Result<Turn>> wait_turn(std::string prefix, std::string key, Revision revision);
  // Deletes our key unless it is another one by now: also after the client left.
  Task<Result<TxnResult>> release(std::string key, Revision revision);

  Header header(Revision revision) const;
  net::GrpcCall& call() { return *call_; }

 private:
  // The caller, where `check(view, subject)` allows it.
  template <class Check>
  Result<Identity> permit(Check check) const;
  Task<Result<Turn>> wait_deleted(std::string older, std::string own, Revision revision);

  ServiceContext* c_;
  net::GrpcCall* call_;
};

// "NAME/" and "NAME/LEASE".
std::string session_prefix(std::string_view name);
std::string session_key(std::string_view name, LeaseId lease);

// The oldest key under `prefix`: the owner.
TxnOp range_owner(std::string_view prefix);
TxnOp range_key(std::string_view key);
TxnOp put_leased(std::string_view key, std::string_view value, LeaseId lease);
// True while `key` is the one created at `revision`; 0: while there is none.
Compare created_at(std::string_view key, Revision revision);
// The end of the range of all keys that begin with `prefix`.
std::string prefix_end(std::string_view prefix);

}  // namespace keelson::kvstore::etcd
