#include "kvstore/server/etcd/leader_monitor.h"

namespace keelson::kvstore::etcd {
namespace {
constexpr int kPatience = 3;  // looks without a leader
}

bool wants_leader(const net::GrpcCall& call) {
  const auto v = call.request().headers.get("hasleader");
  return v && *v == "true";
}

LeaderMonitor::Registration::~Registration() {
  std::lock_guard lock(monitor_.mu_);
  monitor_.streams_.erase(id_);
}

std::unique_ptr<LeaderMonitor::Registration> LeaderMonitor::watch(const net::GrpcCall& call,
                                                                  std::function<void()> on_lost) {
  if (!wants_leader(call)) return nullptr;
  std::lock_guard lock(mu_);
  const std::uint64_t id = next_++;
  streams_.emplace(id, std::move(on_lost));
  return std::make_unique<Registration>(*this, id);
}

Task<> LeaderMonitor::run() {
  for (int without = 0;;) {
    co_await c_.clock.sleep_for(c_.options.election_timeout);
    without = c_.member.leader() == 0 ? without + 1 : 0;
    if (without < kPatience) continue;
    std::lock_guard lock(mu_);
    for (auto& [id, f] : streams_) {
      if (auto lost = std::exchange(f, nullptr)) lost();
    }
  }
}

}  // namespace keelson::kvstore::etcd
