#include "cmd/kvstore/ready_gate.h"

#include <algorithm>
#include <array>

namespace keelson::cmd {
namespace {

bool always_served(std::string_view path) {
  static constexpr std::array<std::string_view, 4> kPaths{"/health", "/livez", "/readyz", "/metrics"};
  return path == "/version" || std::ranges::any_of(kPaths, [&](auto p) { return path.starts_with(p); });
}

}  // namespace

void ReadyGate::open() {
  open_.store(true, std::memory_order_release);
  opened_.set();
}

Task<> ReadyGate::handle(net::Exchange& exchange) {
  if (open_.load(std::memory_order_acquire) || always_served(exchange.request().path())) return inner_.handle(exchange);
  return wait(exchange);
}

Task<> ReadyGate::wait(net::Exchange& exchange) {
  while (!co_await opened_.wait_until(clock_, clock_.now() + std::chrono::seconds(1))) {
    if (exchange.is_closed()) co_return;
  }
  co_await inner_.handle(exchange);
}

}  // namespace keelson::cmd
