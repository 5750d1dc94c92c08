// How a Peer sends a snapshot: on a connection of its own, in checksummed chunks, again from where the
// receiver has got to after the connection broke.
#include <algorithm>
#include <charconv>

#include "base/blocking.h"
#include "raft/core/message_codec.h"
#include "raft/transport/frame.h"
#include "raft/transport/peer.h"

namespace keelson::raft {

namespace {
constexpr std::size_t kReplyMax = 4096;
}  // namespace

struct Peer::SnapshotJob {
  std::shared_ptr<Peer> peer;
  Message message;
  std::unique_ptr<SnapshotSource> source;
  MonoTime begin;
  std::uint64_t offset = 0;  // the receiver has this much
  bool progress = false;     // in the last attempt
  bool delivered = false;

  // However it ends, the sink hears of it, once.
  ~SnapshotJob() {
    peer->snapshot_under_way_ = false;
    auto& m = peer->metrics_;
    m.snapshots_sending.Decrement();
    (delivered ? m.snapshots_sent : m.snapshots_failed).Increment();
    const auto& o = peer->shared_->options;
    if (delivered) m.snapshot_seconds.Observe(std::chrono::duration<double>(o.clock->now() - begin).count());
    o.sink->on_snapshot_sent(peer->id_, delivered);
  }
};

void Peer::send_snapshot(Message message, std::unique_ptr<SnapshotSource> source) {
  if (urls_.empty() || snapshot_under_way_.exchange(true)) {
    shared_->options.sink->on_snapshot_sent(id_, false);
    return;
  }
  metrics_.snapshots_sending.Increment();
  auto job = std::make_shared<SnapshotJob>(shared_from_this(), std::move(message), std::move(source),
                                           shared_->options.clock->now());
  const auto& all = shared_->options.executors;
  tasks_.spawn(all[2 % all.size()], run_snapshot(shared_from_this(), std::move(job)));
}

Task<> Peer::run_snapshot(std::shared_ptr<Peer> self, std::shared_ptr<SnapshotJob> job) {
  const auto& o = self->shared_->options;
  Duration wait = o.retry_min;
  for (int failures = 0;;) {
    job->progress = false;
    const auto sent = co_await try_snapshot(self, job);
    if (sent) {
      job->delivered = true;
      co_return;
    }
    failures = job->progress ? 1 : failures + 1;
    if (job->progress) wait = o.retry_min;
    o.logger.warn("sending a snapshot broke off", {{"peer", hex_id(self->id_.value())},
                                                   {"sent", job->offset},
                                                   {"attempt", failures},
                                                   {"error", sent.error()}});
    if (sent.error().code != Code::kUnavailable || failures >= o.snapshot_attempts) co_return;
    co_await o.clock->sleep_for(wait);
    wait = std::min(wait * 4, 2 * o.retry_max);
  }
}

Task<Result<void>> Peer::try_snapshot(std::shared_ptr<Peer> self, std::shared_ptr<SnapshotJob> job) {
  const auto& all = self->shared_->options.executors;
  const auto http = self->make_client(all[2 % all.size()]);
  auto opened = co_await self->open_stream(http, kSnapshotPath);
  if (!opened) co_return fail(Code::kUnavailable, opened.error().message);
  auto sent = co_await stream_snapshot(self, job, std::move(*opened));
  // A stream that broke is worth another attempt, whatever it was called.
  if (!sent && sent.error().code == Code::kCancelled)
    co_return fail(Code::kUnavailable, sent.error().message);
  co_return sent;
}

Task<Result<void>> Peer::stream_snapshot(std::shared_ptr<Peer> self, std::shared_ptr<SnapshotJob> job,
                                         std::shared_ptr<net::ClientStream> stream) {
  const auto& o = self->shared_->options;
  std::string out;
  const std::size_t mark = begin_frame(out);
  encode(job->message, out);
  end_frame(out, mark);
  CO_TRY(co_await stream->write(Bytes(std::move(out))));
  CO_TRY(co_await stream->wait_headers());
  if (stream->status() != 200) {
    auto text = co_await stream->read_some();
    self->refused(stream->status(), text.value_or(""));
    co_return fail(stream->status() == 503 ? Code::kUnavailable : Code::kFailedPrecondition,
                   "the peer answered " + std::to_string(stream->status()) + ": " + text.value_or(""));
  }
  std::uint64_t offset = 0;
  const auto told = stream->headers().get(peer_header::kReceived).value_or("0");
  std::from_chars(told.data(), told.data() + told.size(), offset);
  job->progress = offset > job->offset;
  job->offset = offset;
  for (bool more = true; more;) {
    auto piece = co_await run_blocking(
        o.workers, [job, offset, max = o.snapshot_chunk_bytes] { return job->source->read(offset, max); });
    std::string frame;
    if (piece) append_chunk(frame, {offset, *piece});
    if (!piece) co_return fail(Code::kInternal, "reading the snapshot: " + piece.error().message);
    more = !piece->empty();
    offset += piece->size();
    self->metrics_.sent_bytes.Increment(static_cast<double>(frame.size()));
    CO_TRY(co_await stream->write(Bytes(std::move(frame))));
  }
  CO_TRY(co_await stream->finish_body());
  std::string reply;
  for (;;) {
    const std::string text = CO_TRY(co_await stream->read_some());
    if (text.empty() || reply.size() > kReplyMax) break;
    reply += text;
  }
  if (reply != "done") co_return fail(Code::kUnavailable, "the receiver says: " + reply);
  co_return Result<void>();
}

}  // namespace keelson::raft
