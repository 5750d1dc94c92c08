#include "cmd/kvstore/config_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>

#include "cmd/files.h"

namespace keelson::cmd {
namespace {

constexpr std::array kDurations{"grpc-keepalive-min-time",        "grpc-keepalive-interval",
                                "grpc-keepalive-timeout",         "watch-progress-notify-interval",
                                "warning-unary-request-duration", "warning-apply-duration"};

std::string flag_text(const std::string& flag, const YAML::Node& node) {
  if (node.IsSequence()) {
    std::string out;
    for (const auto& item : node) out += (out.empty() ? "" : ",") + item.as<std::string>();
    return out;
  }
  std::string text = node.as<std::string>();
  const bool number = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  const bool duration = std::ranges::any_of(kDurations, [&](const char* d) { return flag == d; });
  return number && duration && text != "0" ? text + "ns" : text;
}

// The flag that `key` of `section` stands for.
std::string flag_of(const std::string& section, const std::string& key) {
  if (section == "client-transport-security") {
    if (key == "allowed-cn" || key == "allowed-hostname") return "client-cert-" + key;
    return key;
  }
  if (section == "peer-transport-security") {
    if (key == "allowed-cn" || key == "allowed-hostname") return "peer-cert-" + key;
    if (key == "skip-client-san-verification") return "peer-skip-client-san-verification";
    return "peer-" + key;
  }
  if (section == "socket-options") return "socket-" + key;
  if (section == "discovery-config") return "discovery-" + key;
  return key;
}

Result<void> read_section(const std::string& path, const std::string& section, const YAML::Node& map,
                          FlagSet& set, std::vector<std::string>& warnings) {
  const auto known = set.names();
  for (const auto& pair : map) {
    const auto key = pair.first.as<std::string>();
    if (pair.second.IsNull()) continue;
    if (pair.second.IsMap()) {
      TRY(read_section(path, key, pair.second, set, warnings));
      continue;
    }
    const std::string flag = flag_of(section, key);
    if (std::ranges::find(known, flag) == known.end()) {
      warnings.push_back("unknown key " + (section.empty() ? key : section + "." + key) + " in " + path +
                         " is ignored");
      continue;
    }
    const std::string text = flag_text(flag, pair.second);
    if (auto ok = set.set(flag, text); !ok)
      return fail(ok.error().code, path + ": " + key + ": " + ok.error().message);
  }
  return {};
}

}  // namespace

Result<void> read_config_file(const std::string& path, FlagSet& set, std::vector<std::string>& warnings) {
  const std::string text = TRY(read_file(path));
  try {
    const YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return {};
    if (!root.IsMap())
      return fail(Code::kInvalidArgument, path + ": want a YAML map of flag names and values");
    return read_section(path, "", root, set, warnings);
  } catch (const YAML::Exception& e) {
    return fail(Code::kInvalidArgument, path + ": " + e.what());
  }
}

}  // namespace keelson::cmd
