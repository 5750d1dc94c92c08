#include "kvstore/server/etcd/watch_session.h"

#include <utility>

#include "kvstore/mvcc/auth_check.h"
#include "kvstore/server/etcd/errors.h"
#include "net/catch_cancel.h"

namespace keelson::kvstore::etcd {
namespace {

constexpr std::size_t kControlMax = 64 << 10;  // bytes of answers that wait for the client to read
constexpr std::size_t kFlushBytes = 128 << 10;

}  // namespace

void WatchSession::Ready::add(std::int64_t id) {
  {
    std::lock_guard lock(mu);
    ids.push_back(id);
    if (ids.size() > 1) return;
  }
  event.set();
}

WatchSession::WatchSession(ServiceContext& context, net::GrpcCall& call) : c_(context), call_(call) {}

Task<Result<void>> WatchSession::run() {
  group_.spawn(call_.executor(), receive());
  group_.spawn(call_.executor(), pump());
  group_.spawn(call_.executor(), watch_closing());
  const auto cancelled = co_await net::catch_cancel(done_.wait());
  co_await group_.stop();
  watches_.clear();
  if (cancelled) std::rethrow_exception(cancelled);
  co_return result_;
}

void WatchSession::stop(Error why) {
  {
    std::lock_guard lock(ready_->mu);
    ready_->stopped = std::move(why);
  }
  ready_->poke();
}

void WatchSession::end(Result<void> result) {
  if (done_.is_set()) return;
  result_ = std::move(result);
  done_.set();
}

Task<> WatchSession::watch_closing() {
  co_await call_.closed();
  end(fail(stopped_error()));
}

Task<> WatchSession::tick() {
  for (;;) {
    co_await c_.clock.sleep_for(c_.options.watch_progress_interval);
    tick_due_ = true;
    ready_->poke();
  }
}

// ---- requests

Task<> WatchSession::receive() {
  for (;;) {
    auto message = co_await call_.receive();
    if (!message) co_return end(std::unexpected(message.error()));
    if (!*message) co_return;  // half-closed: events still go out
    auto m = decode_watch(**message);
    if (!m) co_return end(std::unexpected(m.error()));
    auto handled = co_await handle(std::move(*m));
    if (!handled) co_return end(handled);
    while (control_.size() > kControlMax) {
      room_.reset();
      co_await room_.wait();
    }
  }
}

Task<Result<void>> WatchSession::handle(WatchMessage m) {
  switch (m.kind) {
    case WatchMessage::Kind::kCreate:
      return create(std::move(m.create));
    case WatchMessage::Kind::kCancel:
      cancel(m.cancel_id);
      break;
    case WatchMessage::Kind::kProgress:
      progress_wanted_ = !watches_.empty();
      ready_->poke();
      break;
    case WatchMessage::Kind::kNone:
      break;
  }
  return []() -> Task<Result<void>> { co_return Result<void>(); }();
}

void WatchSession::answer(const WatchReply& reply, Revision revision) {
  append_watch_reply(control_, with_revision(c_.member.header(), revision), reply, nullptr, 0);
  ++control_count_;
  ready_->poke();
}

void WatchSession::refuse(std::string reason) {
  answer({.watch_id = kInvalidWatchId, .created = true, .canceled = true, .cancel_reason = std::move(reason)},
         c_.member.current_revision());
}

Result<void> WatchSession::permit(const WatchCreate& request) const {
  const auto view = c_.member.auth_view();
  if (!view->enabled) return {};
  const Identity who = TRY(c_.authenticator.identify(call_));
  return check_watch(*view, {who.user, who.auth_revision}, request.key, request.end);
}

Task<Result<void>> WatchSession::create(WatchCreate request) {
  if (request.key.empty()) request.key.assign(1, '\0');
  if (request.start_revision < 0) {
    refuse(compacted_error().message);
    co_return Result<void>();
  }
  if (auto allowed = permit(request); !allowed) {
    const Error& e = allowed.error();
    refuse("rpc error: code = " + std::string(grpc_code_name(static_cast<int>(e.code))) +
           " desc = " + e.message);
    co_return Result<void>();
  }
  const bool from_key = request.end.size() == 1 && request.end[0] == '\0';
  if (!request.end.empty() && !from_key && request.key >= request.end) {
    refuse("mvcc: watcher range is empty");
    co_return Result<void>();
  }
  if (request.watch_id != 0 && watches_.contains(request.watch_id)) {
    refuse("mvcc: duplicate watch ID provided on the WatchStream");
    co_return Result<void>();
  }
  // "From now on" begins behind the revision that the answer names: a client that reconnects goes on there.
  const Revision now = c_.member.current_revision();
  WatchRequest q;
  q.key = std::move(request.key);
  q.end = std::move(request.end);
  q.start_revision = request.start_revision > 0 ? request.start_revision : now + 1;
  q.prev_kv = request.prev_kv;
  q.no_put = request.no_put;
  q.no_delete = request.no_delete;
  q.resync = true;
  auto stream = co_await c_.member.watch(std::move(q));
  if (!stream) {
    refuse(stream.error().message);
    co_return Result<void>();
  }
  std::int64_t id = request.watch_id;
  if (id == 0) {
    while (watches_.contains(next_id_)) ++next_id_;
    id = next_id_++;
  }
  Watch& w = watches_[id];
  w.id = id;
  w.stream = std::move(*stream);
  w.start_revision = request.start_revision;
  w.notify = request.progress_notify;
  w.fragment = request.fragment;
  w.stream->set_waker([ready = ready_, id] { ready->add(id); });
  if (w.notify && !std::exchange(ticking_, true)) group_.spawn(call_.executor(), tick());
  answer({.watch_id = id, .created = true}, now);
  ready_->add(id);
  co_return Result<void>();
}

void WatchSession::cancel(std::int64_t id) {
  if (watches_.erase(id) == 0) return;
  answer({.watch_id = id, .canceled = true}, c_.member.current_revision());
}

// ---- events

Task<> WatchSession::pump() {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> more;
  for (;;) {
    co_await ready_->event.wait();
    {
      std::lock_guard lock(ready_->mu);
      ready_->event.reset();
      if (ready_->stopped) co_return end(std::unexpected(*ready_->stopped));
      ids.swap(ready_->ids);
    }
    do {
      if (control_count_ > 0) {
        out_ += std::exchange(control_, std::string());
        out_count_ += std::exchange(control_count_, 0);
        room_.set();
      }
      for (const std::int64_t id : ids) {
        if (take(id)) more.push_back(id);
        if (out_.size() < kFlushBytes) continue;
        if (auto sent = co_await flush(); !sent) co_return end(sent);
      }
      ids.clear();
      ids.swap(more);
    } while (!ids.empty() || control_count_ > 0);
    if (progress_wanted_) append_progress();
    if (std::exchange(tick_due_, false)) append_ticks();
    if (auto sent = co_await flush(); !sent) co_return end(sent);
  }
}

Task<Result<void>> WatchSession::flush() {
  if (out_.empty()) co_return Result<void>();
  const std::size_t n = std::exchange(out_count_, 0);
  co_return co_await call_.send_frames(Bytes(std::exchange(out_, std::string())), n);
}

bool WatchSession::take(std::int64_t id) {
  const auto it = watches_.find(id);
  if (it == watches_.end()) return false;
  Watch& w = it->second;
  auto batch = w.stream->try_next();
  if (!batch) return false;
  if (!*batch) {
    const Error& e = batch->error();
    const Revision compacted = e.code == Code::kOutOfRange ? w.stream->compacted() : 0;
    WatchReply r{.watch_id = id, .canceled = true, .compact_revision = compacted};
    r.cancel_reason = e.message;
    append_watch_reply(out_, with_revision(c_.member.header(), c_.member.current_revision()), r, nullptr, 0);
    ++out_count_;
    watches_.erase(it);
    return false;
  }
  if (!(*batch)->events.empty()) {
    append_events(w, (*batch)->revision, (*batch)->events);
    w.quiet = false;
  }
  return true;
}

void WatchSession::append_events(const Watch& w, Revision revision, const std::vector<Event>& events) {
  const Header h = with_revision(c_.member.header(), revision);
  std::size_t from = 0;
  while (from < events.size()) {
    std::size_t n = events.size() - from;
    if (w.fragment) {
      std::size_t bytes = 64 + event_size(events[from]);
      for (n = 1; from + n < events.size(); ++n) {
        bytes += event_size(events[from + n]) + 6;
        if (bytes >= c_.options.max_message_bytes()) break;
      }
    }
    const bool last = from + n == events.size();
    append_watch_reply(out_, h, {.watch_id = w.id, .fragment = !last}, &events[from], n);
    ++out_count_;
    from += n;
  }
}

// One notification for the whole stream, once every watch has delivered all there is.
void WatchSession::append_progress() {
  Revision all = std::numeric_limits<Revision>::max();
  for (auto& [id, w] : watches_) {
    const Revision r = w.stream->delivered();
    if (r == 0) return;  // it will wake us
    all = std::min(all, r);
  }
  progress_wanted_ = false;
  for (auto& [id, w] : watches_) {
    if (all < w.start_revision) return;
  }
  if (watches_.empty()) return;
  append_watch_reply(out_, with_revision(c_.member.header(), all), {.watch_id = kInvalidWatchId}, nullptr, 0);
  ++out_count_;
}

void WatchSession::append_ticks() {
  for (auto& [id, w] : watches_) {
    if (!w.notify) continue;
    const bool quiet = std::exchange(w.quiet, true);
    const Revision r = quiet ? w.stream->delivered() : 0;
    if (r == 0 || r < w.start_revision) continue;
    append_watch_reply(out_, with_revision(c_.member.header(), r), {.watch_id = id}, nullptr, 0);
    ++out_count_;
  }
}

}  // namespace keelson::kvstore::etcd
