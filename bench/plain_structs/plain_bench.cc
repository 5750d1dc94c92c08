// The generated plain structs on the same Pod as api_bench (ADR 0001).
#include <cstdlib>
#include <new>

#include "api/gen/core_v1.h"
#include "api/json.h"
#include "api/protobuf.h"
#include "bench/measure.h"
#include "bench/plain_structs/templates.h"
#include "bench/sample_pod.h"
#include "plain.h"

namespace {
std::size_t allocated = 0, allocations = 0;
}
void* operator new(std::size_t n) {
  allocated += n + 8;  // what a general allocator adds or rounds up, at the least
  ++allocations;
  return std::malloc(n);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

int main() {
  using namespace keelson;
  using namespace keelson::bench::plain;
  auto object = *api::parse_json(bench::kSamplePod, api::core_v1::Pod::kind_info());
  const std::string text = api::encode_json(*object);
  const std::string message = api::encode_protobuf(object->root());
  const auto parse = [&] {
    auto pod = std::make_unique<core_v1_Pod>();
    Scanner s(text);
    Arena a;
    if (!decode_json(s, a, *pod)) std::abort();
    return pod;
  };
  const auto from_pb = [&] {
    auto pod = std::make_unique<core_v1_Pod>();
    if (!decode_pb(message, *pod)) std::abort();
    return pod;
  };
  const auto to_json = [](const core_v1_Pod& pod) {
    std::string out;
    out.reserve(4096);
    encode_json(out, pod);
    return out;
  };
  const auto to_pb = [](const core_v1_Pod& pod) {
    Back w(2048);
    encode_pb(w, pod);
    return std::string(w.view());
  };
  allocated = allocations = 0;
  const auto pod = parse();
  std::printf("plain structs: %zu bytes in %zu allocations per decoded object; sizeof(Pod) %zu\n", allocated,
              allocations, sizeof(core_v1_Pod));
  std::printf("same JSON: %s, same protobuf: %s\n", to_json(*pod) == text ? "yes" : "no",
              to_pb(*pod) == message ? "yes" : "no");
  bench::measure("JSON decode", [&] { return parse()->metadata.name.size(); });
  bench::measure("JSON encode", [&] { return to_json(*pod).size(); });
  bench::measure("JSON decode + encode", [&] { return to_json(*parse()).size(); });
  bench::measure("protobuf decode", [&] { return from_pb()->metadata.name.size(); });
  bench::measure("protobuf encode", [&] { return to_pb(*pod).size(); });
}
