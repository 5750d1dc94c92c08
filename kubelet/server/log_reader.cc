#include "kubelet/server/log_reader.h"

#include <charconv>

#include "kubelet/server/log_file.h"
#include "net/http.h"

namespace keelson::kubelet {
namespace {

constexpr std::size_t kPieceBytes = 32 * 1024;
constexpr auto kPollInterval = std::chrono::milliseconds(100);
constexpr int kPollsPerRunningCheck = 5;

Result<std::int64_t> parse_count(const std::string& name, const std::string& value, std::int64_t min) {
  std::int64_t n = 0;
  const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), n);
  if (ec != std::errc() || end != value.data() + value.size() || n < min) {
    return fail(Code::kInvalidArgument, "invalid value \"" + value + "\" of " + name);
  }
  return n;
}

// Hands out everything that is complete; with `to_the_end` also what follows the last newline.
Task<Result<void>> drain(LogFile* file, LogFormatter* format, LogSink sink, bool to_the_end) {
  std::string out;
  while (!format->full()) {
    const auto line = CO_TRY(file->next_line());
    if (!line) break;
    format->add(*line, out);
    if (out.size() < kPieceBytes) continue;
    CO_TRY(co_await sink(std::move(out)));
    out.clear();
  }
  if (to_the_end) format->add(file->rest(), out);
  if (!out.empty()) CO_TRY(co_await sink(std::move(out)));
  co_return Result<void>{};
}

}  // namespace

Result<LogOptions> LogOptions::from_query(std::string_view query, WallTime now) {
  LogOptions o;
  for (const auto& [name, value] : net::parse_query(query)) {
    const bool yes = value == "true" || value == "1";
    if (name == "follow") o.follow = yes;
    if (name == "previous") o.previous = yes;
    if (name == "timestamps") o.timestamps = yes;
    if (value.empty()) continue;
    if (name == "tailLines") o.tail_lines = TRY(parse_count(name, value, 0));
    if (name == "limitBytes") o.limit_bytes = TRY(parse_count(name, value, 1));
    if (name == "stream") {
      o.want_stdout = value != "Stderr";
      o.want_stderr = value != "Stdout";
    }
    if (name != "sinceSeconds" && name != "sinceTime") continue;
    if (o.since)
      return fail(Code::kInvalidArgument, "at most one of `sinceTime` or `sinceSeconds` may be specified");
    if (name == "sinceSeconds") {
      o.since = now - std::chrono::seconds(TRY(parse_count(name, value, 1)));
    } else {
      o.since = parse_rfc3339(value);
      if (!o.since) return fail(Code::kInvalidArgument, "invalid value \"" + value + "\" of sinceTime");
    }
  }
  return o;
}

void LogFormatter::add(std::string_view raw, std::string& out) {
  const auto line = parse_log_line(raw);
  if (!line || full()) return;
  if (!(line->is_stderr ? options_.want_stderr : options_.want_stdout)) return;
  if (options_.since && line->time < *options_.since) return;
  std::string text;
  if (options_.timestamps && at_line_start_) text = with_nine_decimals(line->time_text) + " ";
  text += line->content;
  if (!line->partial) text += '\n';
  at_line_start_ = !line->partial;
  if (options_.limit_bytes) {
    text.resize(std::min(text.size(), static_cast<std::size_t>(*options_.limit_bytes - written_)));
  }
  written_ += static_cast<std::int64_t>(text.size());
  out += text;
}

Task<Result<void>> read_log(std::string path, LogOptions options, StillRunning running, LogSink sink,
                            Clock& clock) {
  auto file = CO_TRY(LogFile::open(path));
  if (options.tail_lines) CO_TRY(file.seek_to_tail(*options.tail_lines));
  LogFormatter format(options);
  bool follow = options.follow;
  for (int poll = 0;; ++poll) {
    // Asked before the read: what an ended container wrote is then all there.
    if (follow && poll % kPollsPerRunningCheck == 0) follow = CO_TRY(co_await running());
    const bool rotated = options.follow && file.was_rotated();
    CO_TRY(co_await drain(&file, &format, sink, !follow && !rotated));
    if (format.full()) break;
    if (rotated) {
      if (auto next = LogFile::open(path)) file = std::move(*next);
      continue;
    }
    if (!follow) break;
    co_await clock.sleep_for(kPollInterval);
  }
  co_return Result<void>{};
}

}  // namespace keelson::kubelet
