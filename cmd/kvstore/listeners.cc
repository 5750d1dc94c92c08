#include "cmd/kvstore/listeners.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/async.h"
#include "cmd/kvstore/tls.h"

namespace keelson::cmd {
namespace {

// Whether http and https are both wanted on one address, as etcd allows.
bool has_other_scheme(const std::vector<Url>& urls, const Url& url) {
  return std::ranges::any_of(urls, [&](const Url& u) {
    return u.tls() != url.tls() && u.is_unix() == url.is_unix() && u.host == url.host && u.port == url.port;
  });
}

}  // namespace

Listeners::Listeners(const KvstoreConfig& config, std::string name, TlsFiles tls,
                     std::vector<Executor> executors, Clock& clock, Logger logger, Admission admit)
    : config_(config),
      name_(std::move(name)),
      tls_(std::move(tls)),
      executors_(std::move(executors)),
      clock_(clock),
      logger_(std::move(logger)),
      admit_(std::move(admit)),
      stamp_(file_stamp(tls_)) {}

Result<void> Listeners::listen(const std::vector<Url>& urls, net::Handler& handler) {
  for (const Url& url : urls) {
    net::ServerOptions o;
    o.name = name_;
    o.admit = admit_;
    o.address = url.is_unix() ? "unix:" + url.host : url.host == "localhost" ? "127.0.0.1" : url.host;
    if (!url.is_unix()) std::from_chars(url.port.data(), url.port.data() + url.port.size(), o.port);
    o.plain_too = has_other_scheme(urls, url);
    if (o.plain_too && !url.tls()) continue;  // its https twin serves both
    if (url.tls()) o.tls = TRY(server_tls(config_, tls_));
    o.max_concurrent_streams = static_cast<std::uint32_t>(
        std::min<std::int64_t>(config_.max_concurrent_streams, std::numeric_limits<std::int32_t>::max()));
    o.ping_interval_min = std::chrono::duration_cast<Duration>(config_.grpc_keepalive_min_time);
    o.ping_after = std::chrono::duration_cast<Duration>(config_.grpc_keepalive_interval);
    o.ping_timeout = std::chrono::duration_cast<Duration>(config_.grpc_keepalive_timeout);
    auto server = net::Server::listen(std::move(o), executors_, handler, clock_, logger_);
    if (!server) return fail(server.error().code, "listen on " + url.text() + ": " + server.error().message);
    open_.push_back({std::move(*server), url.tls()});
  }
  return {};
}

bool Listeners::reload() {
  std::string stamp = file_stamp(tls_);
  if (stamp == stamp_) return false;
  stamp_ = std::move(stamp);
  const bool any = std::ranges::any_of(open_, &Open::tls);
  if (!any) return false;
  auto fresh = server_tls(config_, tls_);
  for (auto& o : open_) {
    if (!o.tls) continue;
    Result<void> taken = fresh ? o.server->set_tls(*fresh) : Result<void>(std::unexpected(fresh.error()));
    if (taken) continue;
    logger_.error("changed certificates cannot be used; the old ones stay",
                  {{"cert-file", tls_.cert_file}, {"error", taken.error()}});
    return false;
  }
  logger_.info("certificates read again", {{"cert-file", tls_.cert_file}});
  return true;
}

Task<> Listeners::stop(Duration grace) {
  TaskGroup all;
  for (auto& o : open_) all.spawn(executors_[0], o.server->stop(grace));
  co_await all.join();
}

}  // namespace keelson::cmd
