#include "kvstore/client/watch_mux.h"

#include <boost/asio/post.hpp>

#include "kvstore/client/watch_group.h"

namespace keelson::kvstore {
namespace {

Error stopped_error() {
  return {Code::kUnavailable, "the client of the store has stopped"};
}

}  // namespace

void RemoteWatch::end(Error why, Revision compacted_at) {
  {
    std::lock_guard lock(mu);
    if (!ended) {
      ended = std::move(why);
      compacted = compacted_at;
    }
  }
  ready.set();
  known.set();
  room.set();
}

// The reader's end of a RemoteWatch.
class RemoteWatchStream final : public WatchStream {
 public:
  RemoteWatchStream(std::shared_ptr<WatchMux> mux, RemoteWatchPtr watch)
      : mux_(std::move(mux)), watch_(std::move(watch)) {}
  ~RemoteWatchStream() override {
    {
      std::lock_guard lock(watch_->mu);
      watch_->dropped = true;
      watch_->queue.clear();
    }
    watch_->room.set();
    boost::asio::post(mux_->home_, [mux = mux_, watch = watch_] { mux->remove(watch); });
  }

  Task<Result<WatchBatch>> next() override {
    RemoteWatch& w = *watch_;
    for (;;) {
      {
        std::lock_guard lock(w.mu);
        if (!w.queue.empty()) {
          WatchBatch batch = std::move(w.queue.front());
          w.queue.pop_front();
          w.queued_events -= batch.events.size();
          w.room.set();
          co_return batch;
        }
        if (w.ended) co_return fail(*w.ended);
        w.ready.reset();
      }
      co_await w.ready.wait();
    }
  }
  void request_progress() override {
    boost::asio::post(mux_->home_, [mux = mux_, watch = watch_] { mux->request_progress(watch); });
  }
  Revision compacted() const override {
    std::lock_guard lock(watch_->mu);
    return watch_->compacted;
  }

 private:
  const std::shared_ptr<WatchMux> mux_;
  const RemoteWatchPtr watch_;
};

WatchMux::WatchMux(Endpoints& endpoints, const RemoteStoreOptions& options, Executor home, Clock& clock,
                   Logger logger, std::atomic<Revision>& newest)
    : endpoints_(endpoints),
      options_(options),
      home_(std::move(home)),
      clock_(clock),
      logger_(std::move(logger)),
      newest_(newest) {}

WatchMux::~WatchMux() = default;

Task<Result<std::unique_ptr<WatchStream>>> WatchMux::watch(std::shared_ptr<WatchMux> mux,
                                                           WatchRequest request) {
  auto watch = std::make_shared<RemoteWatch>();
  watch->next = request.start_revision;
  watch->request = std::move(request);
  auto stream = std::make_unique<RemoteWatchStream>(mux, watch);
  boost::asio::post(mux->home_, [mux, watch] { mux->add(watch); });
  const MonoTime deadline = mux->clock_.now() + mux->options_.request_timeout;
  if (!co_await watch->known.wait_until(mux->clock_, deadline))
    co_return fail(Code::kUnavailable, "no store member took the watch in time");
  co_return std::unique_ptr<WatchStream>(std::move(stream));
}

void WatchMux::add(RemoteWatchPtr watch) {
  if (stopped_) return watch->end(stopped_error());
  for (auto& group : groups_)
    if (group->takes_more()) return group->add(std::move(watch));
  auto group = std::make_shared<WatchGroup>(*this);
  groups_.push_back(group);
  group->add(std::move(watch));
  tasks_.spawn(home_, WatchGroup::run(std::move(group)));
}

void WatchMux::remove(const RemoteWatchPtr& watch) {
  for (auto& group : groups_)
    if (group->has(watch)) return group->remove(watch);
}

void WatchMux::request_progress(const RemoteWatchPtr& watch) {
  for (auto& group : groups_)
    if (group->has(watch)) return group->request_progress();
}

Task<> WatchMux::stop() {
  boost::asio::post(home_, [self = shared_from_this()] {
    self->stopped_ = true;
    for (auto& group : std::exchange(self->groups_, {})) group->end_all(stopped_error());
  });
  co_await tasks_.stop();
}

}  // namespace keelson::kvstore
