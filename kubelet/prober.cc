#include "kubelet/prober.h"

#include <fmt/format.h>

namespace keelson::kubelet {
namespace {

using namespace api::core_v1;

ProbeTiming timing_of(Probe p) {
  ProbeTiming t;
  t.initial_delay_s = p.initial_delay_seconds();
  if (p.timeout_seconds() > 0) t.timeout_s = p.timeout_seconds();
  if (p.period_seconds() > 0) t.period_s = p.period_seconds();
  if (p.success_threshold() > 0) t.success_threshold = p.success_threshold();
  if (p.failure_threshold() > 0) t.failure_threshold = p.failure_threshold();
  return t;
}

}  // namespace

Prober::Prober(ActionRunner& runner, Clock& clock, Executor strand, OnResult on_result)
    : runner_(runner), clock_(clock), strand_(strand), on_result_(std::move(on_result)) {}

void Prober::ensure(api::ObjectPtr pod, Container container, std::string container_id, std::string pod_ip,
                    WallTime container_started, bool was_ready, bool started) {
  if (probes_.contains(container_id)) return;
  auto p = std::make_shared<Probes>();
  p->pod = std::move(pod);
  p->container = container;
  p->id = container_id;
  p->ip = std::move(pod_ip);
  p->since = container_started;
  if (container.has_startup_probe() && !started) {
    p->states.emplace(Kind::kStartup,
                      ProbeState(timing_of(container.startup_probe()), ProbeResult::kUnknown));
  } else {
    p->startup_over.set();
  }
  if (container.has_readiness_probe()) {
    p->states.emplace(Kind::kReadiness,
                      ProbeState(timing_of(container.readiness_probe()),
                                 was_ready ? ProbeResult::kSuccess : ProbeResult::kFailure));
  }
  if (container.has_liveness_probe()) {
    p->states.emplace(Kind::kLiveness,
                      ProbeState(timing_of(container.liveness_probe()), ProbeResult::kSuccess));
  }
  probes_[container_id] = p;
  for (const auto& [kind, state] : p->states) p->tasks.spawn(strand_, run(p, kind));
}

Task<> Prober::run(std::shared_ptr<Probes> p, Kind kind) {
  const Probe probe = kind == Kind::kStartup     ? p->container.startup_probe()
                      : kind == Kind::kReadiness ? p->container.readiness_probe()
                                                 : p->container.liveness_probe();
  const char* name = kind == Kind::kStartup ? "Startup" : kind == Kind::kReadiness ? "Readiness" : "Liveness";
  const std::string uid(p->pod->uid());
  ProbeState& state = p->states.at(kind);
  const ProbeTiming& timing = state.timing();
  const Duration wait = p->since + std::chrono::seconds(timing.initial_delay_s) - clock_.wall();
  if (wait > Duration(0)) co_await clock_.sleep_for(wait);
  if (kind != Kind::kStartup) co_await p->startup_over.wait();
  for (;;) {
    const MonoTime next = clock_.now() + std::chrono::seconds(timing.period_s);
    ActionTarget target{p->container, p->id, p->ip, std::chrono::seconds(timing.timeout_s)};
    auto outcome = co_await runner_.probe(std::move(target), probe);
    const bool changed = state.feed(outcome.success);
    std::string failure;
    if (!outcome.success) failure = fmt::format("{} probe failed: {}", name, outcome.output);
    if (kind == Kind::kStartup && state.settled() == ProbeResult::kSuccess) {
      p->startup_over.set();
      on_result_(uid, std::string(p->container.name()), "");
      co_return;
    }
    if (changed || !outcome.success) on_result_(uid, std::string(p->container.name()), std::move(failure));
    // A container that failed for good is about to be killed: no more probes, no more events.
    if (kind != Kind::kReadiness && state.settled() == ProbeResult::kFailure) co_return;
    co_await clock_.sleep_until(next);
  }
}

Task<> Prober::remove(std::string container_id) {
  auto it = probes_.find(container_id);
  if (it == probes_.end()) co_return;
  auto p = it->second;
  probes_.erase(it);
  co_await p->tasks.stop();
}

Task<> Prober::stop() {
  auto all = std::move(probes_);
  probes_.clear();
  for (auto& [id, p] : all) p->tasks.cancel();
  for (auto& [id, p] : all) co_await p->tasks.join();
}

ProbeResult Prober::settled(const std::string& id, Kind kind, ProbeResult without) const {
  auto it = probes_.find(id);
  if (it == probes_.end()) return ProbeResult::kUnknown;
  auto state = it->second->states.find(kind);
  return state == it->second->states.end() ? without : state->second.settled();
}

bool Prober::started(const std::string& id) const {
  return settled(id, Kind::kStartup, ProbeResult::kSuccess) == ProbeResult::kSuccess;
}
bool Prober::ready(const std::string& id) const {
  return settled(id, Kind::kReadiness, ProbeResult::kSuccess) == ProbeResult::kSuccess;
}
bool Prober::liveness_failed(const std::string& id) const {
  return settled(id, Kind::kLiveness, ProbeResult::kSuccess) == ProbeResult::kFailure;
}
bool Prober::startup_failed(const std::string& id) const {
  return settled(id, Kind::kStartup, ProbeResult::kSuccess) == ProbeResult::kFailure;
}

}  // namespace keelson::kubelet
