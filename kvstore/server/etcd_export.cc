#include "kvstore/server/etcd_export.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/check.h"
#include "kvstore/backend/etcd_writer.h"

namespace keelson::kvstore {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;

std::vector<std::uint64_t> values(const std::vector<raft::NodeId>& ids) {
  std::vector<std::uint64_t> out;
  out.reserve(ids.size());
  for (const auto& id : ids) out.push_back(id.value());
  return out;
}

}  // namespace

class EtcdExport::Digest {
 public:
  Digest() { CHECK(EVP_DigestInit_ex(ctx_.get(), EVP_sha256(), nullptr) == 1); }
  void add(std::string_view bytes) { CHECK(EVP_DigestUpdate(ctx_.get(), bytes.data(), bytes.size()) == 1); }
  std::string finish() {
    std::string out(etcd_schema::kDigestBytes, '\0');
    CHECK(EVP_DigestFinal_ex(ctx_.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1);
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> ctx_{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

EtcdExport::EtcdExport(std::unique_ptr<File> file, std::uint64_t size)
    : file_(std::move(file)), size_(size), digest_(std::make_unique<Digest>()) {}
EtcdExport::~EtcdExport() = default;

Result<std::string> EtcdExport::next() {
  std::string out(std::min<std::uint64_t>(kPieceBytes, size_ - at_), '\0');
  if (out.empty()) return digest_ ? std::exchange(digest_, nullptr)->finish() : out;
  const std::size_t got = TRY(file_->pread(out, at_));
  if (got != out.size()) return fail(Code::kDataLoss, "snapshot: its file shrinks while it is read");
  at_ += got;
  digest_->add(out);
  return out;
}

EtcdCluster etcd_cluster(const ClusterState& cluster) {
  EtcdCluster out;
  for (const auto& [id, m] : cluster.members)
    out.members.push_back({m.id, m.name, m.peer_urls, m.client_urls, m.learner});
  out.removed.assign(cluster.removed.begin(), cluster.removed.end());
  out.voters = values(cluster.raft.voters);
  out.voters_outgoing = values(cluster.raft.voters_old);
  out.learners = values(cluster.raft.learners);
  out.learners_next = values(cluster.raft.learners_next);
  out.auto_leave = cluster.raft.auto_leave;
  for (const auto& a : cluster.alarms)
    out.alarms.push_back({a.member_id, static_cast<std::uint32_t>(a.type)});
  return out;
}

Result<std::unique_ptr<EtcdExport>> export_etcd(const BackendSnapshot& snapshot, FileSystem& fs,
                                                const std::string& path) {
  ClusterState cluster;
  AuthStore auth;
  if (auto bytes = TRY(snapshot.system(kMembersRecord))) TRY(decode_members(*bytes, cluster));
  if (auto bytes = TRY(snapshot.system(kMembershipRecord)))
    cluster.raft = TRY(raft::decode_membership(*bytes));
  if (auto bytes = TRY(snapshot.system(kAlarmsRecord))) cluster.alarms = TRY(decode_alarms(*bytes));
  if (auto bytes = TRY(snapshot.system(kAuthRecord))) TRY(auth.load(*bytes));
  if (fs.exists(path)) TRY(fs.remove(path));
  auto size = write_etcd_file(snapshot, etcd_cluster(cluster), *auth.view(), fs, path);
  auto file = size ? fs.open(path, OpenMode::kRead) : std::unexpected(size.error());
  if (fs.exists(path)) TRY(fs.remove(path));
  if (!file) return std::unexpected(file.error());
  return std::make_unique<EtcdExport>(std::move(*file), *size);
}

}  // namespace keelson::kvstore
