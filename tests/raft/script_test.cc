// Runs tests/testdata/raft/*.txt (script.h). RAFT_REWRITE=1 writes what was printed into the scripts instead
// of comparing: read the difference.
#include "tests/raft/script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace keelson::raft {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  for (const auto& f : fs::directory_iterator(fs::path(KEELSON_SOURCE_DIR) / "tests/testdata/raft")) {
    names.push_back(f.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

class RaftScript : public testing::TestWithParam<std::string> {};

TEST_P(RaftScript, PrintsWhatItSays) {
  const auto path = fs::path(KEELSON_SOURCE_DIR) / "tests/testdata/raft" / (GetParam() + ".txt");
  std::ifstream in(path);
  std::ostringstream whole;
  whole << in.rdbuf();
  std::istringstream lines(whole.str());
  Script script;
  std::string result;
  std::string printed;
  for (std::string line; std::getline(lines, line);) {
    result += line + "\n";
    if (line == "----") {
      while (std::getline(lines, line) && !line.empty()) {
      }
      result += printed + "\n";
      printed.clear();
    } else if (!line.empty() && line[0] != '#') {
      script.run(line, printed);
    }
  }
  if (std::getenv("RAFT_REWRITE") != nullptr) {
    std::ofstream(path) << result;
  } else {
    EXPECT_EQ(result, whole.str());
  }
}

INSTANTIATE_TEST_SUITE_P(All, RaftScript, testing::ValuesIn(scripts()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace keelson::raft
