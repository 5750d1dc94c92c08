#include "raft/transport/peer.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "raft/core/message_codec.h"
#include "raft/transport/deliver.h"

namespace keelson::raft {

namespace {

constexpr std::size_t kRefusalMax = 4096;
constexpr std::size_t kUnbounded = ~std::size_t{0} / 2;

bool is_append(const Message& m) {
  return m.type == MessageType::kAppend || m.type == MessageType::kPropose;
}

Task<std::string> read_text(std::shared_ptr<net::ClientStream> stream) {
  std::string out;
  while (out.size() < kRefusalMax) {
    auto piece = co_await stream->read_some();
    if (!piece || piece->empty()) break;
    out += *piece;
  }
  while (!out.empty() && out.back() == '\n') out.pop_back();
  co_return out;
}

}  // namespace

// A stream under way. Its executor only.
struct Peer::Link {
  std::shared_ptr<net::ClientStream> stream;
  std::optional<Error> broken;
};

Peer::Peer(std::shared_ptr<PeerShared> shared, NodeId id, std::vector<std::string> urls)
    : shared_(std::move(shared)),
      id_(id),
      urls_(std::move(urls)),
      metrics_(shared_->peer_metrics(id)),
      control_(shared_->options.control_messages_max, kUnbounded),
      append_(kUnbounded, shared_->options.append_bytes_max),
      app_(kUnbounded, shared_->options.app_bytes_max),
      tasks_([logger = shared_->options.logger](const std::string& what) {
        logger.error("a task of the peer transport failed", {{"what", what}});
      }) {}

Peer::~Peer() {
  metrics_.active.Set(0);
}

void Peer::start() {
  if (urls_.empty()) return;
  for (const auto kind : {StreamKind::kControl, StreamKind::kAppend, StreamKind::kApp}) {
    tasks_.spawn(executor(kind), run_stream(shared_from_this(), kind));
  }
  tasks_.spawn(executor(StreamKind::kControl), run_probes(shared_from_this()));
}

Executor Peer::executor(StreamKind kind) const {
  const auto& all = shared_->options.executors;
  return kind == StreamKind::kControl ? all.front() : all[1 % all.size()];
}

std::optional<MonoTime> Peer::active_since() const {
  std::lock_guard lock(mu_);
  return active_since_;
}

// ---- queues

void Peer::send(Message message) {
  const std::size_t bytes = encoded_size_hint(message);
  const StreamKind kind = is_append(message) ? StreamKind::kAppend : StreamKind::kControl;
  push(kind, std::move(message), bytes);
}

void Peer::send_app(Bytes payload) {
  const std::size_t bytes = payload.size();
  push(StreamKind::kApp, std::move(payload), bytes);
}

void Peer::push(StreamKind kind, Outbox::Item item, std::size_t bytes) {
  const auto k = static_cast<std::size_t>(kind);
  const auto back = standing_[k].load() ? nullptr : shared_->return_path(id_, kind);
  if ((back ? *back : *outboxes_[k]).push(std::move(item), bytes)) return;
  metrics_.sent_failures.Increment();
  shared_->options.sink->on_unreachable(id_, false);
}

// ---- streams

std::shared_ptr<net::HttpClient> Peer::make_client(Executor ex) const {
  net::ClientOptions o;
  o.origin = urls_[url_ % urls_.size()];
  if (o.origin.starts_with("https:")) o.tls = shared_->tls();
  o.h2c_prior_knowledge = true;
  o.connect_timeout = shared_->options.connect_timeout;
  o.local_address = shared_->options.local_address;
  return net::HttpClient::create(std::move(o), std::move(ex), *shared_->options.clock,
                                 shared_->options.logger);
}

// kFailedPrecondition: the peer answered and refused.
Task<Result<std::shared_ptr<net::ClientStream>>> Peer::open_stream(std::shared_ptr<net::HttpClient> http,
                                                                   std::string path) {
  net::ClientRequest request;
  request.method = "POST";
  request.target = std::move(path);
  request.headers = shared_->headers(id_);
  std::shared_ptr<net::ClientStream> stream = CO_TRY(co_await http->open(std::move(request), true));
  co_return stream;
}

Task<> Peer::run_stream(std::shared_ptr<Peer> self, StreamKind kind) {
  const auto& o = self->shared_->options;
  Duration wait = o.retry_min;
  std::shared_ptr<net::HttpClient> http;
  for (;;) {
    // One attempt at a time is enough to find out whether the peer is there.
    while (kind != StreamKind::kControl && !self->active_since()) co_await o.clock->sleep_for(o.retry_min);
    if (!http) http = self->make_client(co_await boost::asio::this_coro::executor);
    auto link = std::make_shared<Link>();
    auto opened = co_await self->open_stream(http, kStreamPaths[static_cast<std::size_t>(kind)]);
    Result<void> end;
    bool stood = false;
    if (!opened) {
      end = fail(opened.error());
    } else {
      link->stream = std::move(*opened);
      end = co_await link->stream->wait_headers();
      if (end && link->stream->status() != 200) {
        const int status = link->stream->status();
        const std::string text = co_await read_text(link->stream);
        self->refused(status, text);
        end = fail(Code::kFailedPrecondition, "the peer answered " + std::to_string(status) + ": " + text);
      } else if (end) {
        stood = true;
        self->standing_[static_cast<std::size_t>(kind)] = true;
        wait = o.retry_min;
        self->connected(kind);
        end = co_await self->pump(link, kind);
      }
    }
    self->standing_[static_cast<std::size_t>(kind)] = false;
    self->disconnected(kind, stood,
                       end ? Error{Code::kUnavailable, "the peer ended the stream"} : end.error());
    http.reset();
    // It hears of it when it comes to us.
    if (o.is_removed && o.is_removed(self->id_)) co_return;
    if (!stood) ++self->url_;
    co_await o.clock->sleep_for(wait);
    wait = std::min(wait * 2, o.retry_max);
  }
}

// What comes back (PeerShared::return_path()), and the stream's end.
Task<> Peer::watch_end(std::shared_ptr<Peer> self, std::shared_ptr<Link> link, StreamKind kind) {
  FrameReader frames;
  while (!link->broken) {
    auto got = co_await link->stream->read_some();
    if (!got) {
      link->broken = got.error();
    } else if (got->empty()) {
      link->broken = Error{Code::kUnavailable, "the peer ended the stream"};
    } else {
      self->metrics_.received_bytes.Increment(static_cast<double>(got->size()));
      frames.append(std::move(*got));
      auto ok = deliver(*self->shared_, kind, self->id_, frames, self->metrics_);
      if (!ok) link->broken = ok.error();
    }
  }
  self->outboxes_[static_cast<std::size_t>(kind)]->wake();
}

// Sends what comes until the stream breaks.
Task<Result<void>> Peer::pump(std::shared_ptr<Link> link, StreamKind kind) {
  Outbox& outbox = *outboxes_[static_cast<std::size_t>(kind)];
  tasks_.spawn(co_await boost::asio::this_coro::executor, watch_end(shared_from_this(), link, kind));
  std::vector<Outbox::Item> items;
  for (;;) {
    co_await outbox.wait();
    if (link->broken) co_return fail(*link->broken);
    items.clear();
    outbox.take(items, kTurnBytes);
    std::string out = encode_frames(items);
    if (out.empty()) continue;
    metrics_.sent_bytes.Increment(static_cast<double>(out.size()));
    CO_TRY(co_await link->stream->write(Bytes(std::move(out))));
  }
}

void Peer::connected(StreamKind kind) {
  if (kind != StreamKind::kControl) return;
  std::lock_guard lock(mu_);
  active_since_ = shared_->options.clock->now();
  metrics_.active.Set(1);
  last_trouble_.clear();
  shared_->options.logger.info("established a connection to a peer", {{"peer", hex_id(id_.value())}});
}

// `broke`: it stood before.
void Peer::disconnected(StreamKind kind, bool broke, const Error& why) {
  const bool dropped = outboxes_[static_cast<std::size_t>(kind)]->clear();
  if (dropped) metrics_.sent_failures.Increment();
  if (kind == StreamKind::kControl) {
    std::lock_guard lock(mu_);
    active_since_.reset();
    metrics_.active.Set(0);
    if (broke) metrics_.disconnected.Increment();
    if (why.message != last_trouble_) {
      last_trouble_ = why.message;
      shared_->options.logger.warn(broke ? "lost the connection to a peer" : "cannot reach a peer",
                                   {{"peer", hex_id(id_.value())}, {"error", why}});
    }
  }
  const bool reset = broke && kind == StreamKind::kControl;
  if (reset || dropped || broke) shared_->options.sink->on_unreachable(id_, reset);
  if (kind == StreamKind::kAppend && (broke || dropped)) shared_->options.sink->on_proposals_lost(id_);
}

void Peer::refused(int status, const std::string& body) {
  (void)body;
  if (status == 410) shared_->options.sink->on_removed(id_);
}

// ---- probes

Task<> Peer::run_probes(std::shared_ptr<Peer> self) {
  const auto& o = self->shared_->options;
  std::shared_ptr<net::HttpClient> http;
  for (;;) {
    co_await o.clock->sleep_for(o.probe_every);
    if (!self->active_since()) continue;
    if (!http) http = self->make_client(co_await boost::asio::this_coro::executor);
    net::ClientRequest request;
    request.target = kProbePath;
    const MonoTime begin = o.clock->now();
    const auto reply = co_await http->call(std::move(request), o.probe_every, kRefusalMax);
    if (reply && reply->status == 200) {
      self->metrics_.round_trip.Observe(std::chrono::duration<double>(o.clock->now() - begin).count());
    } else {
      http.reset();
    }
  }
}

}  // namespace keelson::raft
