#include "apiserver/metrics.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <mutex>
#include <unordered_map>

namespace keelson::apiserver {
namespace {

using Labels = prometheus::Labels;

const prometheus::Histogram::BucketBoundaries& duration_buckets() {
  static const prometheus::Histogram::BucketBoundaries b{0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0,
                                                         1.25,  1.5,   2,    3,   4,   5,   6,   8,   10,
                                                         15,    20,    30,   45,  60};
  return b;
}
const prometheus::Histogram::BucketBoundaries& size_buckets() {
  static const prometheus::Histogram::BucketBoundaries b{1000, 10000, 100000, 1e6, 1e7, 1e8, 1e9};
  return b;
}
const prometheus::Histogram::BucketBoundaries& event_size_buckets() {
  static const prometheus::Histogram::BucketBoundaries b{1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072};
  return b;
}

constexpr std::array<int, 12> kCodes{200, 201, 400, 401, 403, 404, 409, 410, 422, 429, 500, 504};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter().Name("apiserver_request_total").Help("Requests by verb, resource and HTTP code.").Register(registry);
  prometheus::Family<prometheus::Histogram>& durations = prometheus::BuildHistogram()
                                                             .Name("apiserver_request_duration_seconds")
                                                             .Help("How long requests took, watches left out.")
                                                             .Register(registry);
  prometheus::Family<prometheus::Histogram>& sli = prometheus::BuildHistogram()
                                                       .Name("apiserver_request_sli_duration_seconds")
                                                       .Help("How long requests took without webhooks and queues.")
                                                       .Register(registry);
  prometheus::Family<prometheus::Histogram>& sizes =
      prometheus::BuildHistogram().Name("apiserver_response_sizes").Help("Bytes of replies.").Register(registry);
  prometheus::Family<prometheus::Gauge>& inflight = prometheus::BuildGauge()
                                                        .Name("apiserver_current_inflight_requests")
                                                        .Help("Requests under way, by kind.")
                                                        .Register(registry);
  prometheus::Family<prometheus::Gauge>& long_running =
      prometheus::BuildGauge().Name("apiserver_longrunning_requests").Help("Watches and streams under way.").Register(registry);
  prometheus::Family<prometheus::Counter>& watch_events =
      prometheus::BuildCounter().Name("apiserver_watch_events_total").Help("Events sent to watchers.").Register(registry);
  prometheus::Family<prometheus::Histogram>& watch_sizes =
      prometheus::BuildHistogram().Name("apiserver_watch_events_sizes").Help("Bytes of watch events.").Register(registry);
  prometheus::Family<prometheus::Counter>& attempts =
      prometheus::BuildCounter().Name("authentication_attempts").Help("Sign-ins by result.").Register(registry);
  prometheus::Family<prometheus::Gauge>& objects =
      prometheus::BuildGauge().Name("apiserver_storage_objects").Help("Stored objects by resource.").Register(registry);
  prometheus::Family<prometheus::Gauge>& cache_revision = prometheus::BuildGauge()
                                                              .Name("apiserver_watch_cache_resource_version")
                                                              .Help("Newest resourceVersion the watch cache has seen.")
                                                              .Register(registry);
  prometheus::Gauge& read_only = inflight.Add({{"request_kind", "readOnly"}});
  prometheus::Gauge& mutating = inflight.Add({{"request_kind", "mutating"}});
  prometheus::Counter& auth_ok = attempts.Add({{"result", "success"}});
  prometheus::Counter& auth_bad = attempts.Add({{"result", "failure"}});
  std::mutex mu;
  std::unordered_map<std::string, std::unique_ptr<Series>> series;
  struct WatchMetrics {
    prometheus::Counter* events;
    prometheus::Histogram* sizes;
  };
  std::unordered_map<std::string, WatchMetrics> watch;
};

struct Metrics::Series::Impl {
  Metrics::Impl* owner;
  Labels labels;  // without code
  prometheus::Histogram* duration = nullptr;
  prometheus::Histogram* sli = nullptr;
  prometheus::Histogram* size = nullptr;
  std::array<std::atomic<prometheus::Counter*>, kCodes.size()> by_code{};

  prometheus::Counter& counter(int code) {
    for (std::size_t i = 0; i < kCodes.size(); ++i) {
      if (kCodes[i] != code) continue;
      auto* known = by_code[i].load(std::memory_order_acquire);
      if (!known) by_code[i] = known = &add(code);
      return *known;
    }
    return add(code);
  }
  prometheus::Counter& add(int code) {
    Labels all = labels;
    all["code"] = std::to_string(code);
    return owner->requests.Add(all);
  }
};

Metrics::Series::Series(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Metrics::Series::~Series() = default;

void Metrics::Series::record(int code, Duration took, std::size_t response_bytes) {
  impl_->counter(code).Increment();
  const double seconds = std::chrono::duration<double>(took).count();
  if (impl_->duration) impl_->duration->Observe(seconds);
  if (impl_->sli) impl_->sli->Observe(seconds);
  if (impl_->size) impl_->size->Observe(static_cast<double>(response_bytes));
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Metrics::Series& Metrics::series(const RequestLabels& l) {
  std::string key = fmt::format("{}|{}|{}|{}|{}|{}|{}", l.verb, l.group, l.version, l.resource, l.subresource, l.scope, l.dry_run);
  std::lock_guard lock(impl_->mu);
  auto& slot = impl_->series[key];
  if (slot) return *slot;
  Labels base{{"component", "apiserver"},
              {"group", std::string(l.group)},
              {"resource", std::string(l.resource)},
              {"scope", std::string(l.scope)},
              {"subresource", std::string(l.subresource)},
              {"verb", std::string(l.verb)},
              {"version", std::string(l.version)}};
  auto impl = std::make_unique<Series::Impl>();
  impl->owner = impl_.get();
  impl->labels = base;
  impl->labels["dry_run"] = l.dry_run ? "All" : "";
  if (l.verb != "WATCH" && l.verb != "CONNECT") {
    impl->duration = &impl_->durations.Add(impl->labels, duration_buckets());
    impl->sli = &impl_->sli.Add(base, duration_buckets());
    if (l.verb == "GET" || l.verb == "LIST") impl->size = &impl_->sizes.Add(base, size_buckets());
  }
  slot = std::make_unique<Series>(std::move(impl));
  return *slot;
}

void Metrics::add_inflight(bool mutating, int delta) { (mutating ? impl_->mutating : impl_->read_only).Increment(delta); }

void Metrics::add_long_running(const RequestLabels& l, int delta) {
  impl_->long_running
      .Add({{"component", "apiserver"},
            {"group", std::string(l.group)},
            {"resource", std::string(l.resource)},
            {"scope", std::string(l.scope)},
            {"subresource", std::string(l.subresource)},
            {"verb", std::string(l.verb)},
            {"version", std::string(l.version)}})
      .Increment(delta);
}

void Metrics::count_watch_event(std::string_view group, std::string_view version, std::string_view resource,
                                std::size_t bytes) {
  std::string key = fmt::format("{}|{}|{}", group, version, resource);
  Impl::WatchMetrics metrics;
  {
    std::lock_guard lock(impl_->mu);
    auto it = impl_->watch.find(key);
    if (it == impl_->watch.end()) {
      Labels labels{{"group", std::string(group)}, {"resource", std::string(resource)}, {"version", std::string(version)}};
      it = impl_->watch
               .emplace(key, Impl::WatchMetrics{&impl_->watch_events.Add(labels),
                                                &impl_->watch_sizes.Add(labels, event_size_buckets())})
               .first;
    }
    metrics = it->second;
  }
  metrics.events->Increment();
  metrics.sizes->Observe(static_cast<double>(bytes));
}

void Metrics::count_authentication(bool success, std::string_view) { (success ? impl_->auth_ok : impl_->auth_bad).Increment(); }

void Metrics::set_objects(std::string_view resource, std::size_t count) {
  impl_->objects.Add({{"resource", std::string(resource)}}).Set(static_cast<double>(count));
}

void Metrics::set_cache_revision(std::string_view group, std::string_view resource, std::int64_t revision) {
  impl_->cache_revision.Add({{"group", std::string(group)}, {"resource", std::string(resource)}})
      .Set(static_cast<double>(revision));
}

std::string Metrics::text() const {
  std::string out = prometheus::TextSerializer().Serialize(impl_->registry.Collect());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  out += "# HELP process_cpu_seconds_total CPU time used.\n# TYPE process_cpu_seconds_total counter\n";
  out += fmt::format("process_cpu_seconds_total {:.2f}\n", seconds(usage.ru_utime) + seconds(usage.ru_stime));
  if (std::FILE* f = std::fopen("/proc/self/statm", "re")) {
    long size = 0, resident = 0;
    if (std::fscanf(f, "%ld %ld", &size, &resident) == 2) {
      const long page = sysconf(_SC_PAGESIZE);
      out += "# HELP process_resident_memory_bytes Resident memory.\n# TYPE process_resident_memory_bytes gauge\n";
      out += fmt::format("process_resident_memory_bytes {}\n", resident * page);
      out += "# HELP process_virtual_memory_bytes Virtual memory.\n# TYPE process_virtual_memory_bytes gauge\n";
      out += fmt::format("process_virtual_memory_bytes {}\n", size * page);
    }
    std::fclose(f);
  }
  return out;
}

}  // namespace keelson::apiserver
