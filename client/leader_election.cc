#include "client/leader_election.h"

#include "api/gen/coordination_v1.h"
#include "api/object.h"
#include "api/status.h"
#include "base/check.h"

namespace keelson::client {

namespace coordination = api::coordination_v1;

namespace {
const api::KindInfo& lease_kind() {
  return coordination::Lease::kind_info();
}
std::int32_t whole_seconds(Duration d) {
  return static_cast<std::int32_t>(std::chrono::duration_cast<std::chrono::seconds>(d).count());
}
}  // namespace

LeaderElector::LeaderElector(LeaderElectionOptions options, Transport& transport, Clock& clock, Rng rng,
                             Logger logger)
    : options_(std::move(options)),
      transport_(transport),
      clock_(clock),
      rng_(rng),
      logger_(logger.named("leader-election")) {
  CHECK(options_.lease_duration > options_.renew_deadline && options_.renew_deadline > options_.retry_period);
  CHECK(!options_.name.empty() && !options_.identity.empty());
}

Task<> LeaderElector::acquire() {
  while (!co_await try_acquire_or_renew()) {
    // Up to 2.2 periods: waiting instances do not march in step.
    const double jitter = 1.0 + 1.2 * rng_.unit();
    co_await clock_.sleep_for(
        Duration(static_cast<Duration::rep>(static_cast<double>(options_.retry_period.count()) * jitter)));
  }
  leading_ = true;
  logger_.info("became leader", {{"lease", options_.name}, {"identity", options_.identity}});
}

Task<> LeaderElector::hold() {
  MonoTime renewed = clock_.now();
  for (;;) {
    co_await clock_.sleep_for(options_.retry_period);
    if (co_await try_acquire_or_renew()) {
      renewed = clock_.now();
      continue;
    }
    const bool taken = !observed_holder_.empty() && observed_holder_ != options_.identity;
    if (taken || clock_.now() - renewed >= options_.renew_deadline) break;
  }
  leading_ = false;
  logger_.warn("lost the lease", {{"lease", options_.name}, {"holder", observed_holder_}});
}

Task<> LeaderElector::release() {
  if (!leading_.exchange(false) || !observed_) co_return;
  auto copy = observed_->clone();
  auto spec = coordination::LeaseMut::of(*copy).mutable_spec();
  spec.set_holder_identity("");
  spec.set_lease_duration_seconds(1);
  const api::Time now = api::Time::from(clock_.wall());
  spec.set_renew_time(now);
  spec.set_acquire_time(now);
  co_await transport_.update(lease_kind(), options_.ns, api::freeze(std::move(copy)), {});
}

void LeaderElector::observe(const api::ObjectPtr& lease) {
  if (observed_ && observed_->resource_version() == lease->resource_version()) return;
  observed_ = lease;
  observed_at_ = clock_.now();
  const std::string holder(coordination::Lease::of(*lease).spec().holder_identity());
  if (holder != observed_holder_) {
    logger_.info("leader is", {{"lease", options_.name}, {"holder", holder}});
    observed_holder_ = holder;
  }
}

api::ObjectPtr LeaderElector::lease_with_us(const api::Object* current) const {
  auto object = current != nullptr ? current->clone() : api::Object::make(lease_kind());
  auto lease = coordination::LeaseMut::of(*object);
  if (current == nullptr) {
    lease.mutable_metadata().set_name(options_.name);
    lease.mutable_metadata().set_namespace(options_.ns);
  }
  auto spec = lease.mutable_spec();
  const api::Time now = api::Time::from(clock_.wall());
  const bool ours = current != nullptr && spec.view().holder_identity() == options_.identity;
  if (!ours) {
    spec.set_acquire_time(now);
    spec.set_lease_transitions(current == nullptr ? 0 : spec.view().lease_transitions() + 1);
  }
  spec.set_holder_identity(options_.identity);
  spec.set_lease_duration_seconds(whole_seconds(options_.lease_duration));
  spec.set_renew_time(now);
  return api::freeze(std::move(object));
}

Task<bool> LeaderElector::create_lease() {
  auto created = co_await transport_.create(lease_kind(), options_.ns, lease_with_us(nullptr), {});
  if (!created) {
    logger_.debug("cannot create the lease", {{"error", created.error()}});
    co_return false;
  }
  observe(*created);
  co_return true;
}

Task<bool> LeaderElector::try_acquire_or_renew() {
  // A holder renews what it wrote last, without reading first.
  if (!leading_ || !observed_) {
    auto current = co_await transport_.get(lease_kind(), options_.ns, options_.name, {});
    if (!current) {
      if (api::is_not_found(current.error())) co_return co_await create_lease();
      logger_.warn("cannot read the lease", {{"lease", options_.name}, {"error", current.error()}});
      co_return false;
    }
    observe(*current);
  }
  const auto spec = coordination::Lease::of(*observed_).spec();
  const bool ours = spec.holder_identity() == options_.identity;
  const Duration lasts = std::chrono::seconds(spec.lease_duration_seconds());
  if (!ours && !spec.holder_identity().empty() && clock_.now() < observed_at_ + lasts) co_return false;
  auto updated = co_await transport_.update(lease_kind(), options_.ns, lease_with_us(observed_.get()), {});
  if (!updated) {
    logger_.debug("cannot renew the lease", {{"error", updated.error()}});
    if (api::is_conflict(updated.error())) {
      auto current = co_await transport_.get(lease_kind(), options_.ns, options_.name, {});
      if (current) observe(*current);
    }
    co_return false;
  }
  observe(*updated);
  co_return true;
}

}  // namespace keelson::client
