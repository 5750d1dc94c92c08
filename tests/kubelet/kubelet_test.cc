// The whole kubelet over a fake runtime and a fake API server, on one thread in virtual time.
#include "kubelet/kubelet.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>

#include "api/gen/core_v1.h"
#include "api/json.h"
#include "base/virtual_clock.h"
#include "client/fake_transport.h"
#include "tests/kubelet/fake_runtime.h"

namespace keelson::kubelet {
namespace {

using namespace std::chrono_literals;
using namespace api::core_v1;

class KubeletTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::temp_directory_path() / ("kubelet-test-" + std::to_string(getpid()));
    std::filesystem::create_directories(dir_);
    options_.node_name = "n1";
    options_.node_ip = "192.168.1.2";
    options_.data_dir = dir_;
    options_.cgroups = false;
    options_.executor = options_.pool = io_.get_executor();
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(dir_);
  }
  void start() {
    kubelet_ = std::make_unique<Kubelet>(options_, api_, runtime_, clock_, Rng(2), Logger());
    spawn(begin());
  }
  void stop() {
    if (!kubelet_) return;
    bool done = false;
    spawn(end(&done));
    ASSERT_TRUE(until([&] { return done; }));
    kubelet_.reset();
  }
  Task<> begin() { EXPECT_TRUE((co_await kubelet_->start()).has_value()); }
  Task<> end(bool* done) {
    co_await kubelet_->stop();
    *done = true;
  }
  void spawn(Task<> t) { group_.spawn(io_.get_executor(), std::move(t)); }
  // Lets everything run, time moving from sleeper to sleeper, until `what` holds; at most 20 virtual minutes.
  bool until(std::function<bool()> what) {
    const MonoTime limit = clock_.now() + 20min;
    for (;;) {
      io_.restart();
      io_.poll();
      if (what()) return true;
      if (clock_.now() > limit || !clock_.advance_to_next()) return false;
    }
  }
  void pass(Duration d) {
    const MonoTime to = clock_.now() + d;
    until([&] { return clock_.now() >= to; });
  }
  void create(std::string name, std::string spec) {
    api_.seed(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
              R"(","namespace":"default"},"spec":{"nodeName":"n1",)" + spec + "}}");
  }
  api::ObjectPtr pod(const std::string& name) { return api_.read(Pod::kind_info(), "default", name); }
  std::string phase(const std::string& name) {
    auto p = pod(name);
    return p ? std::string(Pod::of(*p).status().phase()) : "gone";
  }
  ContainerStatus status(const api::ObjectPtr& p, int i = 0) {
    return Pod::of(*p).status().container_statuses()[i];
  }
  int count(const std::string& line) {
    return static_cast<int>(std::count(runtime_.log.begin(), runtime_.log.end(), line));
  }
  std::string condition(const std::string& name, const std::string& type) {
    auto p = pod(name);
    for (PodCondition c : Pod::of(*p).status().conditions()) {
      if (c.type() == type) return std::string(c.status());
    }
    return "";
  }
  bool has_event(const std::string& reason, const std::string& message) {
    for (auto& e : api_.read_all(Event::kind_info())) {
      if (Event::of(*e).reason() == reason && Event::of(*e).message() == message) return true;
    }
    return false;
  }

  bool gets_event(const std::string& reason, const std::string& message) {
    return until([&] { return has_event(reason, message); });
  }

  static constexpr const char* kMain = R"({"name":"main","image":"localhost/keelson/demo:1"})";
  boost::asio::io_context io_;
  VirtualClock clock_;
  client::FakeTransport api_{clock_, Rng(1)};
  FakeRuntime runtime_{clock_};
  TaskGroup group_;
  KubeletOptions options_;
  std::filesystem::path dir_;
  std::unique_ptr<Kubelet> kubelet_;
};

TEST_F(KubeletTest, RunsAPodAndRegistersTheNode) {
  create("web", std::string(R"("restartPolicy":"Always","containers":[)") + kMain + "]");
  start();
  ASSERT_TRUE(until([&] { return phase("web") == "Running"; }));
  EXPECT_EQ(condition("web", "Ready"), "True");
  EXPECT_EQ(Pod::of(*pod("web")).status().pod_ip(), "10.22.0.9");
  // One event of an instant in virtual time: names of events are made of time.
  EXPECT_TRUE(gets_event("Pulled",
                         "Container image \"localhost/keelson/demo:1\" already present on machine and can be "
                         "accessed by the pod"));
  auto node = api_.read(Node::kind_info(), "", "n1");
  ASSERT_TRUE(node);
  EXPECT_EQ(Node::of(*node).status().node_info().container_runtime_version(), "containerd://1.6.20");
}

TEST_F(KubeletTest, InitContainersRunInOrderAndFailuresOfNeverAreFinal) {
  runtime_.exit_at_start = {{"i1", 0}, {"i2", 0}, {"main", 3}};
  create("job", R"("restartPolicy":"Never","initContainers":[{"name":"i1","image":"localhost/keelson/demo:1"},
         {"name":"i2","image":"localhost/keelson/demo:1"}],"containers":[{"name":"main","image":"localhost/keelson/demo:1"}])");
  start();
  ASSERT_TRUE(until([&] { return phase("job") == "Failed"; }));
  std::vector<std::string> starts;
  for (auto& l : runtime_.log) {
    if (l.starts_with("start ")) starts.push_back(l);
  }
  EXPECT_EQ(starts, (std::vector<std::string>{"start i1", "start i2", "start main"}));
  auto p = pod("job");
  EXPECT_EQ(status(p).state().terminated().exit_code(), 3);
  pass(5min);
  EXPECT_EQ(count("start main"), 1);
}

TEST_F(KubeletTest, CrashLoopBacksOffFromTenSecondsDoubling) {
  runtime_.exit_at_start = {{"main", 1}};
  create("crash", std::string(R"("restartPolicy":"Always","containers":[)") + kMain + "]");
  start();
  ASSERT_TRUE(until([&] { return count("start main") == 2; }));  // the first restart is at once
  const MonoTime second = clock_.now();
  ASSERT_TRUE(until([&] {
    auto p = pod("crash");
    return status(p).state().waiting().reason() == "CrashLoopBackOff";
  }));
  EXPECT_EQ(phase("crash"), "Running");
  ASSERT_TRUE(until([&] { return count("start main") == 3; }));
  EXPECT_NEAR(std::chrono::duration<double>(clock_.now() - second).count(), 10, 1.5);
  const MonoTime third = clock_.now();
  ASSERT_TRUE(until([&] { return count("start main") == 4; }));
  EXPECT_NEAR(std::chrono::duration<double>(clock_.now() - third).count(), 20, 1.5);
  ASSERT_TRUE(until([&] { return status(pod("crash")).restart_count() == 3; }));
  EXPECT_LE(runtime_.runs.size(), 2u);  // the last dead container is kept, older ones are not
}

TEST_F(KubeletTest, DeletionStopsWithGraceAndRemovesEverything) {
  create("web", std::string(R"("restartPolicy":"Always","terminationGracePeriodSeconds":30,"containers":[)") +
                    kMain + "]");
  start();
  ASSERT_TRUE(until([&] { return phase("web") == "Running"; }));
  pass(3s);
  client::DeleteOptions options;
  options.grace_period_s = 7;
  spawn([](client::FakeTransport* api, client::DeleteOptions o) -> Task<> {
    (void)co_await api->remove(Pod::kind_info(), "default", "web", o);
  }(&api_, options));
  ASSERT_TRUE(until([&] { return phase("web") == "gone" && runtime_.boxes.empty(); }));
  EXPECT_EQ(count("stop main 7"), 1);
  EXPECT_TRUE(runtime_.runs.empty());
  EXPECT_TRUE(gets_event("Killing", "Stopping container main"));
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "pods"));
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "pods-logs"));
}

TEST_F(KubeletTest, AdoptsRunningContainersAndEndsOrphans) {
  create("web", std::string(R"("restartPolicy":"Always","containers":[)") + kMain + "]");
  create("old", std::string(R"("restartPolicy":"Always","containers":[)") + kMain + "]");
  start();
  ASSERT_TRUE(until([&] { return phase("web") == "Running" && phase("old") == "Running"; }));
  stop();
  const std::string before(status(pod("web")).container_id());
  api_.erase(Pod::kind_info(), "default", "old");
  std::filesystem::create_directories(dir_ / "pods/11111111-2222-3333-4444-555555555555/volumes/x");
  start();
  ASSERT_TRUE(until([&] { return runtime_.boxes.size() == 1; }));
  pass(30s);
  EXPECT_EQ(count("start main"), 2);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "pods/11111111-2222-3333-4444-555555555555"));
  EXPECT_EQ(status(pod("web")).container_id(), before);
  EXPECT_EQ(status(pod("web")).restart_count(), 0);
}

TEST_F(KubeletTest, PullFailureGoesToBackOffAndRecovers) {
  runtime_.pull_error = Error{Code::kNotFound, "no such image", nullptr};
  create(
      "p",
      R"("restartPolicy":"Always","containers":[{"name":"main","image":"example.com/x:1","imagePullPolicy":"IfNotPresent"}])");
  start();
  const auto waiting = [&](const char* reason) {
    return until([&] {
      auto p = pod("p");
      return !Pod::of(*p).status().container_statuses().empty() &&
             status(p).state().waiting().reason() == reason;
    });
  };
  ASSERT_TRUE(waiting("ErrImagePull"));
  ASSERT_TRUE(waiting("ImagePullBackOff"));
  runtime_.pull_error.reset();
  ASSERT_TRUE(until([&] { return phase("p") == "Running"; }));
}

TEST_F(KubeletTest, ProbesGateReadinessAndLivenessRestarts) {
  runtime_.probe_exit = {{"ready", 1}, {"live", 0}};
  create(
      "p",
      R"("restartPolicy":"Always","terminationGracePeriodSeconds":5,"containers":[{"name":"main","image":"localhost/keelson/demo:1",
    "readinessProbe":{"exec":{"command":["ready"]},"periodSeconds":1,"failureThreshold":1},
    "livenessProbe":{"exec":{"command":["live"]},"periodSeconds":2,"failureThreshold":3}}])");
  start();
  ASSERT_TRUE(until([&] { return phase("p") == "Running"; }));
  EXPECT_EQ(condition("p", "Ready"), "False");
  runtime_.probe_exit["ready"] = 0;
  ASSERT_TRUE(until([&] { return condition("p", "Ready") == "True"; }));
  runtime_.probe_exit["live"] = 1;
  ASSERT_TRUE(until([&] { return count("start main") == 2; }));
  EXPECT_TRUE(gets_event("Killing", "Container main failed liveness probe, will be restarted"));
  EXPECT_TRUE(gets_event("Unhealthy", "Liveness probe failed: out"));
  runtime_.probe_exit["live"] = 0;
  ASSERT_TRUE(
      until([&] { return condition("p", "Ready") == "True" && status(pod("p")).restart_count() == 1; }));
}

TEST_F(KubeletTest, MissingConfigMapHoldsTheContainerUntilItComes) {
  create("p", R"("restartPolicy":"Always","containers":[{"name":"main","image":"localhost/keelson/demo:1",
    "env":[{"name":"C","valueFrom":{"configMapKeyRef":{"name":"cm","key":"color"}}},{"name":"D","value":"$(C)!"}]}])");
  start();
  ASSERT_TRUE(until([&] {
    auto p = pod("p");
    return !Pod::of(*p).status().container_statuses().empty() &&
           status(p).state().waiting().reason() == "CreateContainerConfigError";
  }));
  EXPECT_EQ(status(pod("p")).state().waiting().message(), "configmap \"cm\" not found");
  api_.seed(
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm","namespace":"default"},"data":{"color":"red"}})");
  ASSERT_TRUE(until([&] { return phase("p") == "Running"; }));
  std::map<std::string, std::string> env;
  for (auto& kv : runtime_.find("main")->config.envs) env[kv.key] = kv.value;
  EXPECT_EQ(env["C"], "red");
  EXPECT_EQ(env["D"], "red!");
}

}  // namespace
}  // namespace keelson::kubelet
