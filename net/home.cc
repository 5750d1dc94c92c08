#include "net/home.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

namespace keelson::net {

namespace asio = boost::asio;

bool at_home(const Executor& ex) {
  using Io = asio::io_context::executor_type;
  if (const auto* io = ex.target<Io>()) return io->running_in_this_thread();
  if (const auto* strand = ex.target<asio::strand<Io>>()) return strand->running_in_this_thread();
  if (const auto* strand = ex.target<asio::strand<Executor>>()) return strand->running_in_this_thread();
  return false;
}

}  // namespace keelson::net
