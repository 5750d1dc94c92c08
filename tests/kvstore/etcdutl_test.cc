// The file that export_etcd() makes, before the judge: etcdutl and etcd themselves. Skipped where they are
// not built (KEELSON_PEERS, else /work/tmp/peers/bin).
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>

#include "kvstore/backend/etcd_reader.h"
#include "kvstore/server/etcd_export.h"
#include "kvstore/server/snapshot_file.h"
#include "tests/kvstore/backend_fixture.h"
#include "tests/kvstore/store_fixture.h"

namespace keelson::kvstore {
namespace {

struct Ran {
  int code = 0;
  std::string out;
};

Ran run(const std::string& command) {
  Ran r;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  char buf[4096];
  while (const std::size_t n = std::fread(buf, 1, sizeof buf, pipe)) r.out.append(buf, n);
  r.code = WEXITSTATUS(::pclose(pipe));
  return r;
}

std::string peers() {
  const char* dir = std::getenv("KEELSON_PEERS");
  return dir != nullptr ? dir : "/work/tmp/peers/bin";
}

TEST(Etcdutl, AcceptsOurSnapshots) {
  if (!std::filesystem::exists(peers() + "/etcdutl")) GTEST_SKIP() << "no etcdutl in " << peers();
  ScratchDir dir;
  auto& fs = posix_file_system();
  auto m = *Machine::open({.dir = dir.path() + "/db"});
  Rng rng(6);
  for (int i = 0; i < 10000; ++i) m->apply(rng);
  Effects effects;
  for (int i = 0; i < 10000; ++i) {
    TxnRequest t;
    auto& op = t.success.emplace_back();
    op.kind = TxnOp::Kind::kPut;
    op.put.key = "/registry/x/" + std::to_string(i);
    op.put.value = Bytes(std::string(static_cast<std::size_t>(i % 97) * 100, 'v'));
    ASSERT_TRUE(m->state->txn(t, effects));
  }
  ClusterState cluster;
  cluster.cluster_id = 5;
  cluster.members[0xabc] = {.id = 0xabc, .name = "a", .peer_urls = {"http://127.0.0.1:2380"}};
  cluster.raft.voters = {raft::NodeId(0xabc)};
  AuthView auth;
  auth.users["root"] = {.name = "root", .password_hash = "$2a$10$x", .roles = {"root"}};
  auth.roles["root"] = {.name = "root"};
  m->backend->put_system(kMembersRecord, encode_members(cluster));
  m->backend->put_system(kMembershipRecord, raft::encode(cluster.raft));
  m->backend->put_system(kAuthRecord, encode(auth));
  m->commit(effects);
  ASSERT_TRUE(m->backend->flush());

  auto file = export_etcd(**m->backend->snapshot(), fs, dir.path() + "/export.tmp");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_FALSE(fs.exists(dir.path() + "/export.tmp"));
  const std::string db = dir.path() + "/snapshot.db";
  {
    auto out = *fs.open(db, OpenMode::kCreate);
    for (;;) {
      auto piece = (*file)->next();
      ASSERT_TRUE(piece);
      if (piece->empty()) break;
      ASSERT_TRUE(out->append(*piece));
    }
  }
  auto reader = *EtcdReader::open(fs, db, EtcdReader::Digest::kVerify);
  auto ours = *reader->status();
  const Ran status = run(peers() + "/etcdutl snapshot status -w json " + db);
  ASSERT_EQ(status.code, 0) << status.out;
  EXPECT_EQ(status.out,
            "{\"hash\":" + std::to_string(ours.hash) + ",\"revision\":" + std::to_string(ours.revision) +
                ",\"totalKey\":" + std::to_string(ours.total_keys) +
                ",\"totalSize\":" + std::to_string(ours.total_size) + ",\"version\":\"3.7.0\"}\n");
  EXPECT_EQ(ours.revision, m->meta.revision);
  const Ran restore = run(peers() + "/etcdutl snapshot restore --data-dir " + dir.path() + "/etcd " + db);
  EXPECT_EQ(restore.code, 0) << restore.out;
  // hashkv recomputes over the versions: a restored etcd sees the same revision.
  const Ran hash = run(peers() + "/etcdutl hashkv -w json " + dir.path() + "/etcd/member/snap/db");
  EXPECT_EQ(hash.code, 0) << hash.out;
  EXPECT_NE(hash.out.find("\"hashRevision\":" + std::to_string(ours.revision)), std::string::npos)
      << hash.out;
  const auto hashed = hash_versions(*m->backend, *m->state, 0);
  ASSERT_TRUE(hashed);
  EXPECT_NE(hash.out.find("\"hash\":" + std::to_string(hashed->hash)), std::string::npos)
      << hash.out << " ours: " << hashed->hash;
  const Ran older = run(peers() + "/etcdutl hashkv -w json --rev " + std::to_string(ours.revision - 5000) +
                        " " + dir.path() + "/etcd/member/snap/db");
  const auto hashed_older = hash_versions(*m->backend, *m->state, ours.revision - 5000);
  ASSERT_TRUE(hashed_older) << hashed_older.error().message;
  EXPECT_NE(older.out.find("\"hash\":" + std::to_string(hashed_older->hash)), std::string::npos)
      << older.out << " ours: " << hashed_older->hash;
}

}  // namespace
}  // namespace keelson::kvstore
