#include "kvstore/server/etcd/watch_session.h"

#include <utility>

#include "kvstore/mvcc/auth_check.h"
#include "kvstore/server/etcd/errors.h"
#include "kvstore/server/etcd/wire.h"
#include "net/catch_cancel.h"

namespace keelson::kvstore::etcd {
namespace {

constexpr std::size_t kControlMax = 64 << 10;  // bytes of answers that wait for the client to read
constexpr std::size_t kFlushBytes = 128 << 10;
constexpr std::size_t kReplyHead = 64;  // bytes of a reply beside its events, about
constexpr std::int64_t kInvalidWatchId = -1;

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
    auto m = decoded<rpc::WatchCall>(Bytes::literal(**message));
    if (!m) co_return end(std::unexpected(m.error()));
    auto handled = co_await handle(std::move(*m));
    if (!handled) co_return end(handled);
    while (control_.size() > kControlMax) {
      room_.reset();
      co_await room_.wait();
    }
  }
}

Task<Result<void>> WatchSession::handle(rpc::WatchCall m) {
  switch (m.kind) {
    case rpc::WatchCall::Kind::kCreate:
      return create(std::move(m));
    case rpc::WatchCall::Kind::kCancel:
      cancel(m.watch_id);
      break;
    case rpc::WatchCall::Kind::kProgress:
      progress_wanted_ = !watches_.empty();
      ready_->poke();
      break;
    case rpc::WatchCall::Kind::kNone:
      break;
  }
  return []() -> Task<Result<void>> { co_return Result<void>(); }();
}

void WatchSession::append(std::string& out, rpc::WatchReply reply, Revision revision,
                          std::string_view events) {
  reply.header = with_revision(c_.member.header(), revision);
  const auto mark = net::begin_grpc_frame(out);
  rpc::encode(reply, events, out);
  net::end_grpc_frame(out, mark);
}

void WatchSession::answer(rpc::WatchReply reply, Revision revision) {
  append(control_, std::move(reply), revision);
  ++control_count_;
  ready_->poke();
}

void WatchSession::refuse(std::string reason) {
  answer({.watch_id = kInvalidWatchId, .created = true, .canceled = true, .cancel_reason = std::move(reason)},
         c_.member.current_revision());
}

Result<void> WatchSession::permit(const WatchRequest& request) const {
  const auto view = c_.member.auth_view();
  if (!view->enabled) return {};
  const Identity who = TRY(c_.authenticator.identify(call_));
  return check_watch(*view, {who.user, who.auth_revision}, request.key, request.end);
}

Task<Result<void>> WatchSession::create(rpc::WatchCall call) {
  WatchRequest& q = call.create;
  if (q.key.empty()) q.key.assign(1, '\0');
  if (q.start_revision < 0) {
    refuse(compacted_error().message);
    co_return Result<void>();
  }
  if (auto allowed = permit(q); !allowed) {
    const Error& e = allowed.error();
    refuse("rpc error: code = " + std::string(grpc_code_name(static_cast<int>(e.code))) +
           " desc = " + e.message);
    co_return Result<void>();
  }
  const bool from_key = q.end.size() == 1 && q.end[0] == '\0';
  if (!q.end.empty() && !from_key && q.key >= q.end) {
    refuse("mvcc: watcher range is empty");
    co_return Result<void>();
  }
  if (call.watch_id != 0 && watches_.contains(call.watch_id)) {
    refuse("mvcc: duplicate watch ID provided on the WatchStream");
    co_return Result<void>();
  }
  Watch fresh;
  fresh.start_revision = q.start_revision;
  fresh.notify = std::exchange(q.progress_notify, false);  // tick() does it
  fresh.fragment = call.fragment;
  // "From now on" begins behind the revision that the answer names: a client that reconnects goes on there.
  const Revision now = c_.member.current_revision();
  if (q.start_revision == 0) q.start_revision = now + 1;
  q.resync = true;
  auto stream = co_await c_.member.watch(std::move(q));
  if (!stream) {
    refuse(stream.error().message);
    co_return Result<void>();
  }
  std::int64_t id = call.watch_id;
  if (id == 0) {
    while (watches_.contains(next_id_)) ++next_id_;
    id = next_id_++;
  }
  fresh.id = id;
  fresh.stream = std::move(*stream);
  fresh.stream->set_waker([ready = ready_, id] { ready->add(id); });
  if (fresh.notify && !std::exchange(ticking_, true)) group_.spawn(call_.executor(), tick());
  watches_[id] = std::move(fresh);
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
  if (c_.points.before_send_watch) co_await pass(c_.points.before_send_watch, c_.clock);
  const std::size_t n = std::exchange(out_count_, 0);
  co_return co_await call_.send_frames(Bytes(std::exchange(out_, std::string())), n);
}

bool WatchSession::take(std::int64_t id) {
  const auto it = watches_.find(id);
  if (it == watches_.end()) return false;
  Watch& w = it->second;
  auto batch = w.stream->try_next_shared();
  if (!batch) return false;
  if (!*batch) {
    const Error& e = batch->error();
    const Revision compacted = e.code == Code::kOutOfRange ? w.stream->compacted() : 0;
    append(out_,
           {.watch_id = id, .canceled = true, .compact_revision = compacted, .cancel_reason = e.message},
           c_.member.current_revision());
    ++out_count_;
    watches_.erase(it);
    return false;
  }
  if ((*batch)->events) {
    append_events(w, (*batch)->revision, *(*batch)->events);
    w.quiet = false;
  }
  return true;
}

void WatchSession::append_events(const Watch& w, Revision revision, const EventList& list) {
  const auto encode = [](std::span<const Event> events, std::string& out) {
    rpc::encode_events(events, out);
  };
  const std::string_view whole = list.encoded(encode);
  if (!w.fragment || whole.size() < c_.options.max_message_bytes()) {
    append(out_, {.watch_id = w.id}, revision, whole);
    ++out_count_;
    return;
  }
  const std::span<const Event> events = list.events();
  std::size_t from = 0;
  std::size_t at = 0;  // of events[from] in `whole`
  while (from < events.size()) {
    std::size_t n = 1;
    std::size_t bytes = rpc::encoded_size(events[from]);
    for (; from + n < events.size(); ++n) {
      const std::size_t more = rpc::encoded_size(events[from + n]);
      if (kReplyHead + bytes + more >= c_.options.max_message_bytes()) break;
      bytes += more;
    }
    from += n;
    append(out_, {.watch_id = w.id, .fragment = from < events.size()}, revision, whole.substr(at, bytes));
    ++out_count_;
    at += bytes;
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
  append(out_, {.watch_id = kInvalidWatchId}, all);
  ++out_count_;
}

void WatchSession::append_ticks() {
  for (auto& [id, w] : watches_) {
    if (!w.notify) continue;
    const bool quiet = std::exchange(w.quiet, true);
    const Revision r = quiet ? w.stream->delivered() : 0;
    if (r == 0 || r < w.start_revision) continue;
    append(out_, {.watch_id = id}, r);
    ++out_count_;
  }
}

}  // namespace keelson::kvstore::etcd
