// The controllers on several threads and in real time: what the virtual-time tests cannot show. Run under
// TSan.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "api/gen/apps_v1.h"
#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"
#include "client/fake_transport.h"
#include "controllers/manager.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"

namespace keelson::controllers {
namespace {

namespace apps = api::apps_v1;
namespace discovery = api::discovery_v1;

Task<> stop_manager(ControllerManager* manager) {
  co_await manager->stop();
}

// Plays scheduler and kubelet once over all pods.
void play_nodes(client::FakeTransport& api, int* ip) {
  for (const auto& object : api.read_all(core::Pod::kind_info())) {
    const auto pod = core::Pod::of(*object);
    if (pod.metadata().has_deletion_timestamp()) {
      api.erase(core::Pod::kind_info(), object->namespace_(), object->name());
    } else if (pod.status().phase() == "Pending") {
      auto copy = object->clone();
      auto mut = core::PodMut::of(*copy);
      mut.mutable_spec().set_node_name("n1");
      mut.mutable_status().set_phase("Running");
      mut.mutable_status().set_pod_ip("10.22.0." + std::to_string(++*ip % 250));
      auto ready = mut.mutable_status().add_conditions();
      ready.set_type("Ready");
      ready.set_status("True");
      api.overwrite(std::move(copy));
    }
  }
}

TEST(Threads, RollAndDelete) {
  net::AsioClock clock;
  client::FakeTransport api(clock, Rng(1));
  api.seed(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}})");
  api.seed(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"a"},
               "spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})");
  net::IoPool pool(1, 3);
  pool.start();
  ControllerManagerOptions options;
  options.root_ca_pem = "CA\n";
  options.identity = "one";
  ControllerManager manager(options, api, pool.workers(), clock, Rng(2), Logger());
  manager.start();
  api.seed(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"a"},"spec":{
      "replicas":20,"selector":{"matchLabels":{"app":"web"}},
      "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}},
      "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"app:1"}]}}}})");
  int ip = 0;
  auto eventually = [&](auto condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < end) {
      if (condition()) return true;
      play_nodes(api, &ip);
      std::string metrics;
      manager.write_metrics(metrics);
      std::this_thread::yield();
    }
    return false;
  };
  auto rolled = [&](std::string_view image) {
    auto d = api.read(apps::Deployment::kind_info(), "a", "web");
    const auto status = apps::Deployment::of(*d).status();
    if (status.updated_replicas() != 20 || status.available_replicas() != 20 || status.replicas() != 20)
      return false;
    std::size_t n = 0;
    for (const auto& pod : api.read_all(core::Pod::kind_info(), "a")) {
      if (core::Pod::of(*pod).spec().containers()[0].image() == image) ++n;
    }
    return n == 20 && api.read_all(core::Pod::kind_info(), "a").size() == 20;
  };
  ASSERT_TRUE(eventually([&] { return rolled("app:1"); }));
  // Not through overwrite(): the controllers write the same object.
  for (bool done = false; !done;) {
    auto copy = api.read(apps::Deployment::kind_info(), "a", "web")->clone();
    apps::DeploymentMut::of(*copy)
        .mutable_spec()
        .mutable_template()
        .mutable_spec()
        .mutable_containers()
        .at(0)
        .set_image("app:2");
    block_on(pool.next(), [](client::FakeTransport* a, api::ObjectPtr o, bool* ok) -> Task<> {
      *ok = (co_await a->update(apps::Deployment::kind_info(), "a", o, {})).has_value();
    }(&api, api::freeze(std::move(copy)), &done));
  }
  ASSERT_TRUE(eventually([&] { return rolled("app:2"); }));
  EXPECT_EQ(api.read_all(apps::ReplicaSet::kind_info(), "a").size(), 2u);
  api.erase(apps::Deployment::kind_info(), "a", "web");
  ASSERT_TRUE(eventually([&] {
    return api.read_all(core::Pod::kind_info(), "a").empty() &&
           api.read_all(apps::ReplicaSet::kind_info(), "a").empty();
  }));
  ASSERT_TRUE(eventually([&] {
    auto slices = api.read_all(discovery::EndpointSlice::kind_info(), "a");
    return slices.size() == 1 && discovery::EndpointSlice::of(*slices[0]).endpoints().empty();
  }));
  block_on(pool.next(), stop_manager(&manager));
  pool.stop();
}

}  // namespace
}  // namespace keelson::controllers
