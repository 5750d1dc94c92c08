// Task<T>: the coroutine type of every shell. Core code (raft/core, mvcc, planners) never sees it.
//
// Cancellation: asio's per-coroutine cancellation. TaskGroup::cancel() makes the co_await at which a member
// is suspended throw boost::system::system_error(operation_aborted); RAII cleans up; the group swallows it.
// Parameters of coroutines are taken by value; no capturing-lambda coroutines (STYLE.md).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace keelson {

template <class T = void>
using Task = boost::asio::awaitable<T>;
using Executor = boost::asio::any_io_executor;

}  // namespace keelson
