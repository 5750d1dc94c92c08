#include "cmd/kvstore/log_output.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <vector>

#include "cmd/kvstore/comma_list.h"
#include "cmd/kvstore/log_file.h"

namespace keelson::cmd {
namespace {

void write_fd(int fd, std::string_view line) {
  while (!line.empty()) {
    const ssize_t n = ::write(fd, line.data(), line.size());
    if (n <= 0) return;
    line.remove_prefix(static_cast<std::size_t>(n));
  }
}

Result<Rotation> rotation_of(const KvstoreConfig& config) {
  Rotation out;
  if (!config.enable_log_rotation) return out;
  boost::system::error_code ec;
  const auto parsed = boost::json::parse(config.log_rotation_config_json, ec);
  if (ec || !parsed.is_object())
    return fail(Code::kInvalidArgument,
                "--log-rotation-config-json is no JSON object: " + config.log_rotation_config_json);
  const auto number = [&](const char* key, std::int64_t otherwise) {
    const auto* v = parsed.as_object().if_contains(key);
    return v && v->is_int64() ? v->as_int64() : otherwise;
  };
  out.max_bytes = static_cast<std::uint64_t>(number("maxsize", 100)) << 20;
  out.max_backups = static_cast<int>(number("maxbackups", 0));
  return out;
}

std::string text_of(const boost::json::value& v) {
  return v.is_string() ? std::string(v.as_string()) : boost::json::serialize(v);
}

// {"level":"info","ts":T,"caller":C,"msg":M,…} as T <tab> info <tab> C <tab> M <tab> {…}.
std::string console_line(std::string_view json) {
  boost::system::error_code ec;
  auto parsed = boost::json::parse({json.data(), json.size()}, ec);
  if (ec || !parsed.is_object()) return std::string(json);
  auto& fields = parsed.as_object();
  std::string out;
  for (const char* key : {"ts", "level", "caller", "msg"}) {
    if (const auto* v = fields.if_contains(key)) out += (out.empty() ? "" : "\t") + text_of(*v);
    fields.erase(key);
  }
  if (!fields.empty()) out += "\t" + boost::json::serialize(fields);
  return out + "\n";
}

LogLevel level_of(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  return name == "warn" ? LogLevel::kWarn : LogLevel::kError;
}

}  // namespace

Result<Logger> make_logger(const KvstoreConfig& config) {
  const Rotation rotation = TRY(rotation_of(config));
  std::vector<Logger::Sink> sinks;
  for (const auto& output : split_list(config.log_outputs)) {
    if (output == "default" || output == "stderr" || output == "systemd/journal") {
      sinks.emplace_back([](std::string_view line) { write_fd(2, line); });
    } else if (output == "stdout") {
      sinks.emplace_back([](std::string_view line) { write_fd(1, line); });
    } else {
      auto file = TRY(LogFile::open(output, rotation));
      sinks.emplace_back([file](std::string_view line) { file->write(line); });
    }
  }
  if (config.enable_log_rotation && sinks.size() != 1)
    return fail(Code::kInvalidArgument,
                "--log-outputs requires a single file path when --log-rotate-config-json is defined");
  const bool console = config.log_format == "console";
  return Logger(
      [sinks, console](std::string_view line) {
        const std::string text = console ? console_line(line) : std::string(line);
        for (const auto& sink : sinks) sink(text);
      },
      level_of(config.log_level));
}

}  // namespace keelson::cmd
