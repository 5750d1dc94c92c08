#include "kvstore/client/watch_group.h"

#include <algorithm>

namespace keelson::kvstore {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kAllWatches = -1;  // in replies: no watch in particular
constexpr Duration kBackoffMin = 20ms;
constexpr Duration kBackoffMax = 1s;
// A server that is not in sync leaves a request for progress unanswered: ask again.
constexpr Duration kAskAgain = 100ms;

// No other member would answer differently.
bool final_answer(const Error& why) {
  return why.code == Code::kPermissionDenied || why.code == Code::kUnauthenticated ||
         why.code == Code::kInvalidArgument || why.code == Code::kUnimplemented;
}

Error cancel_error(const rpc::WatchReply& reply) {
  if (reply.compact_revision > 0)
    return {Code::kOutOfRange, "etcdserver: mvcc: required revision has been compacted"};
  const std::string& why = reply.cancel_reason;
  if (why.find("permission denied") != std::string::npos) return {Code::kPermissionDenied, why};
  if (why.find("auth token") != std::string::npos) return {Code::kUnauthenticated, why};
  return {Code::kResourceExhausted, why.empty() ? "the store cancelled the watch" : why};
}

// `metadata`: what was sent.
Task<Result<std::unique_ptr<net::GrpcClientStream>>> open_stream(Endpoints& endpoints, std::size_t member,
                                                                 Duration timeout, net::Headers& metadata) {
  metadata = CO_TRY(co_await endpoints.credentials().metadata(endpoints.grpc(member), timeout));
  net::GrpcCallOptions options;
  options.metadata = metadata;
  options.max_message_bytes = std::size_t{1} << 30;
  co_return co_await endpoints.grpc(member).stream("/etcdserverpb.Watch/Watch", std::move(options));
}

}  // namespace

bool WatchGroup::has(const RemoteWatchPtr& watch) const {
  return std::find(watches_.begin(), watches_.end(), watch) != watches_.end();
}

void WatchGroup::add(RemoteWatchPtr watch) {
  watches_.push_back(watch);
  if (link_) send_create(watch);
}

void WatchGroup::forget(const RemoteWatchPtr& watch) {
  std::erase(watches_, watch);
  std::erase(creating_, watch);
  by_id_.erase(watch->id);
  if (!watches_.empty()) return;
  sealed_ = true;
  if (link_) link_->stream->cancel();
}

void WatchGroup::remove(const RemoteWatchPtr& watch) {
  if (link_ && watch->id != 0) {
    rpc::WatchCall call;
    call.kind = rpc::WatchCall::Kind::kCancel;
    call.watch_id = watch->id;
    send(call);
  }
  forget(watch);
}

void WatchGroup::end_all(const Error& why) {
  for (auto& watch : std::exchange(watches_, {})) watch->end(why);
  creating_.clear();
  by_id_.clear();
}

void WatchGroup::request_progress() {
  sealed_ = true;
  if (progress_ == Progress::kIdle) progress_ = Progress::kWanted;
  if (progress_ == Progress::kAsked) progress_ = Progress::kAskedAndWanted;
  if (link_) link_->wake.set();
}

void WatchGroup::send(const rpc::WatchCall& call) {
  std::string body;
  rpc::encode(call, body);
  link_->out.emplace_back(std::move(body));
  link_->wake.set();
}

void WatchGroup::send_create(const RemoteWatchPtr& watch) {
  watch->id = ++last_id_;
  watch->fragments.clear();
  by_id_.emplace(watch->id, watch);
  creating_.push_back(watch);
  rpc::WatchCall call;
  call.kind = rpc::WatchCall::Kind::kCreate;
  call.create = watch->request;
  call.create.start_revision = watch->next;
  call.watch_id = watch->id;
  call.fragment = true;
  send(call);
}

Task<> WatchGroup::run(std::shared_ptr<WatchGroup> self) {
  WatchMux& mux = self->mux_;
  Duration backoff = kBackoffMin;
  while (!self->watches_.empty()) {
    const std::size_t member = mux.endpoints_.pick();
    const auto link = std::make_shared<Link>();
    auto stream = co_await open_stream(mux.endpoints_, member, mux.options_.request_timeout, link->metadata);
    Error why;
    if (stream) {
      link->stream = std::move(*stream);
      why = co_await self->serve(link);
    } else {
      why = stream.error();
    }
    if (self->watches_.empty()) break;
    if (!mux.endpoints_.credentials().renew(link->metadata, why) && final_answer(why)) {
      self->end_all(why);
      break;
    }
    mux.endpoints_.failed(member, why);
    mux.logger_.info(
        "a watch stream broke and is opened again",
        {{"endpoint", mux.endpoints_.url(member)}, {"watches", self->watches_.size()}, {"error", why}});
    if (self->answered_) backoff = kBackoffMin;
    co_await mux.clock_.sleep_for(backoff);
    backoff = std::min(2 * backoff, kBackoffMax);
  }
  std::erase(mux.groups_, self);
}

// Until the stream ends; why.
Task<Error> WatchGroup::serve(std::shared_ptr<Link> link) {
  struct Unlink {
    WatchGroup& group;
    std::shared_ptr<Link> link;
    ~Unlink() {
      link->closed = true;
      link->wake.set();
      group.link_.reset();
      group.by_id_.clear();
      group.creating_.clear();
      if (group.progress_ != Progress::kIdle) group.progress_ = Progress::kWanted;
    }
  };
  link_ = link;
  const Unlink unlink{*this, link};
  answered_ = false;
  last_id_ = 0;
  for (auto& watch : watches_) send_create(watch);
  mux_.tasks_.spawn(mux_.home_, write(shared_from_this(), link));
  for (;;) {
    auto message = co_await link->stream->receive();
    if (!message) co_return message.error();
    if (!*message) co_return Error{Code::kUnavailable, "the store ended the stream"};
    rpc::WatchReply reply;
    if (auto ok = rpc::decode(Bytes(std::move(**message)), reply); !ok) co_return ok.error();
    answered_ = true;
    raise_revision(mux_.newest_, reply.header.revision);
    const Error refusal{Code::kUnauthenticated, reply.cancel_reason};
    if (reply.canceled && mux_.endpoints_.credentials().renew(link->metadata, refusal)) co_return refusal;
    co_await take(std::move(reply));
    if (watches_.empty()) co_return Error{Code::kCancelled, "no watch is left"};
  }
}

Task<> WatchGroup::write(std::shared_ptr<WatchGroup> self, std::shared_ptr<Link> link) {
  Clock& clock = self->mux_.clock_;
  while (!link->closed) {
    link->wake.reset();
    const bool asked = self->progress_ == Progress::kAsked || self->progress_ == Progress::kAskedAndWanted;
    const bool ask =
        self->progress_ == Progress::kWanted || (asked && clock.now() >= self->asked_at_ + kAskAgain);
    if (ask && self->creating_.empty()) {
      rpc::WatchCall call;
      call.kind = rpc::WatchCall::Kind::kProgress;
      self->send(call);
      self->progress_ = Progress::kAsked;
      self->asked_at_ = clock.now();
    }
    if (!link->out.empty()) {
      Bytes message = std::move(link->out.front());
      link->out.pop_front();
      if (auto ok = co_await link->stream->send(std::move(message)); !ok) co_return;
    } else if (asked) {
      co_await link->wake.wait_until(clock, self->asked_at_ + kAskAgain);
    } else {
      co_await link->wake.wait();
    }
  }
}

Task<> WatchGroup::take(rpc::WatchReply reply) {
  if (reply.watch_id == kAllWatches && reply.created) {
    // A create that was refused: they are answered in order.
    if (creating_.empty()) co_return;
    const RemoteWatchPtr watch = creating_.front();
    canceled(watch, reply);
    co_return;
  }
  const bool plain = !reply.created && !reply.canceled && reply.events.empty() && !reply.fragment;
  if (reply.watch_id == kAllWatches) {
    if (!plain) co_return;
    progress_ = progress_ == Progress::kAskedAndWanted ? Progress::kWanted : Progress::kIdle;
    if (link_) link_->wake.set();
    const auto all = watches_;
    for (auto& watch : all) co_await progressed(watch, reply.header.revision);
    co_return;
  }
  const auto found = by_id_.find(reply.watch_id);
  if (found == by_id_.end()) co_return;  // cancelled by us meanwhile
  const RemoteWatchPtr watch = found->second;
  if (reply.created) created(watch, reply);
  if (reply.canceled) {
    canceled(watch, reply);
    co_return;
  }
  if (plain && watch->fragments.empty()) {
    co_await progressed(watch, reply.header.revision);
    co_return;
  }
  if (reply.created && reply.events.empty()) co_return;
  for (auto& event : reply.events)
    if (event.kv.mod_revision >= watch->next) watch->fragments.push_back(std::move(event));
  if (reply.fragment || watch->fragments.empty()) co_return;
  WatchBatch batch;
  batch.events = std::exchange(watch->fragments, {});
  batch.revision = batch.events.back().kv.mod_revision;
  watch->next = batch.revision + 1;
  co_await give(watch, std::move(batch));
}

void WatchGroup::created(const RemoteWatchPtr& watch, const rpc::WatchReply& reply) {
  std::erase(creating_, watch);
  if (watch->next == 0) watch->next = reply.header.revision + 1;
  watch->known.set();
  if (link_) link_->wake.set();
}

void WatchGroup::canceled(const RemoteWatchPtr& watch, const rpc::WatchReply& reply) {
  watch->end(cancel_error(reply), reply.compact_revision);
  forget(watch);
}

Task<> WatchGroup::progressed(RemoteWatchPtr watch, Revision revision) {
  if (watch->next == 0 || revision < watch->next - 1) co_return;
  watch->next = revision + 1;
  WatchBatch batch;
  batch.revision = revision;
  co_await give(std::move(watch), std::move(batch));
}

// Waits for room when the watch is alone here: then its server sees a slow reader. Among others it is
// cancelled.
Task<> WatchGroup::give(RemoteWatchPtr watch, WatchBatch batch) {
  for (;;) {
    {
      std::lock_guard lock(watch->mu);
      if (watch->dropped || watch->ended) co_return;
      const bool progress = batch.events.empty();
      if (progress && !watch->queue.empty() && watch->queue.back().events.empty()) {
        watch->queue.back().revision = batch.revision;
        co_return;
      }
      if (progress || watch->queued_events < mux_.options_.watch_buffer_events) {
        watch->queued_events += batch.events.size();
        watch->queue.push_back(std::move(batch));
        watch->ready.set();
        co_return;
      }
      watch->room.reset();
    }
    if (watches_.size() > 1) {
      watch->end({Code::kResourceExhausted, "watcher is too slow: its buffer is full"});
      remove(watch);
      co_return;
    }
    co_await watch->room.wait();
  }
}

}  // namespace keelson::kvstore
