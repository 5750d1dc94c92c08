// EtcdReader: reads what etcd keeps (etcd_schema.h) out of its file: a snapshot with its SHA-256 behind it,
// ours or etcd's, or the `member/snap/db` of a stopped etcd. Trusts nothing in it.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "kvstore/backend/backend.h"
#include "kvstore/backend/bbolt_reader.h"
#include "kvstore/backend/etcd_schema.h"
#include "kvstore/mvcc/auth_store.h"

namespace keelson::kvstore {

// What `etcdutl snapshot status` says.
struct EtcdFileStatus {
  std::uint32_t hash = 0;  // CRC-32C over buckets, keys and values
  Revision revision = 0;
  std::uint64_t total_keys = 0;  // live ones
  std::uint64_t total_size = 0;
  std::string version;  // of the storage; empty before etcd 3.6
};

class EtcdReader {
 public:
  enum class Digest : std::uint8_t { kVerify, kIgnore };
  // kVerify: kDataLoss when there is no digest behind the file or it is not the file's.
  static Result<std::unique_ptr<EtcdReader>> open(FileSystem& fs, const std::string& path, Digest digest);

  // Checks the whole file. kDataLoss with what is wrong first.
  Result<EtcdFileStatus> status();

  struct Meta {
    std::uint64_t consistent_index = 0;
    std::uint64_t term = 0;
    Revision compacted = 0;
    bool compaction_done = true;
    Revision revision = 1;  // newest: of a version, or compacted
  };
  // Leases, then versions in rising order.
  Result<Meta> load(const Backend::Loader& loader);
  // Users and roles; without their grants.
  Result<AuthView> auth();
  Result<std::vector<EtcdAlarm>> alarms();

 private:
  explicit EtcdReader(std::unique_ptr<BboltReader> bbolt) : bbolt_(std::move(bbolt)) {}
  Result<std::string> value(std::string_view bucket, std::string_view key);
  std::unique_ptr<BboltReader> bbolt_;
};

}  // namespace keelson::kvstore
