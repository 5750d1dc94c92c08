#include "controllers/controller.h"

#include <boost/asio/strand.hpp>

#include "api/kinds.h"
#include "api/object.h"
#include "api/status.h"
#include "base/check.h"

namespace keelson::controllers {

Controller::Controller(const Context& context, std::string name, int workers, Duration max_backoff)
    : transport_(context.transport),
      clock_(context.clock),
      rng_(context.rng),
      logger_(context.logger.named(name)),
      informers_(context.informers),
      strand_(boost::asio::make_strand(context.executor)),
      queue_(context.clock, {.name = name, .max_delay = max_backoff}),
      name_(std::move(name)),
      workers_(workers) {
  CHECK(workers > 0);
  // Each controller its own numbers, also from one seed.
  for (char c : name_) rng_ = Rng(rng_.next() + static_cast<unsigned char>(c));
}

Controller::~Controller() = default;

const api::KindInfo& Controller::kind_info(std::string_view api_version, std::string_view kind) const {
  const api::KindInfo* info = api::find_kind(api_version, kind);
  CHECK_MSG(info != nullptr, "a controller asks for an unknown kind");
  return *info;
}

client::Informer& Controller::informer(std::string_view api_version, std::string_view kind) {
  auto shared = informers_.informer(kind_info(api_version, kind));
  used_.push_back(shared);
  return *shared;
}

void Controller::start() {
  spawn(queue_.run_delays());
  for (int i = 0; i < workers_; ++i) spawn(run_worker());
}

Task<> Controller::stop() {
  queue_.shut_down();
  co_await tasks_.stop();
}

Task<> Controller::wait_for_informers() {
  for (auto& informer : used_) co_await informer->wait_for_sync();
}

Task<> Controller::run_worker() {
  co_await wait_for_informers();
  while (auto key = co_await queue_.get()) {
    auto result = co_await sync(*key);
    if (result) {
      queue_.forget(*key);
    } else {
      // A lost race, or something that only takes its time.
      const bool expected =
          api::is_conflict(result.error()) || result.error().code == Code::kFailedPrecondition;
      if (expected) {
        logger_.debug("sync not done, again", {{"key", *key}, {"error", result.error()}});
      } else {
        logger_.warn("sync failed, again", {{"key", *key}, {"error", result.error()}});
      }
      queue_.add_rate_limited(*key);
    }
    queue_.done(*key);
  }
}

}  // namespace keelson::controllers
