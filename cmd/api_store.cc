#include "cmd/api_store.h"

#include <optional>

#include "base/async.h"
#include "base/rng.h"
#include "cmd/files.h"
#include "kvstore/client/prefixed_store.h"
#include "kvstore/client/remote_store.h"
#include "kvstore/server/replicated_store.h"

namespace keelson::cmd {
namespace {

constexpr std::string_view kShownPrefix = "/registry";
constexpr Duration kPatience = std::chrono::seconds(60);

// As kube-apiserver reads it: a slash before, none behind.
std::string clean_prefix(std::string_view prefix) {
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix.empty() ? std::string() : "/" + std::string(prefix);
}

// `store` itself, or its keys under another prefix.
class Shown {
 public:
  Shown(kvstore::Store& store, const std::string& prefix) : store_(store) {
    if (prefix != kShownPrefix) prefixed_.emplace(store, std::string(kShownPrefix), prefix);
  }
  kvstore::Store& get() { return prefixed_ ? static_cast<kvstore::Store&>(*prefixed_) : store_; }

 private:
  kvstore::Store& store_;
  std::optional<kvstore::PrefixedStore> prefixed_;
};

class LocalStore final : public ApiStore {
 public:
  LocalStore(std::unique_ptr<kvstore::ReplicatedStore> store, const std::string& prefix)
      : store_(std::move(store)), shown_(*store_, prefix) {}
  Task<Result<void>> start() override {
    store_->start();
    co_return Result<void>();
  }
  Task<> stop() override {
    store_->stop();
    co_return;
  }
  kvstore::Store& store() override { return shown_.get(); }
  bool local() const override { return true; }
  std::string health() const override {
    const auto failed = store_->failed();
    return failed ? failed->to_string() : std::string();
  }

 private:
  std::unique_ptr<kvstore::ReplicatedStore> store_;
  Shown shown_;
};

class EtcdStore final : public ApiStore {
 public:
  EtcdStore(std::unique_ptr<kvstore::RemoteStore> store, const std::string& prefix, std::string servers)
      : store_(std::move(store)), shown_(*store_, prefix), servers_(std::move(servers)) {}
  Task<Result<void>> start() override {
    auto started = co_await store_->start(kPatience);
    if (!started) {
      Error error = std::move(started).error();
      error.message = "--etcd-servers=" + servers_ + ": the store does not answer: " + error.message;
      co_return fail(std::move(error));
    }
    co_return Result<void>();
  }
  Task<> stop() override { return store_->stop(); }
  kvstore::Store& store() override { return shown_.get(); }
  bool local() const override { return false; }
  std::string health() const override { return store_->health(); }

 private:
  std::unique_ptr<kvstore::RemoteStore> store_;
  Shown shown_;
  const std::string servers_;
};

Result<std::unique_ptr<ApiStore>> open_remote(const ApiStoreFlags& flags, ApiStoreParts parts) {
  kvstore::RemoteStoreOptions o;
  std::string servers;
  for (std::string url : flags.servers) {
    while (url.ends_with('/')) url.pop_back();
    servers += (servers.empty() ? "" : ",") + url;
    o.endpoints.push_back(std::move(url));
  }
  o.ca_pem = TRY(read_flag_file("etcd-cafile", flags.ca_file));
  o.certificate_pem = TRY(read_flag_file("etcd-certfile", flags.cert_file));
  o.private_key_pem = TRY(read_flag_file("etcd-keyfile", flags.key_file));
  const std::string prefix = clean_prefix(flags.prefix);
  o.health_key = prefix + "/health";
  auto store =
      kvstore::RemoteStore::make(std::move(o), parts.home, *parts.clock, Rng(os_entropy()), parts.logger);
  if (!store) return fail(Code::kInvalidArgument, "--etcd-servers=" + servers + ": " + store.error().message);
  return std::make_unique<EtcdStore>(std::move(*store), prefix, std::move(servers));
}

}  // namespace

void ApiStoreFlags::add_to(FlagSet& set) {
  set.add("etcd-servers", &servers,
          "endpoints of the store: https://host:port,…; default: a store in this process");
  set.add("etcd-cafile", &ca_file, "CA of the store's serving certificates; default: the system's");
  set.add("etcd-certfile", &cert_file, "client certificate towards the store");
  set.add("etcd-keyfile", &key_file, "its key");
  set.add("etcd-prefix", &prefix, "what all keys in the store begin with");
}

Result<void> ApiStoreFlags::check() const {
  if (cert_file.empty() != key_file.empty())
    return fail(Code::kInvalidArgument, "--etcd-certfile and --etcd-keyfile go together");
  if (servers.empty() && !(ca_file.empty() && cert_file.empty()))
    return fail(Code::kInvalidArgument,
                "--etcd-cafile, --etcd-certfile and --etcd-keyfile need --etcd-servers");
  return {};
}

Result<std::unique_ptr<ApiStore>> ApiStore::open(ApiStoreFlags flags, ApiStoreParts parts) {
  TRY(flags.check());
  if (!flags.servers.empty()) return open_remote(flags, std::move(parts));
  kvstore::ReplicatedStoreOptions o;
  o.data_dir = std::move(parts.data_dir);
  o.clock = parts.clock;
  o.logger = parts.logger;
  o.metrics = parts.metrics;
  o.on_failure = std::move(parts.on_failure);
  auto store = TRY(kvstore::ReplicatedStore::open(std::move(o)));
  return std::make_unique<LocalStore>(std::move(store), clean_prefix(flags.prefix));
}

}  // namespace keelson::cmd
