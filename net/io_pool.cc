#include "net/io_pool.h"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <mutex>
#include <thread>

#include "base/check.h"

namespace keelson::net {

namespace asio = boost::asio;

struct IoPool::Impl {
  using Guard = asio::executor_work_guard<asio::io_context::executor_type>;
  std::vector<std::unique_ptr<asio::io_context>> loops;
  asio::io_context worker_loop;
  std::size_t worker_threads = 0;
  std::vector<Guard> guards;
  std::vector<Executor> executors;
  std::vector<std::thread> threads;
  std::mutex join_mu;
  std::atomic<std::size_t> next = 0;

  void join_threads() {
    std::lock_guard lock(join_mu);
    for (auto& t : threads) t.join();
    threads.clear();
  }
};

IoPool::IoPool(std::size_t io_threads, std::size_t worker_threads) : impl_(std::make_unique<Impl>()) {
  CHECK(io_threads > 0 && worker_threads > 0);
  impl_->worker_threads = worker_threads;
  for (std::size_t i = 0; i < io_threads; ++i) {
    // Concurrency hint 1: one thread runs the loop, any thread may post to it.
    impl_->loops.push_back(std::make_unique<asio::io_context>(1));
    impl_->executors.emplace_back(impl_->loops.back()->get_executor());
  }
}

IoPool::~IoPool() {
  stop();
}

const std::vector<Executor>& IoPool::executors() const {
  return impl_->executors;
}

Executor IoPool::next() {
  return impl_->executors[impl_->next.fetch_add(1, std::memory_order_relaxed) % impl_->executors.size()];
}

Executor IoPool::workers() {
  return impl_->worker_loop.get_executor();
}

void IoPool::start() {
  CHECK(impl_->threads.empty());
  for (auto& loop : impl_->loops) {
    impl_->guards.emplace_back(loop->get_executor());
    impl_->threads.emplace_back([l = loop.get()] { l->run(); });
  }
  impl_->guards.emplace_back(impl_->worker_loop.get_executor());
  for (std::size_t i = 0; i < impl_->worker_threads; ++i) {
    impl_->threads.emplace_back([l = &impl_->worker_loop] { l->run(); });
  }
}

void IoPool::stop() {
  impl_->guards.clear();
  for (auto& loop : impl_->loops) loop->stop();
  impl_->worker_loop.stop();
  impl_->join_threads();
}

void IoPool::join() {
  impl_->join_threads();
}

}  // namespace keelson::net
