#include "base/async.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <thread>

#include "net/asio_clock.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

class AsyncTest : public ::testing::Test {
 protected:
  void run(Task<> t) {
    auto guard = boost::asio::make_work_guard(io_);
    std::thread a([this] { io_.run(); }), b([this] { io_.run(); });
    block_on(io_.get_executor(), std::move(t));
    guard.reset();
    a.join();
    b.join();
  }
  boost::asio::io_context io_;
  net::AsioClock clock_;
};

Task<> produce(Channel<int>* c, int n) {
  for (int i = 0; i < n; ++i) EXPECT_TRUE(co_await c->push(i));
  c->close();
}

Task<> consume_all(Channel<int>* c, int n) {
  auto ex = co_await boost::asio::this_coro::executor;
  TaskGroup g;
  g.spawn(ex, produce(c, n));
  int want = 0;
  while (auto v = co_await c->pop()) EXPECT_EQ(*v, want++);
  EXPECT_EQ(want, n);
  co_await g.join();
}

TEST_F(AsyncTest, ChannelKeepsOrderAndEnds) {
  Channel<int> c(3);
  run(consume_all(&c, 1000));
}

Task<> wait_forever(std::atomic<int>* ended) {
  AsyncEvent never;
  struct Note {
    std::atomic<int>* n;
    ~Note() { ++*n; }
  } note{ended};
  co_await never.wait();
}

Task<> cancel_many(std::atomic<int>* ended) {
  auto ex = co_await boost::asio::this_coro::executor;
  TaskGroup g;
  for (int i = 0; i < 50; ++i) g.spawn(ex, wait_forever(ended));
  co_await g.stop();
  EXPECT_EQ(g.size(), 0u);
}

TEST_F(AsyncTest, CancelEndsEveryMember) {
  std::atomic<int> ended{0};
  run(cancel_many(&ended));
  EXPECT_EQ(ended, 50);
}

Task<> time_out(Clock* clock) {
  AsyncEvent e;
  EXPECT_FALSE(co_await e.wait_until(*clock, clock->now() + 5ms));
  e.set();
  EXPECT_TRUE(co_await e.wait_until(*clock, clock->now() + 5ms));
}

TEST_F(AsyncTest, WaitUntilEndsByTimeOrByEvent) {
  run(time_out(&clock_));
}

}  // namespace
}  // namespace keelson
