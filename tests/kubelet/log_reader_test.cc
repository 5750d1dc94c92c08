#include "kubelet/server/log_reader.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/async.h"
#include "kubelet/server/log_file.h"
#include "tests/net/run_coroutine.h"

namespace keelson::kubelet {
namespace {

using net::run_coroutine;

class LogReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::temp_directory_path() / ("keelson-log-" + std::to_string(::getpid()));
    std::filesystem::create_directories(dir_);
    path_ = dir_ / "0.log";
    std::filesystem::remove(path_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }

  static Task<Result<void>> collect(std::string* out, std::string text) {
    *out += text;
    co_return Result<void>{};
  }
  static Task<Result<bool>> answer(const bool* running) { co_return *running; }
  static Task<> run(std::string path, std::string query, std::string* out, const bool* running) {
    net::AsioClock clock;
    const auto options = LogOptions::from_query(query, clock.wall());
    EXPECT_TRUE(options);
    const auto done = co_await read_log(
        path, *options, [running] { return answer(running); },
        [out](std::string text) { return collect(out, std::move(text)); }, clock);
    EXPECT_TRUE(done) << done.error().message;
  }
  std::string logs(const std::string& query) {
    std::string out;
    const bool running = false;
    run_coroutine([&](Executor) { return run(path_, query, &out, &running); });
    return out;
  }

  std::filesystem::path dir_, path_;
};

constexpr auto kLog =
    "2026-11-21T09:00:00.5Z stdout F one\n"
    "2026-11-21T09:00:01.123456789Z stderr F two\n"
    "not a log line\n"
    "2026-11-21T11:00:02+02:00 stdout P thr\n"
    "2026-11-21T11:00:02.1+02:00 stdout F ee\n"
    "2026-11-21T09:00:03Z stdout F \n";

TEST_F(LogReaderTest, FormatsAndFilters) {
  append(kLog);
  EXPECT_EQ(logs(""), "one\ntwo\nthree\n\n");
  EXPECT_EQ(logs("timestamps=true"),
            "2026-11-21T09:00:00.500000000Z one\n2026-11-21T09:00:01.123456789Z two\n"
            "2026-11-21T11:00:02.000000000+02:00 three\n2026-11-21T09:00:03.000000000Z \n");
  EXPECT_EQ(logs("tailLines=2"), "ee\n\n");
  EXPECT_EQ(logs("tailLines=0"), "");
  EXPECT_EQ(logs("tailLines=100"), "one\ntwo\nthree\n\n");
  EXPECT_EQ(logs("limitBytes=6"), "one\ntw");
  EXPECT_EQ(logs("sinceTime=2026-11-21T09%3A00%3A02Z"), "three\n\n");
  EXPECT_EQ(logs("sinceSeconds=1&follow=true"), "");
  EXPECT_EQ(logs("stream=Stderr"), "two\n");
}

TEST_F(LogReaderTest, TailCountsAcrossChunks) {
  std::string want;
  for (int i = 0; i < 20000; ++i) {
    append("2026-11-21T09:00:00Z stdout F line " + std::to_string(i) + "\n");
    if (i >= 5000) want += "line " + std::to_string(i) + "\n";
  }
  EXPECT_EQ(logs("tailLines=15000"), want);
}

TEST(LogOptions, RefusesNonsense) {
  for (const char* q : {"tailLines=-1", "tailLines=x", "limitBytes=0", "sinceSeconds=0",
                        "sinceTime=yesterday", "sinceSeconds=1&sinceTime=2026-11-21T09:00:00Z"}) {
    EXPECT_FALSE(LogOptions::from_query(q, WallTime())) << q;
  }
}

TEST(LogLine, ParsesTimesOfAllZones) {
  EXPECT_EQ(*parse_rfc3339("2026-11-21T11:00:02+02:00"), *parse_rfc3339("2026-11-21T09:00:02Z"));
  EXPECT_EQ(*parse_rfc3339("2026-11-20T23:30:02-09:30"), *parse_rfc3339("2026-11-21T09:00:02.000Z"));
  for (const char* bad :
       {"", "2026-11-21", "2026-13-21T09:00:02Z", "2026-11-21T09:00:02", "2026-11-21T09:00:02.Z"}) {
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
  }
}

Task<> until(std::function<bool()> condition) {
  net::AsioClock clock;
  for (int i = 0; i < 500 && !condition(); ++i) co_await clock.sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(condition());
}

TEST_F(LogReaderTest, FollowsAcrossRotationUntilTheContainerEnds) {
  append("2026-11-21T09:00:00Z stdout F one\n2026-11-21T09:00:00Z stdout F tw");
  std::string out;
  bool running = true;
  struct Follow {
    static Task<> run(Executor ex, LogReaderTest* t, std::filesystem::path path, std::string* out,
                      bool* running) {
      TaskGroup reader;
      reader.spawn(ex, LogReaderTest::run(path, "follow=true", out, running));
      co_await until([out] { return *out == "one\n"; });
      std::ofstream(path, std::ios::app) << "o\n";
      co_await until([out] { return *out == "one\ntwo\n"; });
      std::ofstream(path, std::ios::app) << "2026-11-21T09:00:00Z stdout F three\n";
      std::filesystem::rename(path, path.string() + ".1");
      std::ofstream(path) << "2026-11-21T09:00:00Z stdout F four\n";
      co_await until([out] { return *out == "one\ntwo\nthree\nfour\n"; });
      std::ofstream(path, std::ios::app) << "2026-11-21T09:00:00Z stdout F last words";
      *running = false;
      co_await reader.join();
      EXPECT_EQ(*out, "one\ntwo\nthree\nfour\nlast words\n");
    }
  };
  run_coroutine([&](Executor ex) { return Follow::run(ex, this, path_, &out, &running); });
}

}  // namespace
}  // namespace keelson::kubelet
