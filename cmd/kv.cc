// keelson kv snapshot status|restore, keelson kv log dump (kv_log.cc): offline work on a store's files, with
// the flags and outputs of etcdutl 3.7.1. Reads snapshots of keelson and of etcd, and the database file of a
// stopped etcd.
#include <cmath>
#include <cstdio>

#include "base/flags.h"
#include "cmd/command.h"
#include "cmd/kv_log.h"
#include "cmd/kvstore/cluster.h"
#include "cmd/kvstore/comma_list.h"
#include "cmd/kvstore/url.h"
#include "kvstore/backend/etcd_reader.h"
#include "kvstore/server/etcd_import.h"

namespace keelson::cmd {
namespace {

using kvstore::EtcdFileStatus;
using kvstore::EtcdReader;

// etcdutl's.
constexpr int kExitError = 1;
constexpr int kExitBadFeature = 4;
constexpr int kExitBadArgs = 128;

int complain(int code, const std::string& message) {
  std::fprintf(stderr, "Error: %s\n", message.c_str());
  return code;
}

// 1234567 → "1.2 MB", as etcdutl rounds.
std::string human_bytes(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 10) return std::to_string(bytes) + " B";
  int unit = 0;
  auto v = static_cast<double>(bytes);
  for (; v >= 1000 && unit < 6; ++unit) v /= 1000;
  v = std::floor(v * 10 + 0.5) / 10;
  char text[32];
  std::snprintf(text, sizeof text, v < 10 ? "%.1f %s" : "%.0f %s", v, kUnits[unit]);
  return text;
}

std::vector<std::string> columns(const EtcdFileStatus& s) {
  char hash[16];
  std::snprintf(hash, sizeof hash, "%x", s.hash);
  return {hash, std::to_string(s.revision), std::to_string(s.total_keys), human_bytes(s.total_size),
          s.version};
}

void print_table(const std::vector<std::string>& cells) {
  const std::vector<std::string> heads = {"HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION"};
  std::string rule[3];
  std::string head;
  std::string row;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::size_t width = std::max(heads[i].size(), cells[i].size());
    const char* corners[3][2] = {{"┌", "┬"}, {"├", "┼"}, {"└", "┴"}};
    for (int r = 0; r < 3; ++r) {
      rule[r] += corners[r][i == 0 ? 0 : 1];
      for (std::size_t n = 0; n < width + 2; ++n) rule[r] += "─";
    }
    const std::size_t left = (width - heads[i].size()) / 2;
    head += "│ " + std::string(left, ' ') + heads[i] + std::string(width - heads[i].size() - left, ' ') + " ";
    row += "│ " + std::string(width - cells[i].size(), ' ') + cells[i] + " ";
  }
  std::printf("%s┐\n%s│\n%s┤\n%s│\n%s┘\n", rule[0].c_str(), head.c_str(), rule[1].c_str(), row.c_str(),
              rule[2].c_str());
}

int print(const EtcdFileStatus& s, const std::string& format) {
  const auto cells = columns(s);
  if (format == "simple") {
    for (std::size_t i = 0; i < cells.size(); ++i) std::printf("%s%s", i > 0 ? ", " : "", cells[i].c_str());
    std::printf("\n");
  } else if (format == "json") {
    std::printf("{\"hash\":%u,\"revision\":%lld,\"totalKey\":%llu,\"totalSize\":%llu,\"version\":\"%s\"}\n",
                s.hash, static_cast<long long>(s.revision), static_cast<unsigned long long>(s.total_keys),
                static_cast<unsigned long long>(s.total_size), s.version.c_str());
  } else if (format == "fields") {
    std::printf("\"Hash\" : %u\n\"Revision\" : %lld\n\"Keys\" : %llu\n\"Size\" : %llu\n\"Version\" : %s\n",
                s.hash, static_cast<long long>(s.revision), static_cast<unsigned long long>(s.total_keys),
                static_cast<unsigned long long>(s.total_size), s.version.c_str());
  } else {
    print_table(cells);
  }
  return 0;
}

struct KvFlags {
  std::string write_out = "simple";
  std::string data_dir, wal_dir;
  std::string name = "default";
  std::string cluster = "default=http://localhost:2380";
  std::string token = "etcd-cluster";
  std::string peer_urls = "http://localhost:2380";
  bool skip_hash_check = false;
  bool mark_compacted = false;
  std::int64_t bump_revision = 0;
};

void bind_restore(FlagSet& set, KvFlags& f) {
  set.add("data-dir", &f.data_dir, "the data directory to make; default NAME.etcd");
  set.add("wal-dir", &f.wal_dir,
          "keelson keeps its log in the data directory: only DATA-DIR/wal is accepted");
  set.add("name", &f.name, "this member's name");
  set.add("initial-cluster", &f.cluster, "members of the new cluster: NAME=PEER-URL,…");
  set.add("initial-cluster-token", &f.token, "the new cluster's token");
  set.add("initial-advertise-peer-urls", &f.peer_urls, "this member's peer URLs");
  set.add("skip-hash-check", &f.skip_hash_check, "do not verify the SHA-256 (a database file has none)");
  set.add("bump-revision", &f.bump_revision, "how much to raise the newest revision");
  set.add("mark-compacted", &f.mark_compacted,
          "mark the raised revision as compacted (with --bump-revision)");
  set.ignore("initial-memory-map-size", true);
}

int status(const std::string& path, const KvFlags& f) {
  if (f.write_out == "protobuf") return complain(kExitBadFeature, "protobuf not supported as output format");
  if (f.write_out != "simple" && f.write_out != "json" && f.write_out != "fields" && f.write_out != "table")
    return complain(kExitBadFeature, "unsupported output format");
  auto reader = EtcdReader::open(posix_file_system(), path, EtcdReader::Digest::kIgnore);
  if (!reader) return complain(kExitError, reader.error().message);
  auto s = (*reader)->status();
  if (!s) return complain(kExitError, s.error().message);
  return print(*s, f.write_out);
}

Result<void> restore_to(const std::string& path, const KvFlags& f) {
  KvstoreConfig config;
  config.name = f.name;
  config.initial_cluster = f.cluster;
  config.initial_cluster_token = f.token;
  config.initial_advertise_peer_urls = TRY(parse_urls(f.peer_urls));
  const auto cluster = TRY(initial_cluster(config));
  kvstore::EtcdImportOptions o;
  o.data_dir = f.data_dir.empty() ? f.name + ".etcd" : f.data_dir;
  while (o.data_dir.size() > 1 && o.data_dir.back() == '/') o.data_dir.pop_back();
  if (!f.wal_dir.empty() && f.wal_dir != o.data_dir + "/wal")
    return fail(Code::kInvalidArgument, "--wal-dir: keelson keeps its log in " + o.data_dir + "/wal");
  o.id = cluster.self;
  o.cluster_id = cluster.cluster_id;
  o.members = cluster.members;
  o.bump_revision = static_cast<std::uint64_t>(f.bump_revision);
  const auto digest = f.skip_hash_check ? EtcdReader::Digest::kIgnore : EtcdReader::Digest::kVerify;
  auto reader = TRY(EtcdReader::open(posix_file_system(), path, digest));
  // Refused before anything is written.
  TRY(reader->status());
  const auto done = TRY(kvstore::import_etcd(*reader, posix_file_system(), o));
  for (const auto& m : cluster.members) {
    std::fprintf(stderr, "added member %s %s\n", m.name.c_str(), join_list(m.peer_urls).c_str());
  }
  std::fprintf(stderr, "restored snapshot %s to %s: revision %lld, %zu keys\n", path.c_str(),
               o.data_dir.c_str(), static_cast<long long>(done.revision), done.keys);
  return {};
}

int restore(const std::string& path, const KvFlags& f) {
  if (f.bump_revision < 0) return complain(kExitBadArgs, "--bump-revision must not be negative");
  if ((f.bump_revision > 0) != f.mark_compacted)
    return complain(kExitBadArgs, "--mark-compacted required if --revision-bump > 0");
  if (auto r = restore_to(path, f); !r) return complain(kExitError, r.error().message);
  return 0;
}

// Files may stand before, between and behind flags, as etcdutl allows; -w is --write-out.
std::vector<std::string> take_files(std::vector<std::string>& args) {
  std::vector<std::string> files;
  std::vector<std::string> flags;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string arg = args[i];
    if (arg == "-w") arg = "--write-out";
    if (arg.starts_with("-w=")) arg.replace(0, 2, "--write-out");
    if (!arg.starts_with("-")) {
      files.push_back(arg);
      continue;
    }
    flags.push_back(arg);
    const std::string name = arg.substr(std::min(arg.find_first_not_of('-'), arg.size()));
    const bool is_switch =
        name == "skip-hash-check" || name == "mark-compacted" || name == "help" || name == "h";
    if (name.find('=') == std::string::npos && !is_switch && i + 1 < args.size()) flags.push_back(args[++i]);
  }
  args = std::move(flags);
  return files;
}

}  // namespace

int run_kv(std::vector<std::string> args) {
  if (!args.empty() && args[0] == "log") {
    args.erase(args.begin());
    return run_kv_log(std::move(args));
  }
  const bool known =
      args.size() >= 2 && args[0] == "snapshot" && (args[1] == "status" || args[1] == "restore");
  if (!known) {
    std::fprintf(stderr,
                 "usage: keelson kv snapshot status FILE [-w simple|json|table|fields]\n"
                 "       keelson kv snapshot restore FILE --data-dir DIR [flags; --help lists them]\n"
                 "       keelson kv log dump DATA-DIR\n");
    return args.empty() || args[0] == "--help" ? 0 : kExitBadArgs;
  }
  const bool is_restore = args[1] == "restore";
  KvFlags f;
  FlagSet set(is_restore ? "keelson kv snapshot restore FILE --data-dir DIR [flags]"
                         : "keelson kv snapshot status FILE [flags]");
  set.add("write-out", &f.write_out, "simple, json, table or fields");
  set.ignore("timeout", true);
  if (is_restore) bind_restore(set, f);
  args.erase(args.begin(), args.begin() + 2);
  const auto files = take_files(args);
  if (auto r = set.parse(args); !r) return complain(kExitBadArgs, r.error().message);
  if (set.help_wanted()) {
    std::printf("%s", set.help().c_str());
    return 0;
  }
  if (files.size() != 1)
    return complain(kExitBadArgs, std::string("snapshot ") + (is_restore ? "restore" : "status") +
                                      " requires exactly one argument");
  return is_restore ? restore(files[0], f) : status(files[0], f);
}

}  // namespace keelson::cmd
