#include "kvstore/backend/parallel_load.h"

#include <leveldb/db.h>

#include <algorithm>
#include <thread>

#include "base/check.h"
#include "kvstore/backend/backend_db.h"
#include "kvstore/backend/record.h"

namespace keelson::kvstore {
namespace {

constexpr std::uint64_t kStretchBytes = 1 << 20;
constexpr std::size_t kAhead = 8;  // stretches that may be read and not yet taken over

}  // namespace

ParallelLoad::ParallelLoad(const BackendSnapshot& snapshot, std::uint64_t bytes, unsigned threads)
    : snapshot_(snapshot), threads_(threads) {
  CHECK(threads > 0);
  const auto revisions = static_cast<std::uint64_t>(std::max<Revision>(snapshot.meta().revision, 1));
  stretches_ = std::clamp<std::uint64_t>(bytes / kStretchBytes, 1, revisions);
}

Revision ParallelLoad::first(std::size_t number) const {
  const auto last = static_cast<double>(snapshot_.meta().revision);
  return static_cast<Revision>(last * static_cast<double>(number) / static_cast<double>(stretches_)) + 1;
}

ParallelLoad::Stretch ParallelLoad::read(std::size_t number) {
  // What is beyond the last revision that was recorded is corrupt, and for the State to notice.
  const bool last = number + 1 == stretches_;
  const std::string end = record::version_key({first(number + 1), 0});
  std::vector<LoadedVersion> out;
  out.reserve(usual_.load(std::memory_order_relaxed));
  auto it = snapshot_.iterator();
  for (it->Seek(record::version_key({number == 0 ? 0 : first(number), 0})); it->Valid(); it->Next()) {
    const auto key = view(it->key());
    if (key[0] != record::kVersionPrefix || (!last && key >= end)) break;
    const DecodedVersion v = TRY(record::parse_version(key, view(it->value())));
    out.push_back(State::prepare(v.fields, v.key, v.value));
  }
  if (!it->status().ok()) return db_error(it->status());
  usual_.store(out.size() + out.size() / 8, std::memory_order_relaxed);
  return out;
}

void ParallelLoad::work() {
  std::unique_lock lock(mu_);
  for (;;) {
    changed_.wait(lock, [&] { return stopped_ || begun_ == stretches_ || begun_ < taken_ + kAhead; });
    if (stopped_ || begun_ == stretches_) return;
    const std::size_t mine = begun_++;
    read_.emplace_back();
    lock.unlock();
    Stretch s = read(mine);
    lock.lock();
    if (stopped_) return;
    read_[mine - taken_] = std::move(s);
    changed_.notify_all();
  }
}

Result<void> ParallelLoad::run(const Take& take) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < threads_; ++i) threads.emplace_back([this] { work(); });
  Result<void> out;
  std::unique_lock lock(mu_);
  while (out && taken_ < stretches_) {
    changed_.wait(lock, [&] { return !read_.empty() && read_.front(); });
    Stretch s = std::move(*read_.front());
    read_.pop_front();
    ++taken_;
    changed_.notify_all();
    lock.unlock();
    if (s) {
      take(std::move(*s));
    } else {
      out = std::unexpected(s.error());
    }
    lock.lock();
  }
  stopped_ = true;
  changed_.notify_all();
  lock.unlock();
  for (auto& t : threads) t.join();
  return out;
}

void run_on_two_threads(const std::function<void()>& a, const std::function<void()>& b) {
  std::thread other(b);
  a();
  other.join();
}

}  // namespace keelson::kvstore
