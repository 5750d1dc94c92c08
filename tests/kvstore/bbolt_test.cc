// bbolt files: what is written is read back, at every shape of tree; damage is found.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "kvstore/backend/bbolt_reader.h"
#include "kvstore/backend/bbolt_writer.h"
#include "kvstore/backend/etcd_reader.h"
#include "kvstore/backend/etcd_writer.h"
#include "tests/kvstore/backend_fixture.h"

namespace keelson::kvstore {
namespace {

using Buckets = std::map<std::string, std::map<std::string, std::string>>;

std::uint64_t write(FileSystem& fs, const std::string& path, const Buckets& buckets) {
  auto w = *BboltWriter::create(fs, path);
  for (const auto& [name, pairs] : buckets) {
    RC_ASSERT(w->begin_bucket(name).has_value());
    for (const auto& [k, v] : pairs) RC_ASSERT(w->put(k, v).has_value());
  }
  return *w->finish();
}

Result<Buckets> read(FileSystem& fs, const std::string& path) {
  auto file = TRY(fs.open(path, OpenMode::kRead));
  const auto bytes = TRY(file->size());
  auto r = TRY(BboltReader::open(std::move(file), bytes));
  TRY(r->check());
  Buckets out;
  for (const auto& name : r->buckets()) {
    auto& pairs = out[name];
    TRY(r->for_each(name, [&](std::string_view k, std::string_view v) -> Result<void> {
      pairs.emplace(k, v);
      return {};
    }));
  }
  return out;
}

TEST(Bbolt, WhatIsWrittenIsReadBack) {
  EXPECT_TRUE(rc::check([] {
    Rng rng(*rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>()));
    const auto key_max = 1 + rng.below(rng.below(5) == 0 ? 3000 : 40);
    const auto value_max = 1 + rng.below(rng.below(5) == 0 ? 20000 : 300);
    Buckets buckets;
    const auto count = rng.below(5);
    for (std::uint64_t b = 0; b < count; ++b) {
      auto& pairs = buckets["bucket" + std::to_string(rng.below(100))];
      const auto n = rng.below(rng.below(3) == 0 ? 3 : 3000);
      for (std::uint64_t i = 0; i < n; ++i) {
        std::string key = std::to_string(rng.below(1000000));
        key.resize(std::max<std::size_t>(key.size(), rng.below(key_max)), 'k');
        pairs[key] = std::string(rng.below(value_max), 'v');
      }
    }
    MemFileSystem fs;
    const auto bytes = write(fs, "f", buckets);
    RC_ASSERT(bytes == fs.content("f").size());
    auto got = read(fs, "f");
    if (!got) RC_FAIL(got.error().message);
    RC_ASSERT(*got == buckets);
  }));
}

TEST(Bbolt, DamageIsFoundAndNeverACrash) {
  MemFileSystem fs;
  Buckets buckets;
  for (int i = 0; i < 2000; ++i) buckets["key"]["k" + std::to_string(i)] = std::string(50, 'v');
  write(fs, "f", buckets);
  const std::string good = fs.content("f");
  Rng rng(1);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string& bytes = fs.content("f");
    bytes = good;
    for (std::uint64_t n = 0; n < 1 + rng.below(4); ++n) {
      // Mostly where the structure is.
      const auto page = rng.below(bytes.size() / 4096);
      const auto at = page * 4096 + rng.below(rng.below(3) == 0 ? 4096 : 64);
      bytes[at] = static_cast<char>(rng.below(256));
    }
    if (rng.below(10) == 0) bytes.resize(rng.below(bytes.size()));
    auto got = read(fs, "f");
    if (!got) {
      ++refused;
      EXPECT_EQ(got.error().code, Code::kDataLoss);
      EXPECT_NE(got.error().message.find("bbolt file: "), std::string::npos);
    }
  }
  EXPECT_GT(refused, 1000);
}

AuthView users() {
  AuthView auth;
  auth.enabled = true;
  auth.revision = 7;
  auth.users["root"] = {.name = "root", .password_hash = "$2a$10$x", .roles = {"root"}};
  auth.users["cn"] = {.name = "cn", .no_password = true, .roles = {"r"}};
  auth.roles["root"] = {.name = "root"};
  auth.roles["r"] = {.name = "r", .permissions = {{Permission::Type::kReadWrite, "a", std::string(1, '\0')}}};
  return auth;
}

TEST(EtcdFile, HoldsWhatTheBackendHolds) {
  MemFileSystem fs;
  auto m = *Machine::open(drained(fs, "db"));
  Rng rng(4);
  for (int i = 0; i < 5000; ++i) m->apply(rng);
  do {
    ASSERT_TRUE(m->backend->flush());
  } while (m->backend->compacting());
  EtcdCluster cluster;
  cluster.members = {
      {.id = 0xabc, .name = "a", .peer_urls = {"http://a:2380"}, .client_urls = {"http://a:2379"}}};
  cluster.removed = {0xdef};
  cluster.voters = {0xabc};
  cluster.alarms = {{0xabc, 1}};
  auto snapshot = *m->backend->snapshot();
  auto bytes = write_etcd_file(*snapshot, cluster, users(), fs, "f");
  ASSERT_TRUE(bytes) << bytes.error().message;

  EXPECT_FALSE(EtcdReader::open(fs, "f", EtcdReader::Digest::kVerify));
  auto reader = *EtcdReader::open(fs, "f", EtcdReader::Digest::kIgnore);
  auto status = reader->status();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->revision, m->meta.revision);
  EXPECT_EQ(status->total_size, *bytes);
  EXPECT_EQ(status->version, "3.7.0");
  std::map<LeaseId, std::int64_t> leases;
  State state(m->backend.get());
  Backend::Loader loader;
  loader.lease = [&](LeaseId id, std::int64_t ttl_s, std::int64_t) {
    leases[id] = ttl_s;
    state.load_lease(id, ttl_s, {});
  };
  loader.version = [&](const ItemFields& f, std::string_view key, std::string_view value) {
    state.load_version(f, key, value);
  };
  auto meta = reader->load(loader);
  ASSERT_TRUE(meta) << meta.error().message;
  EXPECT_EQ(meta->revision, m->meta.revision);
  EXPECT_EQ(meta->compacted, m->meta.compacted);
  EXPECT_TRUE(meta->compaction_done);
  EXPECT_EQ(meta->consistent_index, m->meta.applied_index);
  EXPECT_EQ(meta->term, m->meta.applied_term);
  EXPECT_EQ(state.state_hash(), m->meta.state_hash);
  EXPECT_EQ(state.leases().ids(), m->state->leases().ids());
  EXPECT_EQ(static_cast<std::int64_t>(status->total_keys),
            m->state->snapshot()->view().count({std::string_view("\0", 1), std::string_view("\0", 1)}));
  EXPECT_EQ(encode(*reader->auth()), encode(users()));
  EXPECT_EQ(reader->alarms()->size(), 1U);
}

}  // namespace
}  // namespace keelson::kvstore
