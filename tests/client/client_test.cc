// Work queue, informer, leader election, events: in one thread and virtual time over the fake API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <map>

#include "api/gen/coordination_v1.h"
#include "api/gen/core_v1.h"
#include "api/object.h"
#include "api/status.h"
#include "base/virtual_clock.h"
#include "client/event_recorder.h"
#include "client/fake_transport.h"
#include "client/informer.h"
#include "client/leader_election.h"
#include "client/work_queue.h"

namespace keelson::client {
namespace {

namespace core = api::core_v1;
using namespace std::chrono_literals;

class ClientTest : public ::testing::Test {
 protected:
  void poll() {
    io.restart();
    io.poll();
  }
  void run_for(Duration d) {
    for (const MonoTime end = clock.now() + d; clock.now() < end;) {
      poll();
      clock.advance(10ms);
    }
    poll();
  }
  void run(Task<> task) {
    bool done = false;
    boost::asio::co_spawn(io, std::move(task), [&](std::exception_ptr e) {
      if (e) std::rethrow_exception(e);
      done = true;
    });
    for (int i = 0; i < 100 && !done; ++i) poll();
    EXPECT_TRUE(done);
  }
  std::string config_map(std::string name, std::string data = "") {
    return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
           R"(","namespace":"a"},"data":{"x":")" + data + R"("}})";
  }

  boost::asio::io_context io;
  VirtualClock clock;
  FakeTransport api{clock, Rng(3)};
  TaskGroup tasks;
};

Task<> work(WorkQueue* q, std::vector<std::string>* seen, bool finish) {
  while (auto key = co_await q->get()) {
    seen->push_back(*key);
    if (finish) q->done(*key);
  }
}

TEST_F(ClientTest, QueueHoldsAKeyOnce) {
  WorkQueue q(clock, {.name = "q"});
  q.add("a");
  q.add("b");
  q.add("a");
  std::vector<std::string> seen;
  tasks.spawn(io.get_executor(), work(&q, &seen, false));
  poll();
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b"}));
  // While it is worked on it is not handed out again; after done() it is, once.
  q.add("a");
  q.add("a");
  poll();
  EXPECT_EQ(seen.size(), 2u);
  q.done("a");
  poll();
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b", "a"}));
  q.done("a");
  q.done("b");
  EXPECT_TRUE(q.idle());
  EXPECT_EQ(q.stats().adds, 3u);
  run(tasks.stop());
}

TEST_F(ClientTest, QueueBacksOff) {
  WorkQueue q(clock, {.name = "q", .max_delay = 40ms});
  tasks.spawn(io.get_executor(), q.run_delays());
  std::vector<std::string> seen;
  tasks.spawn(io.get_executor(), work(&q, &seen, true));
  std::vector<std::size_t> after;
  for (int i = 0; i < 5; ++i) {  // 5, 10, 20, 40, 40 ms
    q.add_rate_limited("k");
    const auto before = seen.size();
    int ms = 0;
    for (poll(); seen.size() == before && ms < 100; ++ms) {
      clock.advance(1ms);
      poll();
    }
    after.push_back(static_cast<std::size_t>(ms));
  }
  EXPECT_EQ(after, (std::vector<std::size_t>{5, 10, 20, 40, 40}));
  q.forget("k");
  EXPECT_EQ(q.num_requeues("k"), 0);
  // The earlier of two delays counts.
  q.add_after("d", 1s);
  q.add_after("d", 20ms);
  run_for(30ms);
  EXPECT_EQ(seen.back(), "d");
  const auto n = seen.size();
  run_for(2s);
  EXPECT_EQ(seen.size(), n);
  run(tasks.stop());
}

// A model of what handlers were told must equal the server's state whatever happened on the way: broken
// watches, expired versions, a server that does not answer.
TEST_F(ClientTest, InformerFollowsThroughFaults) {
  InformerFactory factory(api, io.get_executor(), clock, Rng(4), Logger());
  auto informer = factory.informer(core::ConfigMap::kind_info());
  EXPECT_EQ(factory.informer(core::ConfigMap::kind_info()), informer);
  informer->add_index("data", [](const api::Object& o, std::vector<std::string>& v) {
    v.emplace_back(core::ConfigMap::of(o).data_().get("x"));
  });
  std::map<std::string, std::string> model;
  auto put = [&](const api::ObjectPtr& o) {
    model[std::string(o->name())] = std::string(core::ConfigMap::of(*o).data_().get("x"));
  };
  informer->add_handler({
      .on_add =
          [&](const api::ObjectPtr& o) {
            EXPECT_FALSE(model.contains(std::string(o->name())));
            put(o);
          },
      .on_update =
          [&](const api::ObjectPtr& old, const api::ObjectPtr& now) {
            EXPECT_EQ(old->uid(), now->uid());
            EXPECT_TRUE(model.contains(std::string(now->name())));
            put(now);
          },
      .on_delete = [&](const api::ObjectPtr& o) { EXPECT_EQ(model.erase(std::string(o->name())), 1u); },
  });
  factory.start();
  Rng rng(11);
  bool down = false;
  api.set_fault([&](const FakeTransport::Action&) -> std::optional<Error> {
    if (down) return Error{Code::kUnavailable, "down"};
    return std::nullopt;
  });
  for (int step = 0; step < 3000; ++step) {
    const std::string name = "m" + std::to_string(rng.below(20));
    switch (rng.below(12)) {
      case 0:
        api.erase(core::ConfigMap::kind_info(), "a", name);
        break;
      case 1:
        api.break_watches(rng.below(2) == 0);
        break;
      case 2:
        down = rng.below(2) == 0;
        break;
      case 3:
        run_for(Duration(rng.between(0, 3'000'000'000)));
        break;
      default: {
        auto have = api.read(core::ConfigMap::kind_info(), "a", name);
        if (!have) {
          api.seed(config_map(name, std::to_string(step)));
          break;
        }
        auto copy = have->clone();
        core::ConfigMapMut::of(*copy).mutable_data().set("x", std::to_string(step));
        api.overwrite(std::move(copy));
      }
    }
  }
  down = false;
  run_for(70s);
  std::map<std::string, std::string> truth;
  for (const auto& o : api.read_all(core::ConfigMap::kind_info())) {
    truth[std::string(o->name())] = std::string(core::ConfigMap::of(*o).data_().get("x"));
    // One copy of an object between the server and all who look at it.
    EXPECT_EQ(informer->store().get("a", o->name()), o);
    EXPECT_EQ(informer->store().by_index("data", truth[std::string(o->name())]).size(), 1u);
  }
  EXPECT_FALSE(truth.empty());
  EXPECT_EQ(model, truth);
  EXPECT_EQ(informer->store().size(), truth.size());
  run(factory.stop());
}

TEST_F(ClientTest, InformerDoesNotStormADeadServer) {
  InformerFactory factory(api, io.get_executor(), clock, Rng(4), Logger());
  factory.informer(core::ConfigMap::kind_info());
  api.set_fault(
      [](const FakeTransport::Action&) { return std::optional(Error{Code::kUnavailable, "down"}); });
  factory.start();
  run_for(120s);
  EXPECT_GE(api.actions().size(), 4u);
  EXPECT_LE(api.actions().size(), 12u);
  run(factory.stop());
}

Task<> lead(LeaderElector* e, std::string name, std::vector<std::string>* log) {
  co_await e->acquire();
  log->push_back(name + "+");
  co_await e->hold();
  log->push_back(name + "-");
}

struct LeaderTest : ClientTest {
  LeaderElectionOptions options(std::string id) {
    LeaderElectionOptions o;
    o.name = "test";
    o.identity = std::move(id);
    return o;
  }
};

TEST_F(LeaderTest, OneAtATime) {
  LeaderElector a(options("a"), api, clock, Rng(1), Logger()), b(options("b"), api, clock, Rng(2), Logger());
  std::vector<std::string> log;
  TaskGroup first;
  first.spawn(io.get_executor(), lead(&a, "a", &log));
  run_for(1s);
  tasks.spawn(io.get_executor(), lead(&b, "b", &log));
  run_for(120s);
  EXPECT_EQ(log, (std::vector<std::string>{"a+"}));
  EXPECT_TRUE(a.is_leader());
  EXPECT_FALSE(b.is_leader());
  EXPECT_EQ(b.observed_holder(), "a");
  // It dies without a word: the other waits the lease out.
  run(first.stop());
  run_for(13s);
  EXPECT_EQ(log.size(), 1u);
  run_for(7s);
  EXPECT_EQ(log, (std::vector<std::string>{"a+", "b+"}));
  auto lease = api.read(api::coordination_v1::Lease::kind_info(), "kube-system", "test");
  EXPECT_EQ(api::coordination_v1::Lease::of(*lease).spec().holder_identity(), "b");
  EXPECT_EQ(api::coordination_v1::Lease::of(*lease).spec().lease_transitions(), 1);
  run(tasks.stop());
}

TEST_F(LeaderTest, GivesUpBeforeOthersBegin) {
  LeaderElector a(options("a"), api, clock, Rng(1), Logger()), b(options("b"), api, clock, Rng(2), Logger());
  std::vector<std::string> log;
  tasks.spawn(io.get_executor(), lead(&a, "a", &log));
  run_for(3s);
  // The server is silent for everybody: the leader stops within the renew deadline and a retry period.
  api.set_fault(
      [](const FakeTransport::Action&) { return std::optional(Error{Code::kUnavailable, "down"}); });
  run_for(13s);
  EXPECT_EQ(log, (std::vector<std::string>{"a+", "a-"}));
  EXPECT_FALSE(a.is_leader());
  run(tasks.stop());
}

TEST_F(LeaderTest, ReleasedLeaseIsTakenAtOnce) {
  LeaderElector a(options("a"), api, clock, Rng(1), Logger()), b(options("b"), api, clock, Rng(2), Logger());
  std::vector<std::string> log;
  TaskGroup first;
  first.spawn(io.get_executor(), lead(&a, "a", &log));
  run_for(1s);
  run(first.stop());
  run(a.release());
  tasks.spawn(io.get_executor(), lead(&b, "b", &log));
  run_for(1s);
  EXPECT_EQ(log, (std::vector<std::string>{"a+", "b+"}));
  run(tasks.stop());
}

struct EventTest : ClientTest {
  EventTest() { broadcaster.start(); }
  ~EventTest() override { run(broadcaster.stop()); }
  std::multimap<std::int64_t, std::string> written() {
    std::multimap<std::int64_t, std::string> out;
    for (const auto& o : api.read_all(core::Event::kind_info())) {
      out.emplace(core::Event::of(*o).count(), core::Event::of(*o).message());
    }
    return out;
  }
  EventBroadcaster broadcaster{api, io.get_executor(), clock, Rng(5), Logger()};
  EventRecorder recorder{broadcaster, "tester"};
  ObjectReference pod{"v1", "Pod", "a", "p", "uid-1", "", ""};
};

TEST_F(EventTest, RepetitionsAreCounted) {
  for (int i = 0; i < 3; ++i) {
    recorder.event(pod, "Normal", "Pulled", "same");
    run_for(1s);
  }
  recorder.event(pod, "Normal", "Pulled", "other");
  run_for(1s);
  EXPECT_EQ(written(), (std::multimap<std::int64_t, std::string>{{3, "same"}, {1, "other"}}));
}

// From the tenth similar event on, one Event takes them; a source writes 25 about an object, then one in five
// minutes.
TEST_F(EventTest, SimilarOnesAreCombinedAndSpamIsDropped) {
  for (int i = 0; i < 40; ++i) {
    recorder.event(pod, "Warning", "FailedCreate", "m" + std::to_string(i));
    run_for(10ms);
  }
  auto all = written();
  EXPECT_EQ(all.size(), 10u);
  EXPECT_EQ(all.rbegin()->first, 16);
  EXPECT_EQ(all.rbegin()->second, "(combined from similar events): m24");
  run_for(301s);
  recorder.event(pod, "Warning", "FailedCreate", "later");
  run_for(1s);
  EXPECT_EQ(written().rbegin()->second, "(combined from similar events): later");
}

TEST_F(EventTest, NewStyleMakesSeries) {
  for (int i = 0; i < 3; ++i) {
    recorder.note(pod, std::nullopt, "Warning", "FailedScheduling", "Scheduling", "no nodes");
    run_for(1s);
  }
  auto all = api.read_all(core::Event::kind_info());
  ASSERT_EQ(all.size(), 1u);
  const auto e = core::Event::of(*all[0]);
  EXPECT_EQ(e.series().count(), 3);
  EXPECT_EQ(e.action(), "Scheduling");
  EXPECT_EQ(e.reporting_component(), "tester");
  EXPECT_FALSE(e.event_time().is_zero());
}

}  // namespace
}  // namespace keelson::client
