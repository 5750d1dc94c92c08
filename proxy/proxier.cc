#include "proxy/proxier.h"

#include <boost/asio/strand.hpp>

#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"

namespace keelson::proxy {

Proxier::Proxier(ProxierOptions options, client::InformerFactory& informers, Executor executor, Executor pool, Clock& clock,
                 Logger logger)
    : o_(std::move(options)),
      strand_(boost::asio::make_strand(executor)),
      pool_(std::move(pool)),
      clock_(clock),
      log_(logger.named("proxy")),
      iptables_(log_),
      services_(informers.informer(api::core_v1::Service::kind_info())),
      slices_(informers.informer(api::discovery_v1::EndpointSlice::kind_info())) {}

Proxier::~Proxier() = default;

void Proxier::start() {
  const client::EventHandler mark{[this](const api::ObjectPtr&) { dirty_.set(); },
                                  [this](const api::ObjectPtr&, const api::ObjectPtr&) { dirty_.set(); },
                                  [this](const api::ObjectPtr&) { dirty_.set(); }};
  services_->add_handler(mark);
  slices_->add_handler(mark);
  tasks_.spawn(strand_, run());
}

Task<> Proxier::stop() { co_await tasks_.stop(); }

Task<> Proxier::run() {
  co_await services_->wait_for_sync();
  co_await slices_->wait_for_sync();
  for (;;) {
    dirty_.reset();
    const bool good = co_await sync();
    if (!good) dirty_.set();
    co_await clock_.sleep_for(good ? o_.min_sync : Duration(std::chrono::seconds(2)));
    co_await dirty_.wait_until(clock_, clock_.now() + o_.full_sync);
  }
}

Task<bool> Proxier::sync() {
  const auto services = collect_services(services_->store().list(), slices_->store().list(), o_.node_name);
  co_await resume_on(pool_);
  const bool first = !synced_.is_set();
  if (first) {
    auto left = iptables_.existing_chains();
    if (!left) {
      log_.error("reading the kernel's rules failed", {{"error", left.error()}});
      co_return false;
    }
    chains_ = std::move(*left);
  }
  RuleSet rules = make_rules(services, chains_, o_.rules);
  if (auto applied = iptables_.apply(rules); !applied) {
    log_.error("applying rules failed", {{"error", applied.error()}});
    co_return false;
  }
  if (rules.restore_input != applied_) log_.debug("rules applied", {{"services", services.size()}});
  applied_ = std::move(rules.restore_input);
  chains_ = std::move(rules.nat_chains);
  synced_.set();
  co_return true;
}

}  // namespace keelson::proxy
