#include "base/failpoint.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "base/virtual_clock.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class FailpointTest : public testing::Test {
 protected:
  FailpointWorld world() {
    return {.sleep = [this](Duration d) { slept.push_back(d); },
            .panic = [this](const std::string& s) { panics.push_back(s); },
            .print = [this](const std::string& s) { printed.push_back(s); },
            .random = [this] { return random; }};
  }
  std::vector<Duration> slept;
  std::vector<std::string> panics, printed;
  double random = 0.5;
  Failpoints set{world()};
  const Failpoint point{&set, "p"};
};

TEST_F(FailpointTest, DoesNothingUntilItIsEnabled) {
  const Failpoint nowhere;
  nowhere.hit();
  EXPECT_FALSE(nowhere);
  EXPECT_FALSE(Failpoint(nullptr, "p"));
  point.hit();
  EXPECT_TRUE(slept.empty() && panics.empty() && printed.empty());
  EXPECT_EQ(set.list(), (std::vector<std::pair<std::string, std::string>>{{"p", ""}}));
  EXPECT_EQ(set.enable("other", "off").error().code, Code::kNotFound);
  EXPECT_EQ(set.disable("p").error().code, Code::kFailedPrecondition);
}

TEST_F(FailpointTest, CarriesOutEachAction) {
  ASSERT_TRUE(set.enable("p", "sleep(20)"));
  point.hit();
  ASSERT_TRUE(set.enable("p", R"(sleep("1m1.5s"))"));
  point.hit();
  EXPECT_EQ(slept, (std::vector<Duration>{20ms, 61500ms}));
  ASSERT_TRUE(set.enable("p", "print"));
  point.hit();
  EXPECT_EQ(printed, std::vector<std::string>{"failpoint print: p"});
  ASSERT_TRUE(set.enable("p", R"(panic("a \"b\""))"));
  point.hit();
  EXPECT_EQ(panics, std::vector<std::string>{R"(failpoint panic: p: a "b")"});
  ASSERT_TRUE(set.enable("p", R"(return("no space"))"));
  EXPECT_EQ(point.take().value, "no space");
  ASSERT_TRUE(set.enable("p", "return"));
  EXPECT_EQ(point.take().value, "");
  EXPECT_EQ(set.status("p")->count, 1u);
  ASSERT_TRUE(set.disable("p"));
  EXPECT_EQ(point.take().value, std::nullopt);
  EXPECT_EQ(slept.size(), 2u);
}

TEST_F(FailpointTest, ChainsCountAndChooseByChance) {
  ASSERT_TRUE(set.enable("p", "2*return(1)->1*return(2)->off"));
  std::vector<std::string> got;
  for (int i = 0; i < 5; ++i) got.push_back(point.take().value.value_or("-"));
  EXPECT_EQ(got, (std::vector<std::string>{"1", "1", "2", "-", "-"}));
  EXPECT_EQ(set.status("p")->count, 5u);
  ASSERT_TRUE(set.enable("p", "30.5%return"));
  EXPECT_FALSE(point.take().value);
  random = 0.3;
  EXPECT_TRUE(point.take().value);
  ASSERT_TRUE(set.enable("p", "1*40%return"));
  EXPECT_TRUE(point.take().value);
  EXPECT_FALSE(point.take().value);
}

TEST_F(FailpointTest, RefusesMalformedTerms) {
  ASSERT_TRUE(set.enable("p", "print"));
  for (const char* bad : {"", "x", "panic(", R"(panic("x)", R"(panic("x")y)", "print->", "->print", "3print",
                          "*print", "3.5.1%print", "sleep", "sleep(10s)", R"(sleep("10"))", R"(sleep("1x"))",
                          "return(abc)", "print print"}) {
    const auto r = set.enable("p", bad);
    ASSERT_FALSE(r) << bad;
    EXPECT_EQ(r.error().code, Code::kInvalidArgument) << bad;
  }
  EXPECT_EQ(set.status("p")->terms, "print");
}

TEST_F(FailpointTest, PresetTermsHoldOnceThePlaceExists) {
  ASSERT_TRUE(set.preset("later=print;;gone=off;"));
  EXPECT_FALSE(set.preset("a"));
  EXPECT_FALSE(set.preset("a=what"));
  const Failpoint later(&set, "later");
  const Failpoint same(&set, "later");
  same.hit();
  EXPECT_EQ(printed.size(), 1u);
  EXPECT_EQ(set.unclaimed(), std::vector<std::string>{"gone"});
  ASSERT_TRUE(set.enable_all("p=return;later=off"));
  EXPECT_TRUE(point.take().value);
  EXPECT_FALSE(set.enable_all("p=off;unknown=off"));
}

TEST_F(FailpointTest, ACoroutineAlonePauses) {
  ASSERT_TRUE(set.enable("p", R"(sleep("1h"))"));
  boost::asio::io_context io;
  VirtualClock clock;
  bool passed = false;
  auto task = [](Failpoint p, VirtualClock* c, bool* done) -> Task<> {
    co_await pass(p, *c);
    *done = true;
  };
  boost::asio::co_spawn(io, task(point, &clock, &passed), boost::asio::detached);
  io.poll();
  EXPECT_FALSE(passed);
  EXPECT_TRUE(slept.empty());
  clock.advance(1h);
  io.restart();
  io.poll();
  EXPECT_TRUE(passed);
}

}  // namespace
}  // namespace keelson
