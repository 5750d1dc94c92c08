// Where the recorded facts of a real kube-apiserver lie: $KEELSON_SHARED, else ../shared beside the source,
// else /work/shared.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

namespace keelson::api {

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// Empty when there is none.
inline std::filesystem::path data_dir() {
  const char* env = std::getenv("KEELSON_SHARED");
  const std::filesystem::path candidates[] = {
      env != nullptr ? env : "", std::filesystem::path(KEELSON_SOURCE_DIR) / "../shared", "/work/shared"};
  for (const auto& candidate : candidates)
    if (!candidate.empty() && std::filesystem::exists(candidate / "data/kube-v1.36-facts"))
      return candidate / "data";
  return {};
}

}  // namespace keelson::api

// Ends the test, loudly, when the facts are not there.
#define NEED_DATA(dir)                                                                                  \
  const std::filesystem::path dir = ::keelson::api::data_dir();                                         \
  if (dir.empty()) {                                                                                    \
    std::cerr << "\n*** SKIPPED: recorded data not found; set KEELSON_SHARED to the folder that holds " \
                 "data/ ***\n\n";                                                                       \
    GTEST_SKIP();                                                                                       \
  }
