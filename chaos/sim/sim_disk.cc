#include "chaos/sim/sim_disk.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace keelson::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWriteCost = 5us;
constexpr Duration kSyncCost = 120us;
constexpr Duration kNameCost = 20us;

std::string_view parent_of(std::string_view path) {
  auto slash = path.rfind('/');
  return slash == std::string_view::npos ? "." : path.substr(0, slash);
}

std::unexpected<Error> not_found(const std::string& path) {
  return fail(Code::kNotFound, "open " + path + ": No such file or directory");
}
std::unexpected<Error> no_power(const std::string& path) {
  return fail(Code::kUnavailable, path + ": the simulated machine has no power");
}

}  // namespace

class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, SimDisk::InodePtr inode, std::string path)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)), epoch_(disk.epoch_) {}

  Result<std::size_t> pread(std::span<char> buf, std::uint64_t offset) override {
    TRY(alive());
    if (offset >= inode_->data.size()) return std::size_t{0};
    return inode_->data.copy(buf.data(), buf.size(), offset);
  }
  Result<void> pwrite(std::string_view data, std::uint64_t offset) override {
    TRY(alive());
    return disk_.write(*inode_, path_, data, offset);
  }
  Result<void> append(std::string_view data) override {
    TRY(alive());
    return disk_.write(*inode_, path_, data, inode_->data.size());
  }
  Result<void> datasync() override {
    TRY(alive());
    return disk_.sync(*inode_, path_);
  }
  Result<void> zero_fill(std::uint64_t size) override {
    TRY(alive());
    if (inode_->data.size() < size) {
      TRY(disk_.write(*inode_, path_, std::string(size - inode_->data.size(), '\0'), inode_->data.size()));
    }
    return disk_.sync(*inode_, path_);
  }
  Result<void> truncate(std::uint64_t size) override {
    TRY(alive());
    TRY(disk_.change(path_));
    // Kept simple: a truncation is durable at once.
    inode_->made_durable();
    inode_->data.resize(size);
    inode_->made_durable();
    return {};
  }
  Result<std::uint64_t> size() override {
    TRY(alive());
    return std::uint64_t{inode_->data.size()};
  }

 private:
  Result<void> alive() const {
    if (epoch_ == disk_.epoch_) return {};
    return fail(Code::kUnavailable, path_ + ": the simulated process has died");
  }
  SimDisk& disk_;
  const SimDisk::InodePtr inode_;
  const std::string path_;
  const std::uint64_t epoch_;
};

class SimLock final : public FileLock {
 public:
  SimLock(SimDisk& disk, std::string path) : disk_(disk), path_(std::move(path)), epoch_(disk.epoch_) {}
  ~SimLock() override {
    if (epoch_ == disk_.epoch_) disk_.locks_.erase(path_);
  }

 private:
  SimDisk& disk_;
  const std::string path_;
  const std::uint64_t epoch_;
};

SimDisk::SimDisk(Rng rng) : rng_(rng) {}
SimDisk::~SimDisk() = default;

// Keeps the durable bytes of the sectors of [from, to) that are changed for the first time since the last
// sync.
void SimDisk::Inode::before_write(std::uint64_t from, std::uint64_t to) {
  const std::size_t end = (to + kSector - 1) / kSector;
  if (dirty.size() < end) dirty.resize(end);
  for (std::size_t s = from / kSector; s < end; ++s) {
    if (dirty[s]) continue;
    dirty[s] = true;
    const std::uint64_t at = s * kSector;
    if (at >= durable_size) continue;
    auto& [sector, bytes] = undo.emplace_back();
    sector = static_cast<std::uint32_t>(s);
    bytes.fill('\0');
    data.copy(bytes.data(), std::min<std::uint64_t>(kSector, durable_size - at), at);
  }
}

void SimDisk::Inode::made_durable() {
  durable_size = data.size();
  undo.clear();
  dirty.clear();
}

Result<void> SimDisk::change(const std::string& path) {
  if (power_left_ == 0) return no_power(path);
  if (power_left_ > 0 && --power_left_ == 0) return no_power(path);
  return {};
}

Result<void> SimDisk::write(Inode& inode, const std::string& path, std::string_view data,
                            std::uint64_t offset) {
  TRY(change(path));
  if (full_ && offset + data.size() > inode.data.size()) {
    ++happened_.full_errors;
    return fail(Code::kInternal, "write " + path + ": No space left on device");
  }
  const std::uint64_t first = offset / kSector;
  if (!misdirect_.empty() && path.find(misdirect_) != std::string::npos && first > 0 &&
      inode.data.size() >= (first + 1) * kSector) {
    // The first sector of it lands on another one of the same file; where it belongs stays what was there.
    misdirect_.clear();
    const std::string kept = inode.data.substr(first * kSector, kSector);
    TRY(write(inode, path, data, offset));
    const std::string moved = inode.data.substr(first * kSector, kSector);
    const std::uint64_t to = rng_.below(first) * kSector;
    inode.data.replace(first * kSector, kSector, kept);
    inode.before_write(to, to + kSector);
    inode.data.replace(to, kSector, moved);
    ++happened_.misdirected;
    happened_.misdirected_where = path + " " + std::to_string(first * kSector) + " -> " + std::to_string(to);
    return {};
  }
  spend(kWriteCost + Duration(data.size() / 4));
  inode.before_write(std::min<std::uint64_t>(offset, inode.data.size()), offset + data.size());
  if (inode.data.size() < offset + data.size()) inode.data.resize(offset + data.size());
  inode.data.replace(offset, data.size(), data);
  return {};
}

Result<void> SimDisk::sync(Inode& inode, const std::string& path) {
  TRY(change(path));
  spend(kSyncCost + Duration(rng_.below(100'000)));
  ++happened_.syncs;
  if (slowness_ > 1) ++happened_.slow_syncs;
  if (sync_fails_) {
    ++happened_.sync_errors;
    // As Linux does: the pages count as clean, and are on the disk or not.
    lose(inode);
    return fail(Code::kInternal, "fdatasync " + path + ": Input/output error");
  }
  inode.made_durable();
  return {};
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenMode mode) {
  if (power_cut()) return no_power(path);
  auto it = names_.find(path);
  if (mode == OpenMode::kCreate) {
    if (it != names_.end()) return fail(Code::kAlreadyExists, "open " + path + ": File exists");
    TRY(change(path));
    spend(kNameCost);
    auto inode = std::make_shared<Inode>();
    set_name(path, inode);
    return std::make_unique<SimFile>(*this, std::move(inode), path);
  }
  if (it == names_.end()) return not_found(path);
  return std::make_unique<SimFile>(*this, it->second, path);
}

bool SimDisk::exists(const std::string& path) {
  return names_.contains(path);
}

Result<std::vector<std::string>> SimDisk::list(const std::string& dir) {
  std::vector<std::string> out;
  const std::string prefix = dir + "/";
  for (auto it = names_.lower_bound(prefix); it != names_.end() && it->first.starts_with(prefix); ++it) {
    std::string name = it->first.substr(prefix.size());
    name.resize(std::min(name.find('/'), name.size()));
    if (out.empty() || out.back() != name) out.push_back(std::move(name));
  }
  return out;
}

Result<void> SimDisk::make_dirs(const std::string&) {
  return {};
}

void SimDisk::set_name(const std::string& path, InodePtr inode) {
  auto it = names_.find(path);
  unsynced_.push_back({path, it == names_.end() ? nullptr : it->second});
  if (inode == nullptr) {
    if (it != names_.end()) names_.erase(it);
  } else {
    names_[path] = std::move(inode);
  }
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  TRY(change(from));
  spend(kNameCost);
  auto it = names_.find(from);
  if (it != names_.end()) {
    auto inode = it->second;
    set_name(to, std::move(inode));
    set_name(from, nullptr);
    return {};
  }
  // A directory.
  std::vector<std::string> inside;
  const std::string prefix = from + "/";
  for (auto d = names_.lower_bound(prefix); d != names_.end() && d->first.starts_with(prefix); ++d) {
    inside.push_back(d->first);
  }
  if (inside.empty()) return not_found(from);
  for (const auto& path : inside) {
    auto inode = names_[path];
    set_name(to + path.substr(from.size()), std::move(inode));
    set_name(path, nullptr);
  }
  return {};
}

Result<void> SimDisk::remove(const std::string& path) {
  TRY(change(path));
  spend(kNameCost);
  if (!names_.contains(path)) {
    const std::string prefix = path + "/";
    auto it = names_.lower_bound(prefix);
    if (it != names_.end() && it->first.starts_with(prefix)) {
      return fail(Code::kFailedPrecondition, "remove " + path + ": Directory not empty");
    }
    return not_found(path);
  }
  set_name(path, nullptr);
  return {};
}

Result<void> SimDisk::sync_dir(const std::string& dir) {
  TRY(change(dir));
  spend(kSyncCost);
  // Journals commit in order: what is older than a change of this directory becomes durable with it.
  auto last = std::find_if(unsynced_.rbegin(), unsynced_.rend(),
                           [&](const NameChange& c) { return parent_of(c.path) == dir; });
  unsynced_.erase(unsynced_.begin(), last.base());
  return {};
}

Result<std::unique_ptr<FileLock>> SimDisk::lock(const std::string& path) {
  if (!locks_.insert(path).second) {
    return fail(Code::kFailedPrecondition, path + " is locked: another process uses this directory");
  }
  return std::make_unique<SimLock>(*this, path);
}

void SimDisk::new_epoch() {
  ++epoch_;
  locks_.clear();
  power_left_ = -1;
  sync_fails_ = false;
  misdirect_.clear();
}

void SimDisk::process_death() {
  new_epoch();
}

// Each unsynced sector is there or not, and so is the growth. True when torn.
bool SimDisk::lose(Inode& inode) {
  std::size_t kept = 0;
  std::size_t lost = 0;
  for (const auto& [sector, bytes] : inode.undo) {
    if (rng_.below(2) == 0) {
      ++kept;
      continue;
    }
    ++lost;
    const std::uint64_t at = std::uint64_t{sector} * kSector;
    if (at < inode.data.size()) {
      std::memcpy(inode.data.data() + at, bytes.data(),
                  std::min<std::uint64_t>(kSector, inode.data.size() - at));
    }
  }
  if (inode.data.size() > inode.durable_size) {
    const std::uint64_t grown = inode.data.size() - inode.durable_size;
    const std::uint64_t size = inode.durable_size + (rng_.below(3) == 0 ? grown : rng_.below(grown + 1));
    size < inode.data.size() ? ++lost : ++kept;
    inode.data.resize(size);
    // What is left of the growth may be zeros.
    for (std::uint64_t at = (inode.durable_size + kSector - 1) / kSector * kSector; at < size;
         at += kSector) {
      if (rng_.below(4) != 0) continue;
      std::memset(inode.data.data() + at, 0, std::min<std::uint64_t>(kSector, size - at));
      ++lost;
    }
  }
  inode.made_durable();
  return kept > 0 && lost > 0;
}

bool SimDisk::power_loss() {
  new_epoch();
  bool torn = false;
  const std::size_t keep = rng_.below(unsynced_.size() + 1);
  while (unsynced_.size() > keep) {
    auto& change = unsynced_.back();
    if (change.durable == nullptr) {
      names_.erase(change.path);
    } else {
      names_[change.path] = std::move(change.durable);
    }
    unsynced_.pop_back();
  }
  unsynced_.clear();
  std::set<Inode*> seen;
  for (auto& [path, inode] : names_) {
    if (seen.insert(inode.get()).second && lose(*inode)) torn = true;
  }
  return torn;
}

std::optional<std::string> SimDisk::rot(const std::string& part) {
  std::vector<std::pair<const std::string*, Inode*>> candidates;
  for (auto& [path, inode] : names_) {
    if (path.find(part) != std::string::npos && !inode->data.empty())
      candidates.emplace_back(&path, inode.get());
  }
  if (candidates.empty()) return std::nullopt;
  auto [path, inode] = candidates[rng_.below(candidates.size())];
  // Among written bytes: zeros at the end of a segment mean nothing.
  const auto last = inode->data.find_last_not_of('\0');
  if (last == std::string::npos) return std::nullopt;
  const std::uint64_t at = rng_.below(last + 1);
  const std::uint64_t sector = at / kSector;
  if (sector < inode->dirty.size() && inode->dirty[sector]) return std::nullopt;
  inode->data[at] = static_cast<char>(inode->data[at] ^ (1 << rng_.below(8)));
  return *path + " at " + std::to_string(at);
}

std::optional<std::string> SimDisk::cut_tail(const std::string& part) {
  for (auto it = names_.rbegin(); it != names_.rend(); ++it) {
    auto& [path, inode] = *it;
    if (path.find(part) == std::string::npos || path.ends_with(".tmp")) continue;
    const auto last = inode->data.find_last_not_of('\0');
    if (last == std::string::npos || last < 16 * kSector || !inode->undo.empty()) return std::nullopt;
    const std::uint64_t from = last / 2 / kSector * kSector;
    std::memset(inode->data.data() + from, 0, inode->data.size() - from);
    return path + " from " + std::to_string(from);
  }
  return std::nullopt;
}

void SimDisk::wipe() {
  new_epoch();
  names_.clear();
  unsynced_.clear();
}

std::uint64_t SimDisk::bytes() const {
  std::uint64_t n = 0;
  for (const auto& [path, inode] : names_) n += inode->data.size();
  return n;
}

}  // namespace keelson::sim
