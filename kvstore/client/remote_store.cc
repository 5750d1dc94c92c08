#include "kvstore/client/remote_store.h"

#include <atomic>
#include <mutex>

#include "kvstore/client/endpoints.h"
#include "kvstore/client/watch_mux.h"
#include "kvstore/rpc/codec.h"

namespace keelson::kvstore {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kReplyMax = std::size_t{1} << 30;
constexpr Duration kBackoffMin = 20ms;
constexpr Duration kBackoffMax = 500ms;
constexpr Duration kHealthTimeout = 2s;

enum class Effect { kRead, kWrite };

Result<void> check_endpoint(const std::string& url) {
  const bool https = url.starts_with("https://");
  const std::string_view rest = https                        ? std::string_view(url).substr(8)
                                : url.starts_with("http://") ? std::string_view(url).substr(7)
                                                             : std::string_view();
  if (rest.empty() || rest.find('/') != std::string_view::npos)
    return fail(Code::kInvalidArgument, "'" + url + "' is no store endpoint such as https://127.0.0.1:2379");
  return {};
}

Error lease_gone() {
  return {Code::kNotFound, "etcdserver: requested lease not found"};
}

}  // namespace

class RemoteStore::Impl {
 public:
  Impl(RemoteStoreOptions o, std::size_t first, Executor home_in, Clock& clock_in, Logger logger_in)
      : options(std::move(o)),
        home(std::move(home_in)),
        clock(clock_in),
        logger(std::move(logger_in)),
        endpoints(options, first, home, clock, logger),
        mux(std::make_shared<WatchMux>(endpoints, options, home, clock, logger, revision)) {}

  Task<Result<Bytes>> call(std::string method, std::string request, Effect effect, Duration timeout);
  Task<Result<Bytes>> call(std::string method, std::string request, Effect effect) {
    return call(std::move(method), std::move(request), effect, options.request_timeout);
  }
  // At one member. REQUIRES: `options` has a timeout; it gets the metadata.
  Task<Result<std::string>> call_once(std::size_t member, std::string method, Bytes body,
                                      net::GrpcCallOptions& options);
  Task<Result<void>> probe(Duration timeout);
  Task<> watch_health();
  void saw(const Header& header) { raise_revision(revision, header.revision); }
  void set_health(std::string text) {
    std::lock_guard lock(mu);
    health = std::move(text);
  }

  const RemoteStoreOptions options;
  const Executor home;
  Clock& clock;
  const Logger logger;
  std::atomic<Revision> revision{0};
  Endpoints endpoints;
  std::shared_ptr<WatchMux> mux;
  mutable std::mutex mu;
  std::string health = "the store has not been asked yet";  // under mu
  TaskGroup tasks;
};

// Tries a call at member after member as long as that is safe and there is time.
class Attempts {
 public:
  Attempts(Endpoints& endpoints, Clock& clock, Effect effect, MonoTime deadline)
      : endpoints_(endpoints), clock_(clock), effect_(effect), deadline_(deadline) {}
  std::size_t begin() { return member_ = endpoints_.pick(); }
  // After begin()'s call failed: true when it is to be tried again.
  Task<bool> again(Error error) {
    if (!elsewhere(error)) co_return false;
    endpoints_.failed(member_, error);
    if (effect_ == Effect::kWrite && !never_sent(error)) co_return false;
    if (++tried_ % endpoints_.size() == 0) {
      const MonoTime next = clock_.now() + backoff_;
      if (next >= deadline_) co_return false;
      backoff_ = std::min(2 * backoff_, kBackoffMax);
      co_await clock_.sleep_until(next);
    }
    co_return clock_.now() < deadline_;
  }

 private:
  Endpoints& endpoints_;
  Clock& clock_;
  const Effect effect_;
  const MonoTime deadline_;
  std::size_t member_ = 0;
  std::size_t tried_ = 0;
  Duration backoff_ = kBackoffMin;
};

Task<Result<std::string>> RemoteStore::Impl::call_once(std::size_t member, std::string method, Bytes body,
                                                       net::GrpcCallOptions& options) {
  options.metadata = CO_TRY(co_await endpoints.credentials().metadata(endpoints.grpc(member), *options.timeout));
  co_return co_await endpoints.grpc(member).unary(std::move(method), std::move(body), options);
}

Task<Result<Bytes>> RemoteStore::Impl::call(std::string method, std::string request, Effect effect,
                                            Duration timeout) {
  const Bytes body(std::move(request));
  const MonoTime deadline = clock.now() + timeout;
  Attempts attempts(endpoints, clock, effect, deadline);
  bool renewed = false;
  for (;;) {
    const std::size_t member = attempts.begin();
    net::GrpcCallOptions o;
    o.max_message_bytes = kReplyMax;
    o.timeout = std::max<Duration>(deadline - clock.now(), 1ms);
    if (effect == Effect::kRead && endpoints.size() > 1)
      o.timeout = std::min(*o.timeout, options.read_attempt_timeout);
    auto reply = co_await call_once(member, method, body, o);
    if (reply) co_return Bytes(std::move(*reply));
    Error error = std::move(reply).error();
    if (!renewed && endpoints.credentials().renew(o.metadata, error)) {
      renewed = true;
      continue;
    }
    if (!co_await attempts.again(error)) {
      if (never_sent(error)) error.message = "store member " + endpoints.url(member) + ": " + error.message;
      co_return fail(std::move(error));
    }
  }
}

Task<Result<void>> RemoteStore::Impl::probe(Duration timeout) {
  RangeRequest request;
  request.key = options.health_key;
  request.keys_only = true;
  std::string body;
  rpc::encode(request, body);
  auto reply = CO_TRY(co_await call("/etcdserverpb.KV/Range", std::move(body), Effect::kRead, timeout));
  Header header;
  CO_TRY(rpc::decode_header(reply, header));
  saw(header);
  co_return Result<void>();
}

Task<> RemoteStore::Impl::watch_health() {
  bool well = true;
  for (;;) {
    co_await clock.sleep_for(well ? options.health_interval : options.health_interval / 4);
    const auto result = co_await probe(kHealthTimeout);
    if (well != result.has_value()) {
      well = result.has_value();
      if (well)
        logger.info("the store answers again");
      else
        logger.warn("the store does not answer", {{"error", result.error()}});
    }
    set_health(well ? std::string() : "error getting data from etcd: " + result.error().message);
  }
}

RemoteStore::RemoteStore(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
RemoteStore::~RemoteStore() = default;

Result<std::unique_ptr<RemoteStore>> RemoteStore::make(RemoteStoreOptions options, Executor home,
                                                       Clock& clock, Rng rng, Logger logger) {
  if (options.endpoints.empty()) return fail(Code::kInvalidArgument, "no store endpoint");
  for (auto& url : options.endpoints) TRY(check_endpoint(url));
  if (options.certificate_pem.empty() != options.private_key_pem.empty())
    return fail(Code::kInvalidArgument,
                "a client certificate for the store needs its key, and a key its certificate");
  const auto first = static_cast<std::size_t>(rng.below(options.endpoints.size()));
  return std::unique_ptr<RemoteStore>(new RemoteStore(
      std::make_shared<Impl>(std::move(options), first, std::move(home), clock, std::move(logger))));
}

Task<Result<void>> RemoteStore::start(Duration patience) {
  Impl& s = *impl_;
  const MonoTime end = s.clock.now() + patience;
  MonoTime told = s.clock.now();
  for (;;) {
    const auto result = co_await s.probe(std::min<Duration>(kHealthTimeout, patience));
    if (result) break;
    s.set_health("error getting data from etcd: " + result.error().message);
    if (!elsewhere(result.error()) || s.clock.now() >= end) co_return fail(result.error());
    if (s.clock.now() >= told) {
      s.logger.info("waiting for the store", {{"error", result.error()}});
      told = s.clock.now() + 5s;
    }
    co_await s.clock.sleep_for(100ms);
  }
  s.set_health("");
  s.tasks.spawn(s.home, s.watch_health());
  co_return Result<void>();
}

Task<> RemoteStore::stop() {
  co_await impl_->tasks.stop();
  co_await impl_->mux->stop();
}

std::string RemoteStore::health() const {
  std::lock_guard lock(impl_->mu);
  return impl_->health;
}

Task<Result<RangeResult>> RemoteStore::range(RangeRequest request) {
  std::string body;
  rpc::encode(request, body);
  auto reply = CO_TRY(co_await impl_->call("/etcdserverpb.KV/Range", std::move(body), Effect::kRead));
  Header header;
  RangeResult out;
  CO_TRY(rpc::decode(reply, header, out));
  impl_->saw(header);
  co_return out;
}

Task<Result<TxnResult>> RemoteStore::txn(TxnRequest request) {
  std::string body;
  rpc::encode(request, body);
  auto reply = CO_TRY(co_await impl_->call("/etcdserverpb.KV/Txn", std::move(body), Effect::kWrite));
  Header header;
  TxnResult out;
  CO_TRY(rpc::decode(reply, header, out));
  impl_->saw(header);
  co_return out;
}

Task<Result<void>> RemoteStore::compact(Revision revision) {
  std::string body;
  rpc::encode(rpc::CompactionRequest{revision, false}, body);
  CO_TRY(co_await impl_->call("/etcdserverpb.KV/Compact", std::move(body), Effect::kWrite));
  co_return Result<void>();
}

Task<Result<std::unique_ptr<WatchStream>>> RemoteStore::watch(WatchRequest request) {
  return WatchMux::watch(impl_->mux, std::move(request));
}

Task<Result<LeaseInfo>> RemoteStore::lease_grant(LeaseId id, std::int64_t ttl_s) {
  LeaseInfo wanted;
  wanted.id = id;
  wanted.granted_ttl_s = ttl_s;
  std::string body;
  rpc::encode_lease_grant(wanted, body);
  auto reply =
      CO_TRY(co_await impl_->call("/etcdserverpb.Lease/LeaseGrant", std::move(body), Effect::kWrite));
  Header header;
  LeaseInfo out;
  CO_TRY(rpc::decode_lease_granted(reply, header, out));
  co_return out;
}

Task<Result<void>> RemoteStore::lease_revoke(LeaseId id) {
  std::string body;
  rpc::encode_lease_id(id, body);
  CO_TRY(co_await impl_->call("/etcdserverpb.Lease/LeaseRevoke", std::move(body), Effect::kWrite));
  co_return Result<void>();
}

// A stream of one request: what a unary call looks like on the wire.
Task<Result<LeaseInfo>> RemoteStore::lease_keep_alive(LeaseId id) {
  std::string body;
  rpc::encode_lease_id(id, body);
  auto reply =
      CO_TRY(co_await impl_->call("/etcdserverpb.Lease/LeaseKeepAlive", std::move(body), Effect::kRead));
  Header header;
  LeaseInfo out;
  CO_TRY(rpc::decode_lease_kept(reply, header, out));
  if (out.remaining_ttl_s <= 0) co_return fail(lease_gone());
  out.granted_ttl_s = out.remaining_ttl_s;
  co_return out;
}

Task<Result<LeaseInfo>> RemoteStore::lease_time_to_live(LeaseId id, bool keys) {
  std::string body;
  rpc::encode_lease_time_to_live(id, keys, body);
  auto reply =
      CO_TRY(co_await impl_->call("/etcdserverpb.Lease/LeaseTimeToLive", std::move(body), Effect::kRead));
  Header header;
  LeaseInfo out;
  CO_TRY(rpc::decode_lease_lives(reply, header, out));
  co_return out;
}

Task<Result<std::vector<LeaseId>>> RemoteStore::leases() {
  auto reply = CO_TRY(co_await impl_->call("/etcdserverpb.Lease/LeaseLeases", std::string(), Effect::kRead));
  Header header;
  std::vector<LeaseId> out;
  CO_TRY(rpc::decode_leases(reply, header, out));
  co_return out;
}

Revision RemoteStore::current_revision() const {
  return impl_->revision.load(std::memory_order_acquire);
}

}  // namespace keelson::kvstore
