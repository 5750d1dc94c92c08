// A cluster in one thread and in virtual time: the controllers over client::FakeTransport, with a scheduler
// and kubelets that do as little as a test needs. Everything that happens is a function of the test.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "api/gen/apps_v1.h"
#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"
#include "api/json.h"
#include "base/virtual_clock.h"
#include "client/fake_transport.h"
#include "controllers/manager.h"

namespace keelson::controllers {

namespace apps = api::apps_v1;
namespace discovery = api::discovery_v1;

class Cluster : public ::testing::Test {
 protected:
  Cluster() : clock(WallTime(std::chrono::seconds(1'800'000'000))), api(clock, Rng(1)) {}
  ~Cluster() override { stop(); }

  void start(ControllerManagerOptions options = {}) {
    options.leader_elect = false;
    if (options.root_ca_pem.empty()) options.root_ca_pem = "CA\n";
    manager = std::make_unique<ControllerManager>(options, api, io.get_executor(), clock, Rng(2), Logger());
    manager->start();
    poll();
  }
  void stop() {
    if (!manager) return;
    bool done = false;
    boost::asio::co_spawn(io, stop_manager(manager.get(), &done), [](std::exception_ptr e) {
      if (e) std::rethrow_exception(e);
    });
    for (int i = 0; i < 1000 && !done; ++i) poll();
    EXPECT_TRUE(done);
    manager.reset();
  }
  // Lets `d` pass in steps of 100 ms, in each of which scheduler and kubelets act.
  void run_for(Duration d) {
    for (const MonoTime end = clock.now() + d; clock.now() < end;) {
      poll();
      play_nodes();
      clock.advance(std::chrono::milliseconds(100));
    }
    poll();
  }
  // Until `condition`, at most `limit` of virtual time.
  ::testing::AssertionResult run_until(std::function<bool()> condition,
                                       Duration limit = std::chrono::seconds(60)) {
    for (const MonoTime end = clock.now() + limit; clock.now() < end;) {
      poll();
      if (condition()) return ::testing::AssertionSuccess();
      play_nodes();
      clock.advance(std::chrono::milliseconds(100));
    }
    return ::testing::AssertionFailure() << "not within the limit";
  }
  void poll() {
    io.restart();
    io.poll();
  }

  // Binds pods to `node`, makes those bound Running and Ready (unless hold_back says no), ends those being
  // deleted.
  void play_nodes() {
    for (const auto& object : api.read_all(core::Pod::kind_info())) {
      const auto pod = core::Pod::of(*object);
      if (silent.contains(std::string(pod.spec().node_name()))) continue;
      if (pod.metadata().has_deletion_timestamp()) {
        if (!end_pods) continue;
        api.erase(core::Pod::kind_info(), object->namespace_(), object->name());
        continue;
      }
      if (pod.status().phase() != "Pending" || (hold_back && hold_back(*object))) continue;
      auto copy = object->clone();
      auto mut = core::PodMut::of(*copy);
      mut.mutable_spec().set_node_name(node);
      mut.mutable_status().set_phase("Running");
      mut.mutable_status().set_pod_ip("10.22.0." + std::to_string(++last_ip));
      auto ready = mut.mutable_status().add_conditions();
      ready.set_type("Ready");
      ready.set_status("True");
      ready.set_last_transition_time(
          {std::chrono::floor<std::chrono::seconds>(clock.wall()).time_since_epoch().count(), 0});
      api.overwrite(std::move(copy));
    }
  }

  std::vector<api::ObjectPtr> pods(std::string_view ns) const {
    return api.read_all(core::Pod::kind_info(), ns);
  }
  apps::Deployment deployment(std::string_view ns, std::string_view name) {
    held = api.read(apps::Deployment::kind_info(), ns, name);
    return held ? apps::Deployment::of(*held) : apps::Deployment();
  }
  // "status/reason" of a condition of the Deployment.
  std::string condition(std::string_view ns, std::string_view name, std::string_view type) {
    for (auto c : deployment(ns, name).status().conditions()) {
      if (c.type() == type) return std::string(c.status()) + "/" + std::string(c.reason());
    }
    return "";
  }
  // Changes the Deployment's spec.
  void edit(std::string_view ns, std::string_view name, std::function<void(apps::DeploymentSpecMut)> change) {
    auto copy = api.read(apps::Deployment::kind_info(), ns, name)->clone();
    change(apps::DeploymentMut::of(*copy).mutable_spec());
    copy->mutable_meta().set_generation(copy->meta().generation() + 1);
    api.overwrite(std::move(copy));
  }
  std::vector<std::string> events(std::string_view ns) const {
    std::vector<std::string> out;
    for (const auto& object : api.read_all(core::Event::kind_info(), ns)) {
      const auto e = core::Event::of(*object);
      out.push_back(std::string(e.type()) + " " + std::string(e.reason()) + " " + std::string(e.message()));
    }
    return out;
  }
  void seed_deployment(int replicas, std::string strategy, std::string extra = "") {
    api.seed(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"a"},"spec":{"replicas":)" +
        std::to_string(replicas) + R"(,"selector":{"matchLabels":{"app":"web"}},"strategy":)" + strategy +
        extra +
        R"(,"revisionHistoryLimit":10,"progressDeadlineSeconds":600,"template":{"metadata":{"labels":{"app":"web"}},)"
        R"("spec":{"containers":[{"name":"c","image":"app:1"}]}}}})");
  }
  void set_image(std::string image) {
    edit("a", "web", [&](apps::DeploymentSpecMut spec) {
      spec.mutable_template().mutable_spec().mutable_containers().at(0).set_image(image);
    });
  }

  boost::asio::io_context io;
  VirtualClock clock;
  client::FakeTransport api;
  std::unique_ptr<ControllerManager> manager;
  std::string node = "n1";
  bool end_pods = true;
  int last_ip = 0;
  std::set<std::string> silent;
  std::function<bool(const api::Object& pod)> hold_back;
  api::ObjectPtr held;

 private:
  static Task<> stop_manager(ControllerManager* m, bool* done) {
    co_await m->stop();
    *done = true;
  }
};

}  // namespace keelson::controllers
