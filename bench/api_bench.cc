// Codecs of the object model on a Pod of about 4 KB: time per operation and memory per decoded object.
// Usage: api_bench [FILE.json of a Pod]. Without a file it uses the Pod below.
#include <boost/json.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "api/gen/core_v1.h"
#include "api/json.h"
#include "api/protobuf.h"
#include "bench/measure.h"
#include "bench/sample_pod.h"

namespace keelson::api {
namespace {

using bench::measure;

int run(const std::string& json) {
  const KindInfo& kind = core_v1::Pod::kind_info();
  const Result<std::unique_ptr<Object>> parsed = parse_json(json, kind);
  if (!parsed) {
    std::fprintf(stderr, "%s\n", parsed.error().message.c_str());
    return 1;
  }
  const Object& pod = **parsed;
  const std::string text = encode_json(pod);
  const std::string stored = encode_enveloped(pod);
  std::printf("Pod: %zu bytes of JSON, %zu of protobuf\n", text.size(), stored.size());
  std::printf("memory of a decoded object: %zu bytes from JSON, %zu cloned (%zu used)\n", pod.memory(),
              pod.clone()->memory(), pod.clone()->arena().used());

  measure("JSON decode", [&] { return (*parse_json(text, kind))->memory(); });
  measure("JSON encode", [&] { return encode_json(pod).size(); });
  measure("JSON decode + encode", [&] { return encode_json(**parse_json(text, kind)).size(); });
  measure("protobuf decode (stored form)", [&] { return (*decode_stored(stored, kind))->memory(); });
  measure("protobuf encode (stored form)", [&] { return encode_enveloped(pod).size(); });
  measure("clone", [&] { return pod.clone()->memory(); });
  const auto copy = pod.clone();
  measure("equal", [&] { return static_cast<std::size_t>(equal(pod.root(), copy->root())); });
  measure("find_type_meta", [&] { return find_type_meta(text)->kind.size(); });
  measure("for comparison: boost::json parse + serialize", [&] {
    boost::json::monotonic_resource memory;
    return boost::json::serialize(boost::json::parse(text, &memory)).size();
  });
  return 0;
}

}  // namespace
}  // namespace keelson::api

int main(int argc, char** argv) {
  if (argc < 2) return keelson::api::run(std::string(keelson::bench::kSamplePod));
  std::ifstream in(argv[1]);
  std::stringstream text;
  text << in.rdbuf();
  return keelson::api::run(text.str());
}
