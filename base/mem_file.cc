#include "base/mem_file.h"

#include <algorithm>

#include "base/check.h"

namespace keelson {
namespace {

constexpr std::size_t kSector = 512;

std::string parent_of(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::unexpected<Error> not_found(const std::string& path) {
  return fail(Code::kNotFound, "open " + path + ": No such file or directory");
}

}  // namespace

struct MemFileSystem::State {
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  std::mutex mu;
  Names current;
  Names durable;
  std::set<std::string> locks;
  std::uint64_t epoch = 0;
  std::string datasync_error;
  std::uint64_t datasync_error_from = 0;  // number of the first datasync that fails
  std::uint64_t datasyncs = 0;
};

class MemFile final : public File {
 public:
  MemFile(std::shared_ptr<MemFileSystem::State> state, std::shared_ptr<MemFileSystem::Inode> inode,
          std::string path)
      : state_(std::move(state)), inode_(std::move(inode)), path_(std::move(path)), epoch_(state_->epoch) {}

  Result<std::size_t> pread(std::span<char> buf, std::uint64_t offset) override {
    std::lock_guard lock(state_->mu);
    TRY(alive());
    const auto& data = inode_->current;
    if (offset >= data.size()) return std::size_t{0};
    return data.copy(buf.data(), buf.size(), offset);
  }
  Result<void> pwrite(std::string_view data, std::uint64_t offset) override {
    std::lock_guard lock(state_->mu);
    TRY(alive());
    auto& to = inode_->current;
    if (to.size() < offset + data.size()) to.resize(offset + data.size());
    to.replace(offset, data.size(), data);
    return {};
  }
  Result<void> append(std::string_view data) override {
    std::lock_guard lock(state_->mu);
    TRY(alive());
    inode_->current.append(data);
    return {};
  }
  Result<void> datasync() override {
    std::lock_guard lock(state_->mu);
    TRY(alive());
    ++state_->datasyncs;
    if (!state_->datasync_error.empty() && state_->datasyncs > state_->datasync_error_from) {
      return fail(Code::kInternal, "fdatasync " + path_ + ": " + state_->datasync_error);
    }
    inode_->durable = inode_->current;
    return {};
  }
  Result<void> zero_fill(std::uint64_t size) override {
    std::lock_guard lock(state_->mu);
    TRY(alive());
    if (inode_->current.size() < size) inode_->current.resize(size);
    inode_->durable = inode_->current;
    return {};
  }
  Result<void> truncate(std::uint64_t size) override {
    std::lock_guard lock(state_->mu);
    TRY(alive());
    inode_->current.resize(size);
    return {};
  }
  Result<std::uint64_t> size() override {
    std::lock_guard lock(state_->mu);
    TRY(alive());
    return std::uint64_t{inode_->current.size()};
  }

 private:
  Result<void> alive() const {
    if (epoch_ == state_->epoch) return {};
    return fail(Code::kUnavailable, path_ + ": the simulated machine has crashed");
  }
  const std::shared_ptr<MemFileSystem::State> state_;
  const std::shared_ptr<MemFileSystem::Inode> inode_;
  const std::string path_;
  const std::uint64_t epoch_;
};

class MemLock final : public FileLock {
 public:
  MemLock(std::shared_ptr<MemFileSystem::State> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)), epoch_(state_->epoch) {}
  ~MemLock() override {
    std::lock_guard lock(state_->mu);
    if (epoch_ == state_->epoch) state_->locks.erase(path_);
  }

 private:
  const std::shared_ptr<MemFileSystem::State> state_;
  const std::string path_;
  const std::uint64_t epoch_;
};

MemFileSystem::MemFileSystem() : state_(std::make_shared<State>()) {}
MemFileSystem::~MemFileSystem() = default;

Result<std::unique_ptr<File>> MemFileSystem::open(const std::string& path, OpenMode mode) {
  std::lock_guard lock(state_->mu);
  auto it = state_->current.find(path);
  if (mode == OpenMode::kCreate) {
    if (it != state_->current.end()) return fail(Code::kAlreadyExists, "open " + path + ": File exists");
    it = state_->current.emplace(path, std::make_shared<Inode>()).first;
  }
  if (it == state_->current.end()) return not_found(path);
  return std::make_unique<MemFile>(state_, it->second, path);
}

bool MemFileSystem::exists(const std::string& path) {
  std::lock_guard lock(state_->mu);
  return state_->current.contains(path);
}

Result<std::vector<std::string>> MemFileSystem::list(const std::string& dir) {
  std::lock_guard lock(state_->mu);
  std::vector<std::string> names;
  for (const auto& [path, inode] : state_->current) {
    if (parent_of(path) == dir) names.push_back(path.substr(dir.size() + 1));
  }
  return names;
}

Result<void> MemFileSystem::make_dirs(const std::string&) {
  return {};
}

Result<void> MemFileSystem::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(state_->mu);
  auto it = state_->current.find(from);
  if (it == state_->current.end()) return not_found(from);
  state_->current[to] = it->second;
  state_->current.erase(from);
  return {};
}

Result<void> MemFileSystem::remove(const std::string& path) {
  std::lock_guard lock(state_->mu);
  if (state_->current.erase(path) == 0) return not_found(path);
  return {};
}

Result<void> MemFileSystem::remove_dir(const std::string&) {
  return {};
}

Result<void> MemFileSystem::sync_dir(const std::string& dir) {
  std::lock_guard lock(state_->mu);
  auto in_dir = [&](const auto& entry) { return parent_of(entry.first) == dir; };
  std::erase_if(state_->durable, in_dir);
  for (const auto& entry : state_->current) {
    if (in_dir(entry)) state_->durable.insert(entry);
  }
  return {};
}

Result<std::unique_ptr<FileLock>> MemFileSystem::lock(const std::string& path) {
  std::lock_guard lock(state_->mu);
  if (!state_->locks.insert(path).second) {
    return fail(Code::kFailedPrecondition, path + " is locked: another process uses this directory");
  }
  return std::make_unique<MemLock>(state_, path);
}

void MemFileSystem::crash(Rng& rng) {
  std::lock_guard lock(state_->mu);
  ++state_->epoch;
  state_->locks.clear();
  auto names = rng.below(2) == 0 ? state_->durable : state_->current;
  for (auto& [path, inode] : names) {
    const bool grown = rng.below(2) == 0;
    std::string after = inode->current;
    if (!grown) after.resize(inode->durable.size());
    for (std::size_t at = 0; at < after.size(); at += kSector) {
      const std::size_t n = std::min(kSector, after.size() - at);
      if (rng.below(2) == 0) continue;
      std::string old = at < inode->durable.size() ? inode->durable.substr(at, n) : std::string();
      old.resize(n);
      after.replace(at, n, old);
    }
    inode->current = inode->durable = std::move(after);
  }
  state_->current = state_->durable = std::move(names);
}

void MemFileSystem::fail_datasync(std::string message) {
  fail_datasync_after(0, std::move(message));
}

void MemFileSystem::fail_datasync_after(std::uint64_t successes, std::string message) {
  std::lock_guard lock(state_->mu);
  state_->datasync_error = std::move(message);
  state_->datasync_error_from = state_->datasyncs + successes;
}

std::string& MemFileSystem::content(const std::string& path) {
  std::lock_guard lock(state_->mu);
  auto it = state_->current.find(path);
  CHECK_MSG(it != state_->current.end(), path.c_str());
  return it->second->current;
}

std::uint64_t MemFileSystem::datasyncs() const {
  std::lock_guard lock(state_->mu);
  return state_->datasyncs;
}

}  // namespace keelson
