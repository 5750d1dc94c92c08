// Runs one coroutine on an io_context of its own until it ends, on this thread: one executor, as connections
// have.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <stdexcept>

#include "base/task.h"
#include "net/asio_clock.h"

namespace keelson::net {

// Rethrows what `make(io)`'s task throws; throws std::runtime_error when it has not ended after `limit`.
template <class MakeTask>
void run_coroutine(MakeTask make, std::chrono::seconds limit = std::chrono::seconds(20)) {
  boost::asio::io_context io;
  bool ended = false;
  std::exception_ptr error;
  boost::asio::co_spawn(io, make(Executor(io.get_executor())), [&](std::exception_ptr e) {
    ended = true;
    error = e;
  });
  io.run_for(limit);
  if (error) std::rethrow_exception(error);
  if (!ended) throw std::runtime_error("the coroutine has not ended in time");
}

}  // namespace keelson::net
