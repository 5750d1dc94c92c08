#include "apiserver/api_server.h"

#include <fmt/format.h>

#include "admission/plugin.h"
#include "api/kinds.h"
#include "apiserver/bootstrap.h"
#include "apiserver/http_front.h"
#include "apiserver/openapi_pages.h"
#include "auth/authorizer.h"
#include "auth/service_account_tokens.h"

namespace keelson::apiserver {
namespace {

constexpr std::string_view kVersion =
    R"({"major":"1","minor":"36","emulationMajor":"1","emulationMinor":"36","minCompatibilityMajor":"1","minCompatibilityMinor":"35",)"
    R"("gitVersion":"v1.36.0","gitCommit":"keelson","gitTreeState":"clean","buildDate":"2026-11-21T00:00:00Z",)"
    R"("goVersion":"none","compiler":"clang","platform":"linux/amd64"})"
    "\n";

// The caches, for admission plugins and for tokens' bound objects.
class CacheView final : public admission::Lister, public auth::BoundObjects {
 public:
  explicit CacheView(const ResourceMap& resources, Storage& storage) : resources_(resources), storage_(storage) {}

  api::ObjectPtr cached(const api::KindInfo& kind, std::string_view ns, std::string_view name) override {
    auto* r = resources_.find(kind);
    if (!r || !r->cache) return nullptr;
    auto version = r->cache->get(r->cache_key(ns, name));
    return version ? version->object() : nullptr;
  }
  std::vector<api::ObjectPtr> cached_list(const api::KindInfo& kind, std::string_view ns) override {
    std::vector<api::ObjectPtr> out;
    auto* r = resources_.find(kind);
    if (!r || !r->cache) return out;
    for (auto& v : r->cache->list(ns.empty() ? "" : std::string(ns) + "/").items) out.push_back(v->object());
    return out;
  }
  Task<Result<api::ObjectPtr>> live(const api::KindInfo& kind, std::string ns, std::string name) override {
    auto* r = resources_.find(kind);
    if (!r || !r->cache) co_return api::ObjectPtr{};
    auto version = CO_TRY(co_await storage_.get(*r, std::move(ns), std::move(name)));
    co_return version ? version->object() : api::ObjectPtr{};
  }

  std::optional<std::string> service_account_uid(std::string_view ns, std::string_view name) override {
    return uid_of("serviceaccounts", ns, name);
  }
  std::optional<std::string> pod_uid(std::string_view ns, std::string_view name) override { return uid_of("pods", ns, name); }
  std::optional<std::string> secret_uid(std::string_view ns, std::string_view name) override {
    return uid_of("secrets", ns, name);
  }

 private:
  std::optional<std::string> uid_of(std::string_view plural, std::string_view ns, std::string_view name) {
    auto* r = resources_.find("", "v1", plural);
    auto version = r->cache->get(r->cache_key(ns, name));
    if (!version) return std::nullopt;
    return std::string(version->object()->uid());
  }
  const ResourceMap& resources_;
  Storage& storage_;
};

}  // namespace

struct ApiServer::Impl {
  Impl(Options o, Parts p) : options(std::move(o)), parts(std::move(p)), rng(parts.seed) {}

  Options options;
  Parts parts;
  Rng rng;
  WriteIntents intents;
  Metrics metrics;
  Health health;
  std::unique_ptr<WatchCache> cache;
  std::unique_ptr<ResourceMap> resources;
  std::unique_ptr<Storage> storage;
  std::unique_ptr<CacheView> view;
  std::unique_ptr<ServiceAllocator> services;
  std::unique_ptr<admission::Chain> chain;
  std::unique_ptr<Registry> registry;
  std::unique_ptr<auth::Authorizer> authorizer;
  std::unique_ptr<auth::Authenticator> authenticator;
  std::shared_ptr<auth::ServiceAccountTokens> account_tokens;
  std::unique_ptr<auth::TokenIssuer> issuer;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<KubeletProxy> kubelets;
  std::unique_ptr<Discovery> discovery;
  std::unique_ptr<OpenApi> openapi;
  std::unique_ptr<HttpFront> front;
  std::unique_ptr<net::Server> server;
  TaskGroup tasks;
  std::atomic<bool> furnished{false}, stopping{false};

  Result<void> build();
  Result<void> build_sign_in();
  void add_checks();
  std::optional<StaticReply> document(const net::Request& request);
  Task<> compact();
};

Result<void> ApiServer::Impl::build_sign_in() {
  std::vector<std::shared_ptr<auth::TokenAuthenticator>> tokens = options.more_tokens;
  if (!options.token_auth_file.empty()) {
    auto file = TRY(auth::TokenFile::parse(options.token_auth_file, "--token-auth-file"));
    tokens.push_back(std::move(file));
  }
  if (options.api_audiences.empty() && !options.service_account_issuers.empty())
    options.api_audiences = {options.service_account_issuers.front()};
  if (!options.service_account_signing_key_pem.empty()) {
    auto key = TRY(auth::Key::parse(options.service_account_signing_key_pem));
    issuer = std::make_unique<auth::TokenIssuer>(options.service_account_issuers.front(), key);
    auth::ServiceAccountTokens::Options o;
    o.issuers = options.service_account_issuers;
    o.audiences = options.api_audiences;
    o.keys = options.service_account_key_pem.empty() ? std::vector<auth::Key>{key}
                                                     : TRY(auth::parse_keys(options.service_account_key_pem));
    account_tokens = std::make_shared<auth::ServiceAccountTokens>(std::move(o), view.get(), *parts.clock);
    tokens.push_back(account_tokens);
  }
  authenticator = std::make_unique<auth::Authenticator>(std::move(tokens), options.anonymous_auth);
  if (options.authorization_mode == "AlwaysAllow") authorizer = std::make_unique<auth::AlwaysAllow>();
  else authorizer = std::make_unique<auth::FixedRules>();
  return {};
}

Result<void> ApiServer::Impl::build() {
  Clock& clock = *parts.clock;
  cache = std::make_unique<WatchCache>(*parts.store, clock, parts.logger.named("watch-cache"), intents, WatchCache::Options{});
  resources = std::make_unique<ResourceMap>(*cache);
  storage = std::make_unique<Storage>(*parts.store, *cache, intents, clock, options.store_is_local);
  view = std::make_unique<CacheView>(*resources, *storage);
  ServiceAllocator::Options ranges;
  ranges.cidr = options.service_cluster_ip_range;
  ranges.first_port = options.node_port_first;
  ranges.last_port = options.node_port_last;
  services = TRY(ServiceAllocator::make(ranges, *storage, *resources, clock, parts.logger.named("services"), rng.fork(), parts.workers));
  std::vector<std::string> warnings;
  chain = TRY(admission::make_chain(options.enable_admission_plugins, options.disable_admission_plugins, *view, rng.fork(), warnings));
  for (auto& w : warnings) parts.logger.warn(w);
  registry = std::make_unique<Registry>(
      Registry::Parts{storage.get(), resources.get(), &clock, services.get(), [this] { return chain.get(); }}, rng.fork());
  if (auto ok = build_sign_in(); !ok) return ok;
  Pipeline::Parts p;
  p.registry = registry.get();
  p.authorizer = authorizer.get();
  p.check_token = [this](std::string_view token) { return authenticator->authenticate_token(token); };
  p.issuer = issuer.get();
  p.api_audiences = options.api_audiences;
  p.component_statuses = parts.component_statuses;
  p.clock = &clock;
  p.logger = parts.logger;
  pipeline = std::make_unique<Pipeline>(std::move(p));
  kubelets = std::make_unique<KubeletProxy>(
      KubeletProxy::Options{options.kubelet_ca_pem, options.kubelet_client_certificate_pem, options.kubelet_client_key_pem},
      *registry, clock, parts.logger.named("kubelet-proxy"));
  if (options.advertise_address.empty()) options.advertise_address = options.bind_address;
  discovery = std::make_unique<Discovery>(api::all_kinds(),
                                          fmt::format("{}:{}", options.advertise_address, options.secure_port));
  openapi = std::make_unique<OpenApi>(api::all_kinds(), "v1.36.0");
  add_checks();
  HttpFront::Parts f;
  f.pipeline = pipeline.get();
  f.authenticator = authenticator.get();
  f.discovery = discovery.get();
  f.metrics = &metrics;
  f.health = &health;
  f.kubelets = kubelets.get();
  f.clock = &clock;
  f.logger = parts.logger;
  f.workers = parts.workers;
  f.documents = [this](const net::Request& request) { return document(request); };
  f.before_scrape = [this] {
    for (auto& r : resources->all()) {
      if (!r->cache || r->from_stored) continue;
      metrics.set_objects(r->qualified, r->cache->size());
      metrics.set_cache_revision(r->kind->group, r->kind->resource, cache->applied());
    }
  };
  f.more_metrics = parts.more_metrics;
  f.version_json = std::string(kVersion);
  f.log_reads = options.log_reads;
  f.request_timeout = options.request_timeout;
  f.seed = rng.next();
  front = std::make_unique<HttpFront>(std::move(f));
  return {};
}

void ApiServer::Impl::add_checks() {
  auto well = [] { return std::string(); };
  auto store = [this] { return parts.store_health ? parts.store_health() : std::string(); };
  health.add("ping", Health::kAll, well);
  health.add("log", Health::kAll, well);
  health.add("etcd", Health::kAll, store);
  health.add("etcd-readiness", Health::kReadyz, store);
  health.add("informer-sync", Health::kReadyz, [this] { return cache->ready() ? std::string() : "the watch cache is loading"; });
  health.add("poststarthook/bootstrap-controller", Health::kAll,
             [this] { return furnished ? std::string() : "the system namespaces are not there yet"; });
  health.add("shutdown", Health::kReadyz, [this] { return stopping ? "process is shutting down" : std::string(); });
}

std::optional<StaticReply> ApiServer::Impl::document(const net::Request& request) {
  auto json = [](std::string body) {
    StaticReply out;
    out.headers.add("content-type", "application/json");
    out.body = Bytes(std::move(body));
    return out;
  };
  if (request.path() == "/openid/v1/jwks" && account_tokens) {
    auto out = json(account_tokens->jwks());
    out.headers.set("content-type", "application/jwk-set+json");
    return out;
  }
  if (request.path() == "/.well-known/openid-configuration" && account_tokens)
    return json(fmt::format(R"({{"issuer":"{0}","jwks_uri":"https://{1}:{2}/openid/v1/jwks","response_types_supported":["id_token"],)"
                            R"("subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}})",
                            options.service_account_issuers.front(), options.advertise_address, options.secure_port));
  return openapi_page(*openapi, request);
}

Task<> ApiServer::Impl::compact() {
  kvstore::Revision last = 0;
  for (;;) {
    co_await parts.clock->sleep_for(options.compaction_interval);
    // What was the newest an interval ago goes, so that watches and lists of that age still work.
    const kvstore::Revision newest = parts.store->current_revision();
    if (last > 0) {
      auto done = co_await parts.store->compact(last);
      if (!done && done.error().code != Code::kOutOfRange) parts.logger.warn("compaction failed", {{"error", done.error()}});
    }
    last = newest;
  }
}

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::make(Options options, Parts parts) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(parts));
  if (auto ok = impl->build(); !ok) return std::unexpected(ok.error());
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

Task<Result<void>> ApiServer::start() {
  Impl& s = *impl_;
  if (auto ok = co_await s.cache->start(s.parts.workers); !ok) co_return ok;
  if (auto ok = co_await s.services->repair(); !ok) co_return ok;
  net::ServerOptions listen;
  listen.address = s.options.bind_address;
  listen.port = s.options.secure_port;
  listen.tls = s.options.tls;
  s.server = CO_TRY(net::Server::listen(std::move(listen), s.parts.io, *s.front, *s.parts.clock, s.parts.logger.named("http")));
  s.options.secure_port = s.server->port();
  Furniture furniture{s.options.advertise_address, s.options.secure_port};
  if (auto ok = co_await make_furniture(*s.registry, *s.services, furniture, *s.parts.clock); !ok) co_return ok;
  s.furnished = true;
  if (s.options.compaction_interval > Duration::zero()) s.tasks.spawn(s.parts.workers, s.compact());
  s.parts.logger.info("API server listens", {{"address", s.options.bind_address}, {"port", s.options.secure_port}});
  co_return Result<void>{};
}

Task<> ApiServer::stop() {
  Impl& s = *impl_;
  s.stopping = true;
  if (s.server) co_await s.server->stop(std::chrono::seconds(3));
  co_await s.tasks.stop();
  co_await s.services->stop();
  co_await s.cache->stop();
}

std::uint16_t ApiServer::port() const { return impl_->options.secure_port; }
Endpoint& ApiServer::endpoint() { return *impl_->pipeline; }
auth::Authenticator& ApiServer::authenticator() { return *impl_->authenticator; }
std::string ApiServer::kubernetes_service_ip() const { return impl_->services->kubernetes_ip(); }
bool ApiServer::ready() const { return impl_->health.ready(); }

}  // namespace keelson::apiserver
