// Objects, typed views and generic access.
#include "api/object.h"

#include <gtest/gtest.h>

#include "api/gen/apps_v1.h"
#include "api/gen/core_v1.h"

namespace keelson::api {
namespace {

std::unique_ptr<Object> small_pod() {
  auto object = Object::make(core_v1::Pod::kind_info());
  core_v1::PodMut pod = core_v1::PodMut::of(*object);
  pod.mutable_metadata().set_name("web");
  pod.mutable_metadata().mutable_labels().set("b", "2");
  pod.mutable_metadata().mutable_labels().set("a", "1");
  core_v1::ContainerMut c = pod.mutable_spec().add_containers();
  c.set_name("main");
  c.add_args("-v");
  c.add_ports().set_container_port(80);
  c.mutable_resources().mutable_requests().set("cpu", *Quantity::parse("1500m"));
  c.mutable_readiness_probe().mutable_http_get().set_port(IntOrString::of("web"));
  pod.mutable_spec().set_termination_grace_period_seconds(0);
  return object;
}

TEST(Object, ReadsBackWhatWasWritten) {
  const ObjectPtr object = freeze(small_pod());
  const core_v1::Pod pod = core_v1::Pod::of(*object);
  EXPECT_EQ(object->name(), "web");
  EXPECT_EQ(pod.metadata().labels().get("a"), "1");
  EXPECT_EQ((*pod.metadata().labels().begin()).first, "a");
  EXPECT_FALSE(pod.metadata().labels().contains("c"));
  ASSERT_EQ(pod.spec().containers().size(), 1u);
  const core_v1::Container c = pod.spec().containers()[0];
  EXPECT_EQ(c.ports()[0].container_port(), 80);
  EXPECT_EQ(c.resources().requests().get("cpu").milli_value(), 1500);
  EXPECT_EQ(c.readiness_probe().http_get().port().text, "web");
  EXPECT_FALSE(c.liveness_probe());
  EXPECT_EQ(c.liveness_probe().http_get().path(), "");
  EXPECT_TRUE(pod.spec().has_termination_grace_period_seconds());
  EXPECT_EQ(pod.spec().active_deadline_seconds_or(7), 7);
  EXPECT_EQ(pod.find("spec").as_struct(), pod.spec().data());
}

TEST(Object, CloneIsEqualAndIndependent) {
  const ObjectPtr a = freeze(small_pod());
  auto b = a->clone();
  EXPECT_TRUE(equal(a->root(), b->root()));
  core_v1::PodMut pod = core_v1::PodMut::of(*b);
  pod.mutable_status();                        // an empty struct that is no pointer: still equal
  pod.mutable_spec().mutable_node_selector();  // an empty map: still equal
  EXPECT_TRUE(equal(a->root(), b->root()));
  pod.mutable_spec().mutable_containers().at(0).mutable_resources().mutable_requests().set("cpu",
                                                                                           Quantity(2));
  EXPECT_FALSE(equal(a->root(), b->root()));
  EXPECT_EQ(core_v1::Pod::of(*a).spec().containers()[0].resources().requests().get("cpu").milli_value(),
            1500);
}

TEST(Object, ZeroOfAPlainFieldIsAbsent) {
  auto object = Object::make(apps_v1::Deployment::kind_info());
  apps_v1::DeploymentMut d = apps_v1::DeploymentMut::of(*object);
  d.mutable_spec().set_min_ready_seconds(0);
  d.mutable_spec().set_replicas(0);
  EXPECT_FALSE(d.spec().has_min_ready_seconds());
  EXPECT_TRUE(d.spec().has_replicas());
  EXPECT_EQ(object->kind()->resource, "deployments");
}

TEST(Schema, FindsEveryFieldByName) {
  std::size_t fields = 0;
  for (const Type* type : all_types()) {
    for (const Field& field : type->fields) {
      EXPECT_EQ(type->find(field.name), &field) << type->name << "." << field.name;
      ++fields;
    }
    EXPECT_EQ(type->find("noSuchField"), nullptr);
    EXPECT_EQ(type->find(""), nullptr);
  }
  EXPECT_GT(fields, 1000u);
  EXPECT_EQ(find_kind("v1", "Pod"), &core_v1::Pod::kind_info());
  EXPECT_EQ(find_resource("apps", "v1", "deployments"), &apps_v1::Deployment::kind_info());
  EXPECT_EQ(find_kind("v1", "DeleteOptions"), &meta_v1::DeleteOptions::kind_info());
  EXPECT_EQ(find_kind("v2", "Pod"), nullptr);
}

TEST(Quantity, CanonicalForms) {
  const auto canonical = [](const char* text) { return Quantity::parse(text)->text(); };
  EXPECT_EQ(canonical("1000m"), "1");
  EXPECT_EQ(canonical("0.5"), "500m");
  EXPECT_EQ(canonical("1.5Gi"), "1536Mi");
  EXPECT_EQ(canonical("1024"), "1024");
  EXPECT_EQ(canonical("1024Ki"), "1Mi");
  EXPECT_EQ(canonical("1e3"), "1e3");
  EXPECT_EQ(canonical("12e2"), "1200");
  EXPECT_EQ(canonical("1E"), "1E");
  EXPECT_EQ(canonical("-0.1m"), "-100u");
  EXPECT_EQ(canonical("0.0000000001"), "1n");
  EXPECT_EQ(canonical("99999999999999999999Ki"), "9223372036854775807");
  EXPECT_EQ(canonical("99999999999999999999"), "99999999999999999999");
  EXPECT_EQ(*Quantity::normalize("1000m"), "1");
  EXPECT_EQ(*Quantity::normalize("1.500"), "1.500");  // upstream's quick check takes it for canonical
  EXPECT_EQ(canonical("0.5Ki"), "512");
  EXPECT_EQ(canonical("00"), "0");
  EXPECT_EQ(Quantity::parse("1000m"), Quantity(1));
  EXPECT_EQ(Quantity::parse("1500m")->value(), 2);
  EXPECT_FALSE(Quantity::parse("1.5x"));
  EXPECT_FALSE(Quantity::parse(""));
  EXPECT_FALSE(Quantity::parse("1 Gi"));
  EXPECT_EQ((*Quantity::parse("1Gi") + *Quantity::parse("512Mi")).text(), "1536Mi");
}

TEST(Time, ParsesAndPrints) {
  EXPECT_EQ(format_time(*parse_time("2026-11-21T10:00:00.123+01:00")), "2026-11-21T09:00:00Z");
  EXPECT_EQ(format_micro_time(*parse_time("2026-11-21T09:00:00.123456789Z")), "2026-11-21T09:00:00.123456Z");
  EXPECT_FALSE(parse_time("2026-13-21T09:00:00Z"));
  EXPECT_EQ(parse_time_error("x", false),
            "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"");
  EXPECT_TRUE(Time{}.is_zero());
  EXPECT_EQ(format_duration(3'723'500'000'000), "1h2m3.5s");
}

}  // namespace
}  // namespace keelson::api
