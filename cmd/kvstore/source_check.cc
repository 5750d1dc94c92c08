#include "cmd/kvstore/source_check.h"

#include "base/blocking.h"

namespace keelson::cmd {
namespace {

// Nobody waits any longer (ServerOptions::handshake_timeout).
constexpr Duration kPatience = std::chrono::seconds(10);

}  // namespace

SourceCheck::SourceCheck(std::unique_ptr<net::NameService> names, Clock& clock)
    : names_(std::move(names)), clock_(clock) {
  threads_.start();
}

Task<Result<void>> SourceCheck::admit(std::shared_ptr<const net::ConnectionInfo> connection) {
  const auto& cert = connection->peer;
  const std::string& ip = connection->remote_address;
  if (!cert || ip.empty()) co_return Result<void>();
  if (!net::wants_lookup(*cert, ip)) co_return net::check_source(*cert, ip, *names_);
  const MonoTime end = clock_.now() + kPatience;
  co_return co_await run_blocking(threads_.workers(), [&]() -> Result<void> {
    if (clock_.now() > end) return fail(Code::kUnauthenticated, "the name service takes too long for " + ip);
    return net::check_source(*cert, ip, *names_);
  });
}

}  // namespace keelson::cmd
