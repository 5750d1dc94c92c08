// SimDisk: one member's disk: a FileSystem in memory that takes virtual time, loses what was not synced when
// the power goes, and can be told to be bad.
//
//   disk.cut_power_after(7);   …the member runs; at its 7th write, sync, rename … everything fails…
//   disk.power_loss();         …and what was not durable is there or not, sector by sector…
//
// A file keeps its current bytes and, for each 512-byte sector changed since its last sync, the durable ones:
// a write costs what it writes. Sectors are atomic; sectors, growth and the order of directory entries are
// not: of the unsynced changes of names any prefix survives.
//
// Thread rule: one thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"

namespace keelson::sim {

class SimDisk final : public FileSystem {
 public:
  explicit SimDisk(Rng rng);
  ~SimDisk() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  bool exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& dir) override;
  Result<void> make_dirs(const std::string& dir) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_dir(const std::string& dir) override { return change(dir); }
  Result<void> sync_dir(const std::string& dir) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  // Time that the operations since the last take_busy() took.
  const Duration& busy() const { return busy_; }
  Duration take_busy() { return std::exchange(busy_, Duration{}); }

  // ---- Faults.
  // The process dies, the machine lives: nothing is lost, handles and locks die.
  void process_death();
  // Unsynced changes are lost, whole or in part; handles and locks die. True when a file was torn: some of
  // its unsynced sectors kept and some lost.
  bool power_loss();
  // After `operations` more changing operations everything fails, until power_loss().
  void cut_power_after(int operations) { power_left_ = operations; }
  bool power_cut() const { return power_left_ == 0; }
  // The next datasync() fails, and so do all after it, until a restart or `fail` is false.
  void fail_syncs(bool fail) { sync_fails_ = fail; }
  void set_full(bool full) { full_ = full; }
  // Writes and syncs take `factor` times as long.
  void set_slowness(int factor) { slowness_ = factor; }
  // A sector of the next write to a file whose path contains `part` goes elsewhere; empty: no more.
  void misdirect_next_write(std::string part) { misdirect_ = std::move(part); }
  // Flips one bit of durable, non-zero bytes of a file whose path contains `part`; the name and offset.
  std::optional<std::string> rot(const std::string& part);
  // Zeros the second half of what was written to the newest file whose path contains `part`; the name and
  // offset. Not where that would be little.
  std::optional<std::string> cut_tail(const std::string& part);
  // Everything is gone.
  void wipe();

  struct Happened {
    std::uint64_t sync_errors = 0;
    std::uint64_t full_errors = 0;
    std::uint64_t misdirected = 0;
    std::uint64_t slow_syncs = 0;
    std::uint64_t syncs = 0;
    std::string misdirected_where;
  };
  const Happened& happened() const { return happened_; }
  std::uint64_t bytes() const;

 private:
  friend class SimFile;
  friend class SimLock;
  static constexpr std::size_t kSector = 512;
  struct Inode {
    std::string data;
    std::uint64_t durable_size = 0;
    std::vector<std::pair<std::uint32_t, std::array<char, kSector>>> undo;
    std::vector<bool> dirty;  // per sector: in `undo`, or beyond the durable size
    void before_write(std::uint64_t from, std::uint64_t to);
    void made_durable();
  };
  using InodePtr = std::shared_ptr<Inode>;
  struct NameChange {
    std::string path;
    InodePtr durable;  // what the name meant before; null: nothing
  };

  Result<void> change(const std::string& path);
  void spend(Duration d) { busy_ += d * slowness_; }
  Result<void> write(Inode& inode, const std::string& path, std::string_view data, std::uint64_t offset);
  Result<void> sync(Inode& inode, const std::string& path);
  void set_name(const std::string& path, InodePtr inode);
  bool lose(Inode& inode);
  void new_epoch();

  Rng rng_;
  std::map<std::string, InodePtr> names_;
  std::vector<NameChange> unsynced_;  // oldest first
  std::set<std::string> locks_;
  std::uint64_t epoch_ = 0;
  Duration busy_{};
  int power_left_ = -1;
  bool sync_fails_ = false;
  bool full_ = false;
  int slowness_ = 1;
  std::string misdirect_;
  Happened happened_;
};

}  // namespace keelson::sim
