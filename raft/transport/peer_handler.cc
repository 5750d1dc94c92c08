#include "raft/transport/peer_handler.h"

#include "base/blocking.h"
#include "net/catch_cancel.h"
#include "raft/core/message_codec.h"
#include "raft/transport/deliver.h"
#include "raft/transport/frame.h"

namespace keelson::raft {

namespace {

std::vector<std::string> split_urls(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) out.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

std::uint64_t id_header(const net::Request& r, const char* name) {
  return parse_hex_id(r.headers.get(name).value_or("")).value_or(0);
}

}  // namespace

// One snapshot at a time from one sender.
class PeerHandler::Receiving {
 public:
  Receiving(PeerHandler& handler, NodeId from) : handler_(handler), from_(from) {
    std::lock_guard lock(handler_.mu_);
    mine_ = handler_.receiving_.insert(from_).second;
  }
  ~Receiving() {
    if (!mine_) return;
    std::lock_guard lock(handler_.mu_);
    handler_.receiving_.erase(from_);
  }
  Receiving(const Receiving&) = delete;
  Receiving& operator=(const Receiving&) = delete;
  bool mine() const { return mine_; }

 private:
  PeerHandler& handler_;
  const NodeId from_;
  bool mine_ = false;
};

Task<> PeerHandler::handle(net::Exchange& x) {
  return serve(x);
}

Task<> PeerHandler::answer(net::Exchange& x, int status, std::string type, std::string body) {
  (void)co_await x.respond(
      status,
      {{"content-type", std::move(type)}, {peer_header::kCluster, hex_id(shared_->options.cluster_id)}},
      Bytes(std::move(body)));
}

Task<> PeerHandler::serve(net::Exchange& x) {
  const std::string path(x.request().path());
  const auto& o = shared_->options;
  if (x.request().method == "GET") {
    if (path == kProbePath) co_return co_await answer(x, 200, "application/json", "{\"ok\":true}");
    if (path == "/members" && o.members) {
      co_return co_await answer(x, 200, "application/json", members_json(o.members()) + "\n");
    }
    if (path == "/version" && o.version_json) {
      co_return co_await answer(x, 200, "application/json", o.version_json());
    }
    co_return co_await answer(x, 404, "text/plain", "404 page not found\n");
  }
  std::optional<StreamKind> kind;
  for (const auto k : {StreamKind::kControl, StreamKind::kAppend, StreamKind::kApp}) {
    if (path == kStreamPaths[static_cast<std::size_t>(k)]) kind = k;
  }
  if (!kind && path != kSnapshotPath) co_return co_await answer(x, 404, "text/plain", "404 page not found\n");
  if (x.request().method != "POST") co_return co_await answer(x, 405, "text/plain", "Method Not Allowed\n");
  const auto from = check(x.request());
  if (!from) {
    o.logger.warn("refused a request of a peer",
                  {{"remote", x.request().connection->remote_address}, {"why", from.error().text}});
    co_return co_await answer(x, from.error().status, "text/plain", from.error().text + "\n");
  }
  hooks_.on_sender(*from, split_urls(x.request().headers.get(peer_header::kPeerUrls).value_or("")));
  if (kind) co_return co_await receive_stream(x, *kind, *from);
  co_await receive_snapshot(x, *from);
}

std::expected<NodeId, PeerHandler::Refusal> PeerHandler::check(const net::Request& r) const {
  const auto& o = shared_->options;
  const auto refuse = [](int status, std::string text) {
    return std::unexpected(Refusal{status, std::move(text)});
  };
  if (r.headers.get(peer_header::kProtocol) != kPeerProtocol) {
    return refuse(412, "incompatible version of the peer protocol");
  }
  if (id_header(r, peer_header::kCluster) != o.cluster_id) return refuse(412, "cluster ID mismatch");
  const NodeId from(id_header(r, peer_header::kFrom));
  if (from == NodeId() || from == o.self) return refuse(412, "from field mismatch");
  if (hooks_.is_removed(from)) return refuse(410, kRemovedText);
  if (NodeId(id_header(r, peer_header::kTo)) != o.self) return refuse(412, "to field mismatch");
  return from;
}

// ---- streams

Task<> PeerHandler::receive_stream(net::Exchange& x, StreamKind kind, NodeId from) {
  if (!co_await x.start(200, {{peer_header::kCluster, hex_id(shared_->options.cluster_id)}})) co_return;
  if (x.request().headers.get(peer_header::kReturn) != "1") {
    co_await read_stream(x, kind, from);
  } else {
    const auto& o = shared_->options;
    const auto back = std::make_shared<Outbox>(o.control_messages_max, o.append_bytes_max);
    bool used = false;
    TaskGroup writer([logger = o.logger](const std::string& what) {
      logger.error("a way back to a peer failed", {{"what", what}});
    });
    shared_->add_return_path(from, kind, back);
    writer.spawn(x.executor(), write_back(x, back, used));
    const auto thrown = co_await net::catch_cancel(read_stream(x, kind, from));
    shared_->drop_return_path(from, kind, back);
    co_await writer.stop();
    if (back->clear() || used) {
      o.sink->on_unreachable(from, false);
      if (kind == StreamKind::kAppend) o.sink->on_proposals_lost(from);
    }
    if (thrown) std::rethrow_exception(thrown);
  }
  (void)co_await x.finish();
}

// Until the stream ends, or this task is cancelled.
Task<> PeerHandler::write_back(net::Exchange& x, std::shared_ptr<Outbox> back, bool& used) {
  std::vector<Outbox::Item> items;
  for (;;) {
    co_await back->wait();
    items.clear();
    back->take(items, kTurnBytes);
    if (items.empty()) continue;
    used = true;
    if (!co_await x.write(Bytes(encode_frames(items)))) co_return;
  }
}

Task<> PeerHandler::read_stream(net::Exchange& x, StreamKind kind, NodeId from) {
  PeerMetrics metrics = hooks_.metrics(from);
  FrameReader frames;
  Result<void> ok;
  while (ok) {
    auto piece = co_await x.read_some();
    if (!piece || piece->empty()) break;
    if (hooks_.is_removed(from)) break;  // told why when it dials again
    metrics.received_bytes.Increment(static_cast<double>(piece->size()));
    frames.append(std::move(*piece));
    ok = deliver(*shared_, kind, from, frames, metrics);
  }
}

// ---- snapshots

Task<> PeerHandler::receive_snapshot(net::Exchange& x, NodeId from) {
  const auto& o = shared_->options;
  PeerMetrics metrics = hooks_.metrics(from);
  const Receiving receiving(*this, from);
  // The stream before may not have noticed yet that it broke.
  if (!receiving.mine()) co_return co_await answer(x, 503, "text/plain", "another snapshot is under way\n");
  FrameReader frames;
  auto message = co_await read_announcement(x, frames);
  if (!message || message->from != from || message->to != o.self) {
    co_return co_await answer(x, 400, "text/plain", "this announces no snapshot\n");
  }
  auto to = co_await run_blocking(o.workers, [&] { return o.sink->on_snapshot(*message); });
  if (!to) co_return co_await answer(x, 503, "text/plain", to.error().message + "\n");
  if (!co_await x.start(200, {{peer_header::kReceived, std::to_string((*to)->received())}})) co_return;
  auto received = co_await receive_chunks(x, frames, **to, from);
  const auto end = [&]() -> Result<void> {
    Result<void> ended = received ? (*to)->finish() : received;
    to->reset();
    return ended;
  };
  received = co_await run_blocking(o.workers, end);
  if (received) {
    metrics.snapshots_received.Increment();
    std::vector<Message> messages;
    messages.push_back(std::move(*message));
    o.sink->on_messages(std::move(messages));
  } else {
    metrics.snapshots_receive_failed.Increment();
    o.logger.warn("receiving a snapshot broke off",
                  {{"peer", hex_id(from.value())}, {"error", received.error()}});
  }
  if (co_await x.write(received ? Bytes::literal("done") : Bytes(received.error().to_string()))) {
    (void)co_await x.finish();
  }
}

Task<Result<Message>> PeerHandler::read_announcement(net::Exchange& x, FrameReader& frames) {
  for (;;) {
    auto frame = CO_TRY(frames.next());
    if (frame) {
      Message m = CO_TRY(decode_message(*frame));
      if (m.type != MessageType::kSnapshot || !m.snapshot)
        co_return fail(Code::kInvalidArgument, "no snapshot");
      co_return m;
    }
    std::string piece = CO_TRY(co_await x.read_some());
    if (piece.empty()) co_return fail(Code::kCancelled, "the sender is gone");
    frames.append(std::move(piece));
  }
}

Task<Result<void>> PeerHandler::receive_chunks(net::Exchange& x, FrameReader& frames, SnapshotSink& to,
                                               NodeId from) {
  PeerMetrics metrics = hooks_.metrics(from);
  for (;;) {
    for (;;) {
      auto frame = CO_TRY(frames.next());
      if (!frame) break;
      const SnapshotChunk chunk = CO_TRY(read_chunk(*frame));
      if (chunk.offset != to.received()) {
        co_return fail(Code::kDataLoss, "a chunk at offset " + std::to_string(chunk.offset) + ", but " +
                                            std::to_string(to.received()) + " bytes are here");
      }
      if (chunk.data.empty()) co_return Result<void>();
      CO_TRY(co_await run_blocking(shared_->options.workers, [&] { return to.write(chunk.data); }));
    }
    std::string piece = CO_TRY(co_await x.read_some());
    if (piece.empty()) co_return fail(Code::kUnavailable, "the sender broke off");
    metrics.received_bytes.Increment(static_cast<double>(piece.size()));
    frames.append(std::move(piece));
  }
}

}  // namespace keelson::raft
