#include "cmd/kvstore/data_dir.h"

#include <algorithm>

namespace keelson::cmd {
namespace {

bool has_log(FileSystem& fs, const std::string& dir) {
  const auto names = fs.list(dir);
  return names && std::ranges::any_of(*names, [](const std::string& n) { return !n.ends_with(".tmp"); });
}

}  // namespace

Result<DataDir> find_data_dir(const KvstoreConfig& config, FileSystem& fs) {
  const std::string nested = config.data_dir + "/member";
  if (fs.exists(nested + "/snap/db")) {
    return fail(Code::kFailedPrecondition,
                config.data_dir +
                    " is the data directory of an etcd: save a snapshot of it with `etcdctl snapshot save` "
                    "(or take member/snap/db of a stopped etcd) and bring it here with `keelson kv snapshot "
                    "restore`");
  }
  DataDir out;
  out.member = fs.exists(config.data_dir + "/db") || fs.exists(config.data_dir + "/wal") ? config.data_dir : nested;
  out.wal = config.wal_dir;
  out.used = has_log(fs, out.wal.empty() ? out.member + "/wal" : out.wal);
  return out;
}

}  // namespace keelson::cmd
