#include "kvstore/server/embedded_store.h"

#include "base/rng.h"
#include "kvstore/mvcc/errors.h"
#include "kvstore/server/core.h"
#include "kvstore/server/watch_stream.h"

namespace keelson::kvstore {

class EmbeddedStore::Impl {
 public:
  explicit Impl(EmbeddedStoreOptions options)
      : core(std::move(options)),
        ids(static_cast<std::uint64_t>(core.options.clock->wall().time_since_epoch().count())) {}

  StoreCore core;
  std::mutex ids_mu;
  Rng ids;  // of leases that the store names

  LeaseId fresh_lease_id() {
    std::lock_guard lock(ids_mu);
    return static_cast<LeaseId>(ids.next() >> 1 | 1);
  }

  // Sends a command through the log, or a call to the store thread.
  Task<Outcome> submit(std::string command, std::function<void(Outcome&)> call) {
    auto p = std::make_shared<Pending>();
    p->command = std::move(command);
    p->call = std::move(call);
    co_await wait_for(p, [this, p] {
      if (auto r = core.enqueue(p); !r) {
        p->outcome.error = std::move(r.error());
        p->finish();
      }
    });
    co_return std::move(p->outcome);
  }
};

EmbeddedStore::EmbeddedStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EmbeddedStore::~EmbeddedStore() {
  stop();
}

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(EmbeddedStoreOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  TRY(impl->core.recover());
  return std::unique_ptr<EmbeddedStore>(new EmbeddedStore(std::move(impl)));
}

void EmbeddedStore::start() {
  impl_->core.start();
}
void EmbeddedStore::stop() {
  impl_->core.stop();
}
std::optional<Error> EmbeddedStore::failed() const {
  return impl_->core.failed();
}

std::optional<Result<RangeResult>> EmbeddedStore::range_now(const RangeRequest& request) {
  if (auto ok = validate(request); !ok) return std::unexpected(ok.error());
  if (auto why = impl_->core.refusal()) return std::unexpected(*why);
  const State& state = *impl_->core.state;
  const SnapshotPtr snapshot = state.snapshot();
  return read_range(snapshot->view(), state.read_context(), request);
}

Task<Result<RangeResult>> EmbeddedStore::range(RangeRequest request) {
  co_return *range_now(request);
}

Task<Result<TxnResult>> EmbeddedStore::txn(TxnRequest request) {
  auto& core = impl_->core;
  CO_TRY(validate(request, core.options.max_txn_ops));
  if (is_read_only(request)) {
    if (auto why = core.refusal()) co_return std::unexpected(*why);
    const SnapshotPtr snapshot = core.state->snapshot();
    co_return State::read_only_txn(snapshot->view(), core.state->read_context(), request);
  }
  std::string command = encode_txn(request);
  if (command.size() > core.options.max_request_bytes) co_return fail(request_too_large_error());
  Outcome out = co_await impl_->submit(std::move(command), nullptr);
  if (out.error) co_return std::unexpected(std::move(*out.error));
  co_return std::move(out.txn);
}

Task<Result<void>> EmbeddedStore::compact(Revision revision) {
  Outcome out = co_await impl_->submit(encode_compact(revision), nullptr);
  if (out.error) co_return std::unexpected(std::move(*out.error));
  co_return Result<void>();
}

Task<Result<std::unique_ptr<WatchStream>>> EmbeddedStore::watch(WatchRequest request) {
  auto& core = impl_->core;
  if (auto why = core.refusal()) co_return std::unexpected(*why);
  // etcd: no key at all means from the first one on; a range "\0".."\0" is everything.
  if (request.key.empty()) request.key.assign(1, '\0');
  EmbeddedWatch::Options options;
  options.buffer_events = core.options.watch_buffer_events;
  options.on_slow = [&core] { core.metrics.slow_watchers.Increment(); };
  auto stream =
      std::make_unique<EmbeddedWatch>(*core.state, core.hub, std::move(request), std::move(options));
  // stop() may have cancelled everybody just before this one came.
  if (auto why = core.refusal()) co_return std::unexpected(*why);
  co_return std::unique_ptr<WatchStream>(std::move(stream));
}

Task<Result<LeaseInfo>> EmbeddedStore::lease_grant(LeaseId id, std::int64_t ttl_s) {
  if (id == 0) id = impl_->fresh_lease_id();
  Outcome out = co_await impl_->submit(encode_lease_grant(id, ttl_s), nullptr);
  if (out.error) co_return std::unexpected(std::move(*out.error));
  co_return std::move(out.lease);
}

Task<Result<void>> EmbeddedStore::lease_revoke(LeaseId id) {
  Outcome out = co_await impl_->submit(encode_lease_revoke(id), nullptr);
  if (out.error) co_return std::unexpected(std::move(*out.error));
  co_return Result<void>();
}

Task<Result<LeaseInfo>> EmbeddedStore::lease_keep_alive(LeaseId id) {
  auto& core = impl_->core;
  Outcome out = co_await impl_->submit({}, [&core, id](Outcome& o) {
    const MonoTime now = core.options.clock->now();
    if (!core.state->leases().keep_alive(id, now)) {
      o.error = lease_not_found_error();
    } else {
      o.lease = core.state->leases().info(id, false, now);
    }
  });
  if (out.error) co_return std::unexpected(std::move(*out.error));
  co_return std::move(out.lease);
}

Task<Result<LeaseInfo>> EmbeddedStore::lease_time_to_live(LeaseId id, bool keys) {
  auto& core = impl_->core;
  Outcome out = co_await impl_->submit({}, [&core, id, keys](Outcome& o) {
    o.lease = core.state->leases().info(id, keys, core.options.clock->now());
  });
  if (out.error) co_return std::unexpected(std::move(*out.error));
  co_return std::move(out.lease);
}

Task<Result<std::vector<LeaseId>>> EmbeddedStore::leases() {
  auto& core = impl_->core;
  Outcome out = co_await impl_->submit({}, [&core](Outcome& o) { o.leases = core.state->leases().ids(); });
  if (out.error) co_return std::unexpected(std::move(*out.error));
  co_return std::move(out.leases);
}

Revision EmbeddedStore::current_revision() const {
  return impl_->core.state->revision();
}
Revision EmbeddedStore::compact_revision() const {
  return impl_->core.state->compacted().load();
}
std::uint64_t EmbeddedStore::state_hash() const {
  return impl_->core.state->snapshot()->state_hash();
}

}  // namespace keelson::kvstore
