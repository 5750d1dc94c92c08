#include "scheduler/scheduler.h"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "api/gen/core_v1.h"
#include "client/leader_election.h"

namespace keelson::scheduler {
namespace {

namespace core = api::core_v1;

bool finished(core::Pod pod) {
  const auto phase = pod.status().phase();
  return phase == "Succeeded" || phase == "Failed";
}

bool terminating(const api::ObjectPtr& o) { return o->meta().has_deletion_timestamp(); }

// What can make an unschedulable pod fit when it changes on a node.
bool node_change_matters(core::Node old, core::Node now) {
  const auto same = [](auto a, auto b) { return api::equal(a, b); };
  if (old.spec().unschedulable() != now.spec().unschedulable() || !same(old.spec(), now.spec())) return true;
  const auto alloc = [](core::Node n) { return resources_of(n.status().allocatable()); };
  const Resources a = alloc(old), b = alloc(now);
  if (a.milli_cpu != b.milli_cpu || a.memory != b.memory || a.pods != b.pods ||
      a.ephemeral_storage != b.ephemeral_storage || a.scalars != b.scalars) {
    return true;
  }
  const auto la = old.metadata().labels(), lb = now.metadata().labels();
  return la.size() != lb.size() || !std::equal(la.begin(), la.end(), lb.begin());
}

}  // namespace

struct Scheduler::Counters {
  std::atomic<std::uint64_t> scheduled{0}, unschedulable{0}, errors{0};
  std::atomic<std::uint64_t> active{0}, waiting{0};
};

Scheduler::Scheduler(SchedulerOptions options, client::Transport& transport, client::InformerFactory& informers,
                     client::EventBroadcaster& events, Executor executor, Clock& clock, Rng rng, Logger logger)
    : o_(std::move(options)),
      transport_(transport),
      recorder_(events, o_.name, o_.identity),
      strand_(boost::asio::make_strand(executor)),
      clock_(clock),
      rng_(rng),
      log_(logger.named("scheduler")),
      pods_(informers.informer(core::Pod::kind_info())),
      nodes_(informers.informer(core::Node::kind_info())),
      counters_(std::make_unique<Counters>()) {}

Scheduler::~Scheduler() = default;

void Scheduler::start() {
  const auto handler = [this](void (Scheduler::*f)(const api::ObjectPtr&, const api::ObjectPtr&)) {
    const auto forward = [this, f](api::ObjectPtr old, api::ObjectPtr now) {
      boost::asio::post(strand_, [this, f, old = std::move(old), now = std::move(now)] { (this->*f)(old, now); });
    };
    return client::EventHandler{[forward](const api::ObjectPtr& o) { forward(nullptr, o); },
                                [forward](const api::ObjectPtr& old, const api::ObjectPtr& now) { forward(old, now); },
                                [forward](const api::ObjectPtr& last) { forward(last, nullptr); }};
  };
  nodes_->add_handler(handler(&Scheduler::on_node));
  pods_->add_handler(handler(&Scheduler::on_pod));
  tasks_.spawn(strand_, run());
}

Task<> Scheduler::stop() {
  co_await tasks_.stop();
  co_await bindings_.stop();
}

Task<> Scheduler::run() {
  co_await nodes_->wait_for_sync();
  co_await pods_->wait_for_sync();
  if (!o_.leader_elect) {
    co_await schedule_loop();
    co_return;
  }
  for (;;) co_await lead();
}

Task<> Scheduler::lead() {
  client::LeaderElector elector({.name = "kube-scheduler", .identity = o_.identity}, transport_, clock_, rng_.fork(), log_);
  co_await elector.acquire();
  log_.info("leading");
  TaskGroup loop;
  loop.spawn(strand_, schedule_loop());
  std::exception_ptr aborted;
  try {
    co_await elector.hold();
    log_.warn("lost the lead");
  } catch (...) {
    aborted = std::current_exception();
  }
  if (aborted) co_await boost::asio::this_coro::reset_cancellation_state();
  co_await loop.stop();
  if (!aborted) co_return;
  co_await elector.release();
  std::rethrow_exception(aborted);
}

Task<> Scheduler::schedule_loop() {
  static constexpr auto kFlushEvery = std::chrono::seconds(30);
  struct Leading {
    explicit Leading(std::atomic<bool>& f) : flag(f) { flag = true; }
    ~Leading() { flag = false; }
    std::atomic<bool>& flag;
  } leading{leading_};
  for (;;) {
    work_.reset();
    while (auto pod = queue_.pop(clock_.now())) schedule_one(std::move(*pod));
    counters_->active = queue_.active();
    counters_->waiting = queue_.waiting();
    const MonoTime latest = clock_.now() + kFlushEvery;
    co_await work_.wait_until(clock_, std::min(latest, queue_.next_due().value_or(latest)));
  }
}

void Scheduler::schedule_one(PodInfoPtr pod) {
  const auto cycle = queue_.cycle();
  Decision d = decide(*pod, snapshot_, rng_);
  if (d.node.empty()) {
    ++counters_->unschedulable;
    queue_.unschedulable(pod, cycle, clock_.now());
    bindings_.spawn(strand_, report_failure(pod, std::move(d.message)));
    return;
  }
  snapshot_.nodes[d.node].add(pod);
  assumed_.insert(std::string(pod->object->uid()));
  bindings_.spawn(strand_, bind(std::move(pod), std::move(d.node)));
}

Task<> Scheduler::bind(PodInfoPtr pod, std::string node) {
  auto binding = api::Object::make(core::Binding::kind_info());
  auto b = core::BindingMut::of(*binding);
  b.mutable_metadata().set_name(pod->object->name());
  b.mutable_metadata().set_namespace(pod->object->namespace_());
  b.mutable_metadata().set_uid(pod->object->uid());
  b.mutable_target().set_kind("Node");
  b.mutable_target().set_name(node);
  auto done = co_await transport_.create(core::Pod::kind_info(), std::string(pod->object->namespace_()),
                                         api::freeze(std::move(binding)), {.subresource = "binding"});
  if (done) {
    ++counters_->scheduled;
    recorder_.note(client::reference_to(*pod->object), std::nullopt, "Normal", "Scheduled", "Binding",
                   fmt::format("Successfully assigned {} to {}", pod->key(), node));
    co_return;
  }
  ++counters_->errors;
  const std::string uid(pod->object->uid());
  if (assumed_.erase(uid) != 0) snapshot_.nodes[node].remove(uid);
  log_.warn("binding failed", {{"pod", pod->key()}, {"node", node}, {"error", done.error()}});
  // Gone or already bound: the informer will say so. Anything else is tried again.
  if (done.error().code == Code::kNotFound || done.error().code == Code::kAborted) co_return;
  queue_.retry(std::move(pod), clock_.now());
  work_.set();
}

Task<> Scheduler::report_failure(PodInfoPtr pod, std::string message) {
  for (core::PodCondition c : pod->pod().status().conditions()) {
    if (c.type() == "PodScheduled" && c.status() == "False" && c.message() == message) co_return;
  }
  recorder_.note(client::reference_to(*pod->object), std::nullopt, "Warning", "FailedScheduling", "Scheduling", message);
  std::string text;
  append_json_string(text, message);
  const auto body = fmt::format(
      R"({{"status":{{"conditions":[{{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":{},"observedGeneration":{},"lastProbeTime":null,"lastTransitionTime":"{}"}}]}}}})",
      text, pod->object->meta().generation(), format_rfc3339(clock_.wall()));
  auto done = co_await transport_.patch(core::Pod::kind_info(), std::string(pod->object->namespace_()),
                                        std::string(pod->object->name()), client::PatchType::kStrategicMerge, body,
                                        {.subresource = "status"});
  if (!done && done.error().code != Code::kNotFound) {
    log_.warn("writing the pod's condition failed", {{"pod", pod->key()}, {"error", done.error()}});
  }
}

void Scheduler::room_may_have_grown() {
  queue_.move_all(clock_.now());
  work_.set();
}

void Scheduler::on_node(const api::ObjectPtr& old, const api::ObjectPtr& now) {
  const auto& any = now ? now : old;
  auto& info = snapshot_.nodes[std::string(any->name())];
  info.set_object(now);
  if (!now) {
    if (info.pods.empty()) snapshot_.nodes.erase(std::string(any->name()));
    return;
  }
  if (!old || node_change_matters(core::Node::of(*old), core::Node::of(*now))) room_may_have_grown();
}

void Scheduler::on_pod(const api::ObjectPtr& old, const api::ObjectPtr& now) {
  const auto& any = now ? now : old;
  const std::string uid(any->uid());
  const core::Pod pod = core::Pod::of(*any);
  const std::string node(pod.spec().node_name());
  const bool counts = now && !node.empty() && !finished(pod);

  if (!node.empty() || !now) {
    queue_.remove(uid);
    if (assumed_.erase(uid) != 0 || !now) {
      for (auto& [name, info] : snapshot_.nodes) {
        if (name != node || !now) info.remove(uid);
      }
    }
  }
  if (counts) {
    snapshot_.nodes[node].add(std::make_shared<const PodInfo>(now));
    return;
  }
  if (!node.empty()) {
    if (const auto it = snapshot_.nodes.find(node); it != snapshot_.nodes.end()) it->second.remove(uid);
    room_may_have_grown();
    return;
  }
  if (!now) return;
  const auto wanted = pod.spec().scheduler_name();
  if (terminating(now) || finished(pod) || assumed_.contains(uid) || !pod.spec().scheduling_gates().empty() ||
      (!wanted.empty() && wanted != o_.name)) {
    queue_.remove(uid);
    return;
  }
  // The condition that we wrote ourselves is no reason to try again.
  if (old && old->meta().generation() == now->meta().generation() && api::equal(core::Pod::of(*old).spec(), pod.spec())) {
    return;
  }
  queue_.add(std::make_shared<const PodInfo>(now), clock_.now());
  work_.set();
}

std::string Scheduler::metrics() const {
  return fmt::format(
      "# TYPE scheduler_schedule_attempts_total counter\n"
      "scheduler_schedule_attempts_total{{profile=\"{0}\",result=\"scheduled\"}} {1}\n"
      "scheduler_schedule_attempts_total{{profile=\"{0}\",result=\"unschedulable\"}} {2}\n"
      "scheduler_schedule_attempts_total{{profile=\"{0}\",result=\"error\"}} {3}\n"
      "# TYPE scheduler_pending_pods gauge\n"
      "scheduler_pending_pods{{queue=\"active\"}} {4}\n"
      "scheduler_pending_pods{{queue=\"unschedulable\"}} {5}\n",
      o_.name, counters_->scheduled.load(), counters_->unschedulable.load(), counters_->errors.load(),
      counters_->active.load(), counters_->waiting.load());
}

}  // namespace keelson::scheduler
