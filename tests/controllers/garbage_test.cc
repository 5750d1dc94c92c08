// Owner references and namespaces: the scenarios gc-* and ns-* of data/controller-facts.
#include <gmock/gmock.h>

#include "controllers/pod_util.h"
#include "tests/controllers/cluster.h"

namespace keelson::controllers {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

struct GarbageTest : Cluster {
  void SetUp() override {
    api.seed(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}})");
    start();
    run_for(1s);
  }
  api::ObjectPtr map(std::string_view name, std::string_view ns = "a") {
    return api.read(core::ConfigMap::kind_info(), ns, name);
  }
  // A ConfigMap with owners: pairs of owner and blockOwnerDeletion.
  api::ObjectPtr seed_map(std::string name, std::vector<std::pair<api::ObjectPtr, bool>> owners = {},
                          std::string finalizers = "") {
    std::string refs;
    for (const auto& [owner, blocks] : owners) {
      refs += std::string(refs.empty() ? "" : ",") + R"({"apiVersion":"v1","kind":"ConfigMap","name":")" +
              std::string(owner->name()) + R"(","uid":")" + std::string(owner->uid()) +
              R"(","blockOwnerDeletion":)" + (blocks ? "true" : "false") + "}";
    }
    return api.seed(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
                    R"(","namespace":"a","ownerReferences":[)" + refs + R"(],"finalizers":[)" + finalizers +
                    "]}}");
  }
  void remove(std::string_view name, std::string policy) {
    client::DeleteOptions options;
    options.propagation_policy = std::move(policy);
    run_task(api.remove(core::ConfigMap::kind_info(), "a", std::string(name), options));
  }
  template <class T>
  void run_task(Task<T> task) {
    boost::asio::co_spawn(io, std::move(task), [](std::exception_ptr e, auto&&...) {
      if (e) std::rethrow_exception(e);
    });
    poll();
  }
};

TEST_F(GarbageTest, Background) {
  auto a = seed_map("a");
  auto b = seed_map("b", {{a, true}});
  seed_map("c", {{b, false}});
  run_for(1s);
  EXPECT_TRUE(map("c"));
  remove("a", "Background");
  EXPECT_TRUE(run_until([&] { return !map("b") && !map("c"); }));
}

TEST_F(GarbageTest, ForegroundWaitsForBlockingDependents) {
  auto a = seed_map("a");
  auto b = seed_map("b", {{a, true}}, R"("example.com/hold")");
  seed_map("c", {{a, false}});
  seed_map("d", {{b, true}});
  run_for(1s);
  remove("a", "Foreground");
  ASSERT_TRUE(run_until([&] { return !map("c") && !map("d"); }));
  run_for(2s);
  ASSERT_TRUE(map("a"));
  ASSERT_TRUE(map("b"));
  ASSERT_EQ(map("b")->meta().finalizers().size(), 1u);
  run_task(api.patch(core::ConfigMap::kind_info(), "a", "b", client::PatchType::kMerge,
                     R"({"metadata":{"finalizers":[]}})", {}));
  EXPECT_TRUE(run_until([&] { return !map("a") && !map("b"); }));
}

TEST_F(GarbageTest, OrphanTakesReferencesOff) {
  auto a = seed_map("a");
  seed_map("b", {{a, true}});
  run_for(1s);
  remove("a", "Orphan");
  ASSERT_TRUE(run_until([&] { return !map("a"); }));
  ASSERT_TRUE(map("b"));
  EXPECT_TRUE(map("b")->meta().owner_references().empty());
}

TEST_F(GarbageTest, BadReferences) {
  auto a = seed_map("a");
  auto z = seed_map("z");
  auto gone = seed_map("gone");
  api.erase(core::ConfigMap::kind_info(), "a", "gone");
  seed_map("absent", {{gone, false}});
  seed_map("two-owners", {{a, false}, {z, false}});
  api.seed(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"no-kind","namespace":"a",
      "ownerReferences":[{"apiVersion":"example.com/v1","kind":"Nothing","name":"n","uid":"1"}]}})");
  api.seed(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"b"}})");
  auto elsewhere =
      api.seed(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"far","namespace":"b"}})");
  seed_map("other-namespace", {{elsewhere, false}});
  ASSERT_TRUE(run_until([&] { return !map("absent") && !map("other-namespace"); }));
  run_for(1s);
  EXPECT_TRUE(map("no-kind"));
  EXPECT_THAT(events("a"),
              Contains("Warning OwnerRefInvalidNamespace ownerRef [v1/ConfigMap, namespace: a, name: far, "
                       "uid: " +
                       std::string(elsewhere->uid()) + "] does not exist in namespace \"a\""));
  remove("a", "Background");
  ASSERT_TRUE(run_until([&] { return map("two-owners")->meta().owner_references().size() == 1; }));
  EXPECT_EQ(map("two-owners")->meta().owner_references()[0].name(), "z");
}

TEST_F(GarbageTest, NamespaceDefaultsComeBack) {
  ASSERT_TRUE(run_until([&] { return map("kube-root-ca.crt") != nullptr; }));
  EXPECT_TRUE(api.read(core::ServiceAccount::kind_info(), "a", "default"));
  api.erase(core::ServiceAccount::kind_info(), "a", "default");
  auto edited = map("kube-root-ca.crt")->clone();
  core::ConfigMapMut::of(*edited).mutable_data().set("ca.crt", "x");
  api.overwrite(std::move(edited));
  EXPECT_TRUE(run_until([&] {
    return api.read(core::ServiceAccount::kind_info(), "a", "default") &&
           core::ConfigMap::of(*map("kube-root-ca.crt")).data_().get("ca.crt") == "CA\n";
  }));
}

TEST_F(GarbageTest, NamespaceIsEmptiedPodsFirst) {
  seed_deployment(2, R"({"type":"Recreate"})");
  seed_map("held", {}, R"("example.com/hold")");
  ASSERT_TRUE(run_until([&] { return pods("a").size() == 2; }));
  end_pods = false;
  run_for(1s);
  run_task(api.remove(core::Namespace::kind_info(), "", "a", {}));
  run_for(4s);
  EXPECT_TRUE(std::ranges::none_of(pods("a"), [](auto& p) { return p->meta().has_deletion_timestamp(); }));
  run_for(4s);
  // Pods end slowly: nothing else is touched meanwhile.
  EXPECT_TRUE(std::ranges::all_of(pods("a"), [](auto& p) { return p->meta().has_deletion_timestamp(); }));
  EXPECT_TRUE(deployment("a", "web"));
  end_pods = true;
  ASSERT_TRUE(run_until([&] { return !deployment("a", "web") && pods("a").empty(); }));
  run_for(2s);
  auto ns = api.read(core::Namespace::kind_info(), "", "a");
  ASSERT_TRUE(ns);
  std::string messages;
  for (auto c : core::Namespace::of(*ns).status().conditions()) {
    if (c.status() == "True") messages += std::string(c.reason()) + ": " + std::string(c.message()) + "\n";
  }
  EXPECT_EQ(
      messages,
      "SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances\n"
      "SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 1 "
      "resource instances\n");
  run_task(api.patch(core::ConfigMap::kind_info(), "a", "held", client::PatchType::kMerge,
                     R"({"metadata":{"finalizers":[]}})", {}));
  EXPECT_TRUE(run_until([&] { return !api.read(core::Namespace::kind_info(), "", "a"); }));
  EXPECT_TRUE(api.read_all(core::ConfigMap::kind_info(), "a").empty());
}

}  // namespace
}  // namespace keelson::controllers
