#include "chaos/sim/watch_client.h"

#include <algorithm>

#include "chaos/sim/world.h"
#include "kvstore/server/watch_stream.h"

namespace keelson::sim {

using namespace std::chrono_literals;
using namespace kvstore;

SimWatch::SimWatch(World& world, std::uint64_t number, Rng rng) : world_(world), number_(number), rng_(rng) {
  request_.key = "k/";
  request_.end = "k0";
  if (number % 3 == 1) {  // a part
    request_.key = "k/" + std::to_string(rng_.below(10));
    request_.end = rng_.below(2) == 0 ? "" : "k/5";
    if (!request_.end.empty() && request_.end <= request_.key) request_.end = "k0";
  }
  request_.start_revision = 2;
  request_.prev_kv = rng_.below(2) == 0;
  request_.progress_notify = rng_.below(2) == 0;
  if (number % 3 == 2) (rng_.below(2) == 0 ? request_.no_put : request_.no_delete) = true;
  slow_ = rng_.below(4) == 0;
}

SimWatch::~SimWatch() {
  close(0);
}

void SimWatch::start() {
  world_.events().after(Duration(rng_.below(2'000'000'000)), [this] { open(); });
}

void SimWatch::open() {
  reopening_ = false;
  SimMember* m = world_.random_up(rng_);
  if (m == nullptr || m->replica()->published().refusal() || m->damage == SimMember::Damage::kDiverged) {
    return reopen_later();
  }
  close(0);
  ++world_.counters()[Count::kWatches];
  session_ = std::make_unique<Session>();
  session_->member = m;
  session_->record.id = number_ * 10000 + ++sessions_;
  session_->record.request = request_;
  if (world_.trace().on()) {
    world_.note("w" + std::to_string(number_),
                "watches from " + std::to_string(request_.start_revision) + " on " + m->name());
  }
  EmbeddedWatch::Options options;
  options.buffer_events = 64;
  options.resync_events = 32;
  session_->stream = std::make_unique<EmbeddedWatch>(
      [r = m->replica()] {
        auto mvcc = r->published().mvcc();
        return std::shared_ptr<const State>(mvcc, mvcc->state.get());
      },
      m->replica()->hub(), request_, options);
  session_->stream->set_waker([this, id = session_->record.id] { read_soon(id, Duration{}); });
  read_soon(session_->record.id, Duration{});
}

void SimWatch::reopen_later() {
  if (reopening_) return;
  reopening_ = true;
  world_.events().after(20ms + Duration(rng_.below(500'000'000)), [this] { open(); });
}

void SimWatch::read_soon(std::uint64_t id, Duration after) {
  world_.events().after(after, [this, id] {
    if (session_ != nullptr && session_->record.id == id) read();
  });
}

void SimWatch::read() {
  Session& s = *session_;
  s.resting = false;
  while (!s.ended) {
    auto batch = s.stream->try_next();
    if (!batch) return;
    if (!*batch) return ended(s, batch->error());
    got(s, std::move(**batch));
    if (slow_ && rng_.below(4) == 0) {
      s.resting = true;
      return read_soon(s.record.id, Duration(rng_.below(3'000'000'000)));
    }
  }
}

void SimWatch::got(Session& s, WatchBatch batch) {
  if (batch.events.empty()) {
    ++world_.counters()[Count::kWatchBookmarks];
  } else {
    world_.counters()[Count::kWatchEvents] += batch.events.size();
  }
  const Revision to = batch.events.empty() ? batch.revision : batch.events.back().kv.mod_revision;
  if (world_.trace().on()) {
    world_.note("w" + std::to_string(number_),
                std::to_string(batch.events.size()) + " events to " + std::to_string(to) + " of " +
                    std::to_string(batch.revision) + " from " + s.member->name());
  }
  request_.start_revision = std::max(request_.start_revision, to + 1);
  s.record.batches.push_back(std::move(batch));
  if (rng_.below(40) == 0) s.stream->request_progress();
  // Now and then a client has seen enough of this stream.
  if (rng_.below(400) == 0 && !world_.healing()) {
    s.ended = true;
    reopen_later();
  }
}

void SimWatch::ended(Session& s, const Error& why) {
  s.ended = true;
  if (world_.trace().on()) {
    world_.note("w" + std::to_string(number_), "ended on " + s.member->name() + ": " + why.to_string());
  }
  if (why.code == Code::kOutOfRange && s.stream->compacted() > 0) {
    ++world_.counters()[Count::kWatchCompacted];
    if (s.stream->compacted() < request_.start_revision) {
      world_.violation("watch compacted", "watch " + std::to_string(s.record.id) + " from " +
                                              std::to_string(request_.start_revision) +
                                              " cancelled by compaction " +
                                              std::to_string(s.stream->compacted()));
    }
    request_.start_revision = std::max(request_.start_revision, s.stream->compacted());
  }
  reopen_later();
}

void SimWatch::close(Revision complete_to) {
  if (session_ == nullptr) return;
  session_->record.complete_to = complete_to;
  if (!session_->record.batches.empty()) world_.watch_history().push_back(std::move(session_->record));
  session_.reset();
}

void SimWatch::member_died(const SimMember& member) {
  if (session_ == nullptr || session_->member != &member) return;
  close(0);
  reopen_later();
}

void SimWatch::hurry() {
  slow_ = false;
  if (session_ != nullptr && session_->resting) read();
}

void SimWatch::conclude(Revision complete_to) {
  close(watching() ? complete_to : 0);
}

}  // namespace keelson::sim
