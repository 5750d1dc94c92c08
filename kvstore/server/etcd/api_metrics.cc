#include "kvstore/server/etcd/api_metrics.h"

#include <algorithm>

#include "kvstore/server/etcd/errors.h"
#include "kvstore/server/etcd/leader_monitor.h"
#include "kvstore/server/member_id.h"

namespace keelson::kvstore::etcd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr double kBounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
constexpr std::size_t kClientVersionsMax = 64;
constexpr int kSlowLinesPerSecond = 20;

MetricFamily family(const char* name, const char* help, MetricType type) {
  MetricFamily f;
  f.name = name;
  f.help = help;
  f.type = type;
  return f;
}
ClientMetric counter(std::uint64_t v, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric m;
  m.label = std::move(labels);
  m.counter.value = static_cast<double>(v);
  return m;
}
MetricFamily one(const char* name, const char* help, std::uint64_t v) {
  MetricFamily f = family(name, help, MetricType::Counter);
  f.metric.push_back(counter(v));
  return f;
}
// What a gauge of value 1 says by its label.
MetricFamily known(const char* name, const char* help, const char* label, std::string value) {
  MetricFamily f = family(name, help, MetricType::Gauge);
  ClientMetric& m = f.metric.emplace_back();
  m.label = {{label, std::move(value)}};
  m.gauge.value = 1;
  return f;
}
void bump(std::atomic<std::uint64_t>& c, std::uint64_t by = 1) {
  c.fetch_add(by, std::memory_order_relaxed);
}
std::uint64_t get(const std::atomic<std::uint64_t>& c) {
  return c.load(std::memory_order_relaxed);
}

bool valid_utf8(std::string_view s) {
  for (std::size_t i = 0; i < s.size();) {
    const auto b = static_cast<unsigned char>(s[i++]);
    const int more = b < 0x80 ? 0 : b >> 5 == 6 ? 1 : b >> 4 == 14 ? 2 : b >> 3 == 30 ? 3 : -1;
    if (more < 0) return false;
    for (int k = 0; k < more; ++k, ++i) {
      if (i >= s.size() || (static_cast<unsigned char>(s[i]) & 0xc0) != 0x80) return false;
    }
  }
  return true;
}

}  // namespace

ApiMetrics::ApiMetrics(ServiceContext& context, const net::GrpcRouter& router)
    : c_(context), timed_(context.options.extensive_metrics) {
  const auto& paths = router.methods();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    auto m = std::make_unique<Method>();
    const std::size_t slash = paths[i].rfind('/');
    m->service = paths[i].substr(1, slash - 1);
    m->name = paths[i].substr(slash + 1);
    if (router.streaming(i)) {
      const bool both = m->name == "Watch" || m->name == "LeaseKeepAlive";
      m->type = both && m->service.starts_with("etcdserverpb") ? "bidi_stream" : "server_stream";
    }
    // Range looks for itself whether it is serializable.
    m->learner_serves = m->name == "Range" || m->name == "Status" || m->name == "Snapshot";
    methods_.push_back(std::move(m));
  }
}
ApiMetrics::~ApiMetrics() = default;

// One client is one version, mostly: the last one is tried first.
void ApiMetrics::note_client(bool stream, std::string_view version) {
  auto& last = last_client_[stream ? 1 : 0];
  Client* c = last.load(std::memory_order_acquire);
  if (c == nullptr || c->version != version) {
    std::lock_guard lock(mu_);
    std::pair key(stream, std::string(version));
    if (!clients_.contains(key) && clients_.size() >= kClientVersionsMax) key.second = "other";
    auto& slot = clients_[key];
    if (!slot) slot = std::make_unique<Client>(key.second);
    c = slot.get();
    last.store(c, std::memory_order_release);
  }
  bump(c->requests);
}

Result<void> ApiMetrics::begin(std::size_t method, net::GrpcCall& call) {
  Method& m = *methods_[method];
  bump(m.started);
  if (!m.learner_serves && c_.member.is_learner()) return fail(not_supported_for_learner_error());
  std::string_view version = "unknown";
  bool leader = false;
  for (const auto& [name, value] : call.request().headers.fields()) {
    if (name == "client-api-version") version = value;
    if (name == "hasleader") leader = value == "true";
  }
  if (!valid_utf8(version)) return fail(client_version_error());
  note_client(m.type[0] != 'u', version);
  if (leader && c_.member.leader() == 0) return fail(no_leader_error());
  return {};
}

void ApiMetrics::received(std::size_t method, std::size_t bytes) {
  bump(methods_[method]->received);
  bump(received_bytes_, bytes);
}
void ApiMetrics::sent(std::size_t method, std::size_t count, std::size_t bytes) {
  bump(methods_[method]->sent, count);
  bump(sent_bytes_, bytes);
}
// As etcd's line. Under overload every request is slow: some lines a second are enough.
void ApiMetrics::warn_slow(const Method& m, const net::GrpcCall& call, Duration took) {
  const auto second =
      std::chrono::duration_cast<std::chrono::seconds>(c_.clock.now().time_since_epoch()).count();
  if (warned_second_.exchange(second, std::memory_order_relaxed) != second) warned_ = 0;
  if (++warned_ > kSlowLinesPerSecond) return;
  const auto& info = call.request().connection;
  c_.logger.warn(
      "request stats",
      {{"time spent", std::to_string(std::chrono::duration<double, std::milli>(took).count()) + "ms"},
       {"remote", info ? info->remote_address + ":" + std::to_string(info->remote_port) : ""},
       {"response type", "/" + m.service + "/" + m.name}});
}

void ApiMetrics::ended(std::size_t method, const net::GrpcCall& call, const Error* error, Duration took) {
  Method& m = *methods_[method];
  const Duration slow = c_.options.warning_unary_duration;
  if (slow > Duration::zero() && took > slow && m.type[0] == 'u') warn_slow(m, call, took);
  auto code = error == nullptr ? 0 : static_cast<std::size_t>(error->code);
  // Its client went away: no failure of ours, and no reason for the alert on failed requests.
  if (error != nullptr && error->code == Code::kUnavailable && call.is_closed()) {
    code = static_cast<std::size_t>(Code::kCancelled);
  }
  bump(m.handled[code < kCodes ? code : 2]);
  if (!timed_) return;
  const double s = std::chrono::duration<double>(took).count();
  std::size_t i = 0;
  while (i < kBuckets && s > kBounds[i]) ++i;
  bump(m.took[i]);
  bump(m.took_ns, static_cast<std::uint64_t>(took.count()));
}

void ApiMetrics::note_check(const std::string& type, const std::string& name, bool ok) {
  std::lock_guard lock(mu_);
  Check& c = checks_[{type, name}];
  c.ok = ok;
  ++(ok ? c.successes : c.errors);
}

MetricFamily ApiMetrics::watch_streams() const {
  auto f = family("etcd_debugging_mvcc_watch_stream_total", "Watch streams under way.", MetricType::Gauge);
  double open = 0;
  for (const auto& m : methods_) {
    if (m->name != "Watch" || m->service != "etcdserverpb.Watch") continue;
    open = static_cast<double>(get(m->started));
    for (const auto& n : m->handled) open -= static_cast<double>(get(n));
  }
  f.metric.emplace_back().gauge.value = std::max(open, 0.0);
  return f;
}

std::vector<MetricFamily> ApiMetrics::Collect() const {
  auto started =
      family("grpc_server_started_total", "Total number of RPCs started on the server.", MetricType::Counter);
  auto handled = family("grpc_server_handled_total",
                        "Total number of RPCs completed on the server, regardless of success or failure.",
                        MetricType::Counter);
  auto received = family("grpc_server_msg_received_total",
                         "Total number of RPC stream messages received on the server.", MetricType::Counter);
  auto sent = family("grpc_server_msg_sent_total", "Total number of gRPC stream messages sent by the server.",
                     MetricType::Counter);
  auto took = family("grpc_server_handling_seconds",
                     "Histogram of response latency (seconds) of gRPC that had been application-level "
                     "handled by the server.",
                     MetricType::Histogram);
  for (const auto& m : methods_) {
    const std::vector<ClientMetric::Label> labels{
        {"grpc_method", m->name}, {"grpc_service", m->service}, {"grpc_type", m->type}};
    started.metric.push_back(counter(get(m->started), labels));
    received.metric.push_back(counter(get(m->received), labels));
    sent.metric.push_back(counter(get(m->sent), labels));
    for (std::size_t code = 0; code < kCodes; ++code) {
      auto with_code = labels;
      with_code.insert(with_code.begin(), {"grpc_code", std::string(grpc_code_name(static_cast<int>(code)))});
      handled.metric.push_back(counter(get(m->handled[code]), std::move(with_code)));
    }
    if (!timed_) continue;
    ClientMetric h;
    h.label = labels;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i <= kBuckets; ++i) {
      sum += get(m->took[i]);
      const double bound = i < kBuckets ? kBounds[i] : std::numeric_limits<double>::infinity();
      h.histogram.bucket.push_back({sum, bound});
    }
    h.histogram.sample_count = sum;
    h.histogram.sample_sum = static_cast<double>(get(m->took_ns)) * 1e-9;
    took.metric.push_back(std::move(h));
  }
  std::vector<MetricFamily> out{std::move(started), std::move(handled), std::move(received), std::move(sent)};
  if (timed_) out.push_back(std::move(took));
  out.push_back(one("etcd_network_client_grpc_received_bytes_total",
                    "The total number of bytes received from grpc clients.", get(received_bytes_)));
  out.push_back(one("etcd_network_client_grpc_sent_bytes_total",
                    "The total number of bytes sent to grpc clients.", get(sent_bytes_)));
  out.push_back(one("etcd_server_health_success", "The total number of successful health checks",
                    get(health_success_)));
  out.push_back(
      one("etcd_server_health_failures", "The total number of failed health checks", get(health_failures_)));
  out.push_back(known("etcd_server_version",
                      "Which version is running. 1 for 'server_version' label with current version.",
                      "server_version", std::string(kServerVersion)));
  out.push_back(known("etcd_cluster_version",
                      "Which version is running. 1 for 'cluster_version' label with current cluster version",
                      "cluster_version", std::string(kClusterVersion.substr(0, kClusterVersion.rfind('.')))));
  out.push_back(known("etcd_server_id",
                      "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
                      "server_id", id_text(c_.member.header().member_id)));
  out.push_back(watch_streams());
  std::lock_guard lock(mu_);
  auto clients = family("etcd_server_client_requests_total",
                        "The total number of client requests per client version.", MetricType::Counter);
  for (const auto& [key, n] : clients_) {
    clients.metric.push_back(counter(
        get(n->requests), {{"client_api_version", key.second}, {"type", key.first ? "stream" : "unary"}}));
  }
  out.push_back(std::move(clients));
  auto gauge =
      family("etcd_server_healthcheck", "The result of each kind of healthcheck.", MetricType::Gauge);
  auto checks = family("etcd_server_healthchecks_total", "The total number of each kind of healthcheck.",
                       MetricType::Counter);
  for (const auto& [key, c] : checks_) {
    ClientMetric g;
    g.label = {{"name", key.second}, {"type", key.first}};
    g.gauge.value = c.ok ? 1 : 0;
    gauge.metric.push_back(std::move(g));
    for (const bool ok : {true, false}) {
      if ((ok ? c.successes : c.errors) == 0) continue;
      checks.metric.push_back(
          counter(ok ? c.successes : c.errors,
                  {{"name", key.second}, {"status", ok ? "success" : "error"}, {"type", key.first}}));
    }
  }
  out.push_back(std::move(gauge));
  out.push_back(std::move(checks));
  return out;
}

}  // namespace keelson::kvstore::etcd
