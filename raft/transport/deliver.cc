#include "raft/transport/deliver.h"

#include "raft/core/message_codec.h"

namespace keelson::raft {

namespace {

Result<Message> read_message(const PeerShared& shared, NodeId from, const Bytes& frame) {
  Message message = TRY(decode_message(frame));
  if (message.from != from || message.to != shared.options.self) {
    return fail(Code::kInvalidArgument, "a message from or to somebody else");
  }
  // A frame lies in a piece with others: an entry that is kept must not keep them all.
  for (Entry& e : message.entries) {
    if (!e.data.empty()) e.data = Bytes::copy(e.data);
  }
  return message;
}

Result<void> deliver_whole(const PeerShared& shared, StreamKind kind, NodeId from, FrameReader& frames) {
  TransportSink& sink = *shared.options.sink;
  std::vector<Message> messages;
  Result<void> ok;
  for (;;) {
    auto frame = frames.next();
    if (!frame) ok = fail(frame.error());
    if (!frame || !*frame) break;
    if (kind == StreamKind::kApp) {
      sink.on_app(from, std::move(**frame));
      continue;
    }
    auto message = read_message(shared, from, **frame);
    if (!message) ok = fail(message.error());
    if (!message) break;
    messages.push_back(std::move(*message));
  }
  if (!messages.empty()) sink.on_messages(std::move(messages));
  return ok;
}

}  // namespace

Result<void> deliver(const PeerShared& shared, StreamKind kind, NodeId from, FrameReader& frames,
                     PeerMetrics& metrics) {
  auto ok = deliver_whole(shared, kind, from, frames);
  if (ok) return ok;
  metrics.received_failures.Increment();
  shared.options.logger.error("a peer sends what cannot be read",
                              {{"peer", hex_id(from.value())}, {"error", ok.error()}});
  return ok;
}

}  // namespace keelson::raft
