#include "cmd/kvstore/discovery.h"

#include <signal.h>

#include <algorithm>
#include <charconv>

#include "base/async.h"
#include "base/rng.h"
#include "cmd/files.h"
#include "cmd/kvstore/comma_list.h"
#include "kvstore/client/remote_store.h"
#include "kvstore/server/member_id.h"

namespace keelson::cmd {
namespace {

constexpr Duration kPollInterval = std::chrono::milliseconds(500);
constexpr Duration kRetryMax = std::chrono::seconds(30);

bool asked_to_end() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
}

bool passes(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kDeadlineExceeded || error.code == Code::kCancelled;
}

// What has registered, first come first.
struct Registered {
  std::vector<kvstore::KeyValue> members;
  std::size_t place(const std::string& key) const {
    const auto same = [&](const kvstore::KeyValue& kv) { return kv.key.view() == key; };
    return static_cast<std::size_t>(std::ranges::find_if(members, same) - members.begin());
  }
};

class Discovery {
 public:
  Discovery(kvstore::Store& store, Clock& clock, const Logger& logger, const std::string& token, std::uint64_t self)
      : store_(store),
        clock_(clock),
        logger_(logger),
        prefix_("/_etcd/registry/" + token),
        self_key_(prefix_ + "/members/" + kvstore::id_text(self)) {}

  Task<Result<std::string>> join(std::string own) {
    const std::size_t size = CO_TRY(co_await cluster_size());
    Registered all = CO_TRY(co_await registered());
    if (all.place(self_key_) == all.members.size() && all.members.size() >= size) co_return full();
    CO_TRY(co_await put_self(std::move(own)));
    std::size_t told = 0;
    for (;;) {
      all = CO_TRY(co_await registered());
      if (all.place(self_key_) >= size) co_return full();
      if (all.members.size() >= size) break;
      if (std::exchange(told, all.members.size()) != all.members.size()) {
        logger_.info("waiting for peers from discovery service",
                     {{"cluster-size", size}, {"found-peers", all.members.size()}});
      }
      co_await clock_.sleep_for(kPollInterval);
    }
    std::string out;
    for (std::size_t i = 0; i < size; ++i) out += (i == 0 ? "" : ",") + std::string(all.members[i].value.view());
    logger_.info("found all needed peers from discovery service", {{"cluster", out}});
    co_return out;
  }

 private:
  static std::unexpected<Error> full() {
    return fail(Code::kFailedPrecondition,
                "discovery: cluster is full: do not reuse a discovery token, make a new one for every cluster");
  }

  // As often as the service does not answer.
  template <class Ask>
  auto asked(Ask ask) -> decltype(ask()) {
    Duration wait = std::chrono::seconds(1);
    for (;;) {
      auto answer = co_await ask();
      if (asked_to_end()) co_return fail(Code::kCancelled, "discovery: ended by a signal");
      if (answer || !passes(answer.error())) co_return answer;
      logger_.warn("the discovery service does not answer; will try again",
                   {{"error", answer.error()}, {"key-prefix", prefix_}});
      co_await clock_.sleep_for(wait);
      wait = std::min(2 * wait, kRetryMax);
    }
  }

  Task<Result<kvstore::RangeResult>> range(kvstore::RangeRequest request) {
    return asked([this, request] { return store_.range(request); });
  }

  Task<Result<std::size_t>> cluster_size() {
    kvstore::RangeRequest request;
    request.key = prefix_ + "/_config/size";
    const auto got = CO_TRY(co_await range(request));
    if (got.kvs.empty()) {
      co_return fail(Code::kNotFound, "discovery: size key not found: put the number of members at " + request.key);
    }
    const std::string_view text = got.kvs.front().value.view();
    std::size_t size = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (ec != std::errc() || end != text.data() + text.size() || size == 0) {
      co_return fail(Code::kInvalidArgument, "discovery: size key is bad: " + request.key + " is not a number above 0");
    }
    co_return size;
  }

  Task<Result<Registered>> registered() {
    kvstore::RangeRequest request;
    request.key = prefix_ + "/members/";
    request.end = prefix_ + "/members0";  // '0' follows '/'
    auto got = CO_TRY(co_await range(request));
    Registered out;
    for (auto& kv : got.kvs) {
      if (kv.value.view().find('=') == std::string_view::npos) {
        logger_.warn("a peer of the discovery service is no NAME=URL", {{"key", kv.key.view()}});
      } else {
        out.members.push_back(std::move(kv));
      }
    }
    std::ranges::sort(out.members, {}, &kvstore::KeyValue::create_revision);
    co_return out;
  }

  Task<Result<void>> put_self(std::string own) {
    kvstore::TxnRequest txn;
    kvstore::TxnOp& op = txn.success.emplace_back();
    op.kind = kvstore::TxnOp::Kind::kPut;
    op.put.key = self_key_;
    op.put.value = Bytes(std::move(own));
    // Writing it again changes nothing.
    CO_TRY(co_await asked([this, txn] { return store_.txn(txn); }));
    co_return Result<void>();
  }

  kvstore::Store& store_;
  Clock& clock_;
  const Logger& logger_;
  const std::string prefix_, self_key_;
};

Result<kvstore::RemoteStoreOptions> store_options(const DiscoveryConfig& config) {
  kvstore::RemoteStoreOptions o;
  const bool plain = config.insecure_transport && config.cert_file.empty() && config.ca_file.empty();
  for (std::string url : split_list(config.endpoints)) {
    if (!url.contains("://")) url = (plain ? "http://" : "https://") + url;
    o.endpoints.push_back(std::move(url));
  }
  o.ca_pem = TRY(read_flag_file("discovery-cacert", config.ca_file));
  o.certificate_pem = TRY(read_flag_file("discovery-cert", config.cert_file));
  o.private_key_pem = TRY(read_flag_file("discovery-key", config.key_file));
  o.user = config.user;
  o.password = config.password;
  o.insecure_skip_verify = config.insecure_skip_verify;
  o.connect_timeout = std::chrono::duration_cast<Duration>(config.dial_timeout);
  o.request_timeout = std::chrono::duration_cast<Duration>(config.request_timeout);
  return o;
}

Task<> run(kvstore::RemoteStore& store, Discovery& discovery, std::string own, Result<std::string>& out) {
  out = co_await discovery.join(std::move(own));
  co_await store.stop();
}

}  // namespace

Result<std::string> discover_cluster(const DiscoveryConfig& config, std::uint64_t self, std::string own,
                                     net::IoPool& pool, Clock& clock, const Logger& logger) {
  const Executor home = pool.next();
  const auto store = TRY(kvstore::RemoteStore::make(TRY(store_options(config)), home, clock, Rng(os_entropy()), logger));
  Discovery discovery(*store, clock, logger, config.token, self);
  Result<std::string> out = fail(Code::kUnavailable, "nobody was asked");
  block_on(home, run(*store, discovery, std::move(own), out));
  return out;
}

}  // namespace keelson::cmd
