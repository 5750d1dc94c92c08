#include "apiserver/storage.h"

#include "apiserver/object_meta.h"
#include "apiserver/stored_form.h"
#include "base/check.h"

namespace keelson::apiserver {

using kvstore::Compare;
using kvstore::TxnOp;

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  CHECK(!end.empty());
  end.back() = static_cast<char>(end.back() + 1);  // prefixes end in '/'
  return end;
}

Storage::Storage(kvstore::Store& store, WatchCache& cache, WriteIntents& intents, Clock& clock, bool local)
    : store_(store), cache_(cache), intents_(intents), clock_(clock), local_(local) {}

Task<Result<std::int64_t>> Storage::read_revision() {
  if (local_) co_return store_.current_revision();
  kvstore::RangeRequest request;
  request.key = "/registry/none";
  request.count_only = true;
  auto answer = CO_TRY(co_await store_.range(std::move(request)));
  co_return answer.revision;
}

Task<Result<void>> Storage::catch_up() {
  if (fresh()) co_return Result<void>{};
  auto revision = CO_TRY(co_await read_revision());
  co_return co_await cache_.wait_for(revision, std::chrono::seconds(10));
}

Task<Result<VersionPtr>> Storage::get(const Resource& resource, std::string ns, std::string name) {
  if (!fresh()) {
    if (auto ok = co_await catch_up(); !ok) co_return std::unexpected(ok.error());
  }
  co_return resource.cache->get(resource.cache_key(ns, name));
}

Task<Result<VersionPtr>> Storage::get_live(const Resource& resource, std::string key) {
  kvstore::RangeRequest request;
  request.key = std::move(key);
  auto answer = CO_TRY(co_await store_.range(std::move(request)));
  if (answer.kvs.empty()) co_return VersionPtr{};
  auto& kv = answer.kvs.front();
  co_return decode_stored(*resource.stored, kv.value, kv.mod_revision);
}

Task<Result<kvstore::LeaseId>> Storage::lease(std::int64_t ttl_s) {
  if (ttl_s == 0) co_return kvstore::LeaseId{0};
  {
    std::lock_guard lock(lease_mu_);
    auto& shared = leases_[ttl_s];
    if (shared.id != 0 && clock_.now() < shared.until) co_return shared.id;
  }
  constexpr std::int64_t kReuse = 60;
  auto granted = CO_TRY(co_await store_.lease_grant(0, ttl_s + kReuse));
  std::lock_guard lock(lease_mu_);
  leases_[ttl_s] = {granted.id, clock_.now() + std::chrono::seconds(kReuse)};
  co_return granted.id;
}

Task<Result<WriteOutcome>> Storage::put(const Resource& resource, std::string key, std::int64_t expected,
                                        std::unique_ptr<api::Object> object, std::int64_t ttl_s) {
  set_resource_version(*object, 0);
  Bytes bytes = encode_stored(*object);
  kvstore::TxnRequest txn;
  Compare compare;
  compare.key = key;
  compare.number = expected;
  txn.compares.push_back(std::move(compare));
  TxnOp write;
  write.kind = TxnOp::Kind::kPut;
  write.put.key = key;
  write.put.value = bytes;
  write.put.lease = CO_TRY(co_await lease(ttl_s));
  txn.success.push_back(std::move(write));
  TxnOp read;
  read.kind = TxnOp::Kind::kRange;
  read.range.key = key;
  txn.failure.push_back(std::move(read));
  auto intent = intents_.announce(std::move(key), std::move(object), bytes);
  auto done = co_await store_.txn(std::move(txn));
  WriteOutcome out;
  if (!done) {
    intents_.withdraw(intent);
    co_return std::unexpected(done.error());
  }
  if (done->succeeded) {
    out.written = intent->resolve(done->revision);
    co_return out;
  }
  intents_.withdraw(intent);
  auto& found = done->responses.at(0).range.kvs;
  if (!found.empty()) out.current = CO_TRY(decode_stored(*resource.stored, found[0].value, found[0].mod_revision));
  co_return out;
}

Task<Result<WriteOutcome>> Storage::create(const Resource& resource, std::string key,
                                           std::unique_ptr<api::Object> object, std::int64_t ttl_s) {
  co_return co_await put(resource, std::move(key), 0, std::move(object), ttl_s);
}

Task<Result<WriteOutcome>> Storage::update(const Resource& resource, std::string key, std::int64_t expected,
                                           std::unique_ptr<api::Object> object, std::int64_t ttl_s) {
  co_return co_await put(resource, std::move(key), expected, std::move(object), ttl_s);
}

Task<Result<WriteOutcome>> Storage::remove(const Resource& resource, std::string key, VersionPtr expected) {
  kvstore::TxnRequest txn;
  Compare compare;
  compare.key = key;
  compare.number = expected->revision();
  txn.compares.push_back(std::move(compare));
  TxnOp del;
  del.kind = TxnOp::Kind::kDelete;
  del.del.key = key;
  txn.success.push_back(std::move(del));
  TxnOp read;
  read.kind = TxnOp::Kind::kRange;
  read.range.key = key;
  txn.failure.push_back(std::move(read));
  auto done = CO_TRY(co_await store_.txn(std::move(txn)));
  WriteOutcome out;
  if (done.succeeded) {
    out.written = with_revision(*expected, done.revision);
    co_return out;
  }
  auto& found = done.responses.at(0).range.kvs;
  if (!found.empty()) out.current = CO_TRY(decode_stored(*resource.stored, found[0].value, found[0].mod_revision));
  co_return out;
}

Task<Result<Storage::Page>> Storage::history(const Resource& resource, std::string prefix, std::string start,
                                             std::int64_t revision, std::int64_t limit) {
  kvstore::RangeRequest request;
  request.key = std::move(start);
  request.end = prefix_end(prefix);
  request.revision = revision;
  request.limit = limit;
  auto answer = CO_TRY(co_await store_.range(std::move(request)));
  Page page;
  page.revision = revision == 0 ? answer.revision : revision;
  for (auto& kv : answer.kvs)
    page.items.push_back(CO_TRY(decode_stored(*resource.stored, kv.value, kv.mod_revision)));
  if (answer.more && !answer.kvs.empty()) {
    page.next_key = std::string(answer.kvs.back().key.view()) + '\0';
    page.remaining = answer.count - static_cast<std::int64_t>(answer.kvs.size());
  }
  co_return page;
}

}  // namespace keelson::apiserver
