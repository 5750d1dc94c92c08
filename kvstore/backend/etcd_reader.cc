#include "kvstore/backend/etcd_reader.h"

#include <openssl/evp.h>

#include <algorithm>
#include <unordered_set>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/wire.h"

namespace keelson::kvstore {
namespace {

std::unexpected<Error> bad(std::string_view what) {
  return fail(Code::kDataLoss, "etcd file: " + std::string(what));
}

std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

Result<std::string> sha256(File& file, std::uint64_t bytes) {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> ctx(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  CHECK(ctx && EVP_DigestInit_ex(ctx.get(), EVP_sha256(), nullptr) == 1);
  std::string buf(1 << 20, '\0');
  for (std::uint64_t at = 0; at < bytes;) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(buf.size(), bytes - at));
    const std::size_t got = TRY(file.pread({buf.data(), n}, at));
    if (got == 0) return bad("it shrinks while it is read");
    CHECK(EVP_DigestUpdate(ctx.get(), buf.data(), got) == 1);
    at += got;
  }
  std::string out(etcd_schema::kDigestBytes, '\0');
  CHECK(EVP_DigestFinal_ex(ctx.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1);
  return out;
}

struct Version {
  ItemFields fields;
  std::string_view key;
  std::string_view value;
};

Result<Version> decode_version_pair(std::string_view key, std::string_view value) {
  Version v;
  if (!etcd_schema::parse_revision_key(key, v.fields.rev, v.fields.tombstone))
    return bad("the key " + to_hex(key) + " is no revision");
  wire::Reader r(value);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        v.key = r.bytes();
        break;
      case 2:
        v.fields.create = r.sint();
        break;
      case 4:
        v.fields.version = r.sint();
        break;
      case 5:
        v.value = r.bytes();
        break;
      case 6:
        v.fields.lease = r.sint();
        break;
      default:
        break;
    }
  }
  if (!r.ok()) return bad("the version at " + to_hex(key) + " is malformed");
  return v;
}

}  // namespace

Result<std::unique_ptr<EtcdReader>> EtcdReader::open(FileSystem& fs, const std::string& path, Digest digest) {
  auto file = TRY(fs.open(path, OpenMode::kRead));
  std::uint64_t bytes = TRY(file->size());
  const bool has_digest = bytes % 512 == etcd_schema::kDigestBytes;
  if (has_digest) bytes -= etcd_schema::kDigestBytes;
  if (digest == Digest::kVerify) {
    if (!has_digest) return fail(Code::kDataLoss, "snapshot missing hash but --skip-hash-check=false");
    std::string want(etcd_schema::kDigestBytes, '\0');
    want.resize(TRY(file->pread(want, bytes)));
    const std::string got = TRY(sha256(*file, bytes));
    if (want != got) return fail(Code::kDataLoss, "expected sha256 " + to_hex(want) + ", got " + to_hex(got));
  }
  return std::unique_ptr<EtcdReader>(new EtcdReader(TRY(BboltReader::open(std::move(file), bytes))));
}

Result<std::string> EtcdReader::value(std::string_view bucket, std::string_view key) {
  std::string out;
  TRY(bbolt_->for_each(bucket, [&](std::string_view k, std::string_view v) -> Result<void> {
    if (k == key) out = v;
    return {};
  }));
  return out;
}

Result<EtcdFileStatus> EtcdReader::status() {
  if (auto ok = bbolt_->check(); !ok)
    return fail(Code::kDataLoss,
                "snapshot file integrity check failed. 1 errors found.\n" + ok.error().message);
  EtcdFileStatus out;
  out.total_size = bbolt_->size();
  out.version = TRY(value("meta", "storageVersion"));
  std::unordered_set<std::string> live;
  for (const auto& bucket : bbolt_->buckets()) {
    out.hash = crc32c(out.hash, bucket);
    TRY(bbolt_->for_each(bucket, [&](std::string_view key, std::string_view value) -> Result<void> {
      out.hash = crc32c(crc32c(out.hash, key), value);
      if (bucket != "key") return {};
      const Version v = TRY(decode_version_pair(key, value));
      out.revision = v.fields.rev.main;
      if (v.fields.tombstone) {
        live.erase(std::string(v.key));
      } else {
        live.emplace(v.key);
      }
      return {};
    }));
  }
  out.total_keys = live.size();
  return out;
}

Result<EtcdReader::Meta> EtcdReader::load(const Backend::Loader& loader) {
  Meta meta;
  Revision scheduled = 0;
  Revision finished = 0;
  TRY(bbolt_->for_each("meta", [&](std::string_view key, std::string_view value) -> Result<void> {
    FullRevision rev;
    bool tombstone = false;
    if (key == "consistent_index" && value.size() == 8) meta.consistent_index = etcd_schema::get_u64(value);
    if (key == "term" && value.size() == 8) meta.term = etcd_schema::get_u64(value);
    if (key != "scheduledCompactRev" && key != "finishedCompactRev") return {};
    if (!etcd_schema::parse_revision_key(value, rev, tombstone))
      return bad(std::string(key) + " is no revision");
    (key == "scheduledCompactRev" ? scheduled : finished) = rev.main;
    return {};
  }));
  meta.compacted = std::max(scheduled, finished);
  meta.compaction_done = scheduled <= finished;
  meta.revision = std::max<Revision>(1, meta.compacted);
  TRY(bbolt_->for_each("lease", [&](std::string_view, std::string_view value) -> Result<void> {
    LeaseChange l;
    wire::Reader r(value);
    while (r.next()) {
      if (r.field() == 1) l.id = r.sint();
      if (r.field() == 2) l.ttl_s = r.sint();
      if (r.field() == 3) l.remaining_s = r.sint();
    }
    if (!r.ok() || l.id == 0) return bad("a lease is malformed");
    if (loader.lease)
      loader.lease(l.id, std::max<std::int64_t>(1, l.ttl_s), std::max<std::int64_t>(0, l.remaining_s));
    return {};
  }));
  FullRevision newest;
  TRY(bbolt_->for_each("key", [&](std::string_view key, std::string_view value) -> Result<void> {
    const Version v = TRY(decode_version_pair(key, value));
    if (v.fields.rev <= newest) return bad("the revision " + to_hex(key) + " is there twice");
    newest = v.fields.rev;
    meta.revision = std::max(meta.revision, newest.main);
    // What `--bump-revision` puts behind the last revision has no key.
    if (v.key.empty()) return {};
    if (!v.fields.tombstone &&
        (v.fields.create <= 0 || v.fields.create > newest.main || v.fields.version <= 0))
      return bad("the version at " + to_hex(key) + " is malformed");
    ItemFields fields = v.fields;
    if (fields.tombstone) fields = {.rev = v.fields.rev, .tombstone = true};
    if (loader.version) loader.version(fields, v.key, fields.tombstone ? std::string_view() : v.value);
    return {};
  }));
  return meta;
}

Result<AuthView> EtcdReader::auth() {
  AuthView view;
  view.enabled = TRY(value("auth", "authEnabled")) == std::string_view("\1", 1);
  const std::string revision = TRY(value("auth", "authRevision"));
  if (revision.size() == 8) view.revision = std::max<std::uint64_t>(1, etcd_schema::get_u64(revision));
  TRY(bbolt_->for_each("authUsers", [&](std::string_view key, std::string_view value) -> Result<void> {
    auto user = TRY(decode_auth_user(value));
    if (user.name != key) return bad("a user is kept under another's name");
    view.users.insert_or_assign(std::string(key), std::move(user));
    return {};
  }));
  TRY(bbolt_->for_each("authRoles", [&](std::string_view key, std::string_view value) -> Result<void> {
    auto role = TRY(decode_auth_role(value));
    if (role.name != key) return bad("a role is kept under another's name");
    view.roles.insert_or_assign(std::string(key), std::move(role));
    return {};
  }));
  return view;
}

Result<std::vector<EtcdAlarm>> EtcdReader::alarms() {
  std::vector<EtcdAlarm> out;
  TRY(bbolt_->for_each("alarm", [&](std::string_view key, std::string_view) -> Result<void> {
    EtcdAlarm a;
    wire::Reader r(key);
    while (r.next()) {
      if (r.field() == 1) a.member_id = r.uint();
      if (r.field() == 2) a.type = static_cast<std::uint32_t>(r.uint());
    }
    if (!r.ok()) return bad("an alarm is malformed");
    out.push_back(a);
    return {};
  }));
  return out;
}

}  // namespace keelson::kvstore
