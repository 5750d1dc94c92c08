// raft_bench DIR [seconds]: the raft core alone, in this process: a group of members, each with its own log
// on disk (raft/wal, fsync on, a thread for each), one thread for all the nodes, messages handed over in
// memory. Entries of 16 bytes are proposed as fast as they are committed; an entry counts when every member
// has applied it. Prints the table of docs/benchmarks/raft.md.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/rng.h"
#include "raft/core/node.h"
#include "raft/wal/wal.h"

namespace keelson::raft {
namespace {

constexpr std::size_t kWindow = 65536;  // entries proposed and not yet applied by the leader
const Bytes kPayload = Bytes::copy("0123456789abcdef");

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  const auto s = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return s(u.ru_utime) + s(u.ru_stime);
}

// Where the disks' threads say that something is done.
struct Bell {
  std::mutex mu;
  std::condition_variable cv;
  bool rung = false;
};

// A member's disk: a thread that writes and syncs whatever has gathered.
class Disk {
 public:
  Disk(std::unique_ptr<Wal> wal, Bell& bell)
      : wal_(std::move(wal)), bell_(bell), thread_([this] { run(); }) {}
  ~Disk() {
    {
      const std::lock_guard lock(mu_);
      stop_ = true;
    }
    cv_.notify_one();
    thread_.join();
  }
  void write(Ready ready) {
    const std::lock_guard lock(mu_);
    queue_.push_back(std::move(ready));
    cv_.notify_one();
  }
  void drop(Index index, Term term) {
    const std::lock_guard lock(mu_);
    drop_ = {index, term};
  }
  std::vector<Ready> take_done() {
    const std::lock_guard lock(mu_);
    return std::exchange(done_, {});
  }
  std::uint64_t syncs() const { return syncs_; }

 private:
  void run() {
    for (std::unique_lock lock(mu_);;) {
      cv_.wait(lock, [this] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;
      auto work = std::exchange(queue_, {});
      const auto drop = std::exchange(drop_, {});
      lock.unlock();
      bool sync = false;
      for (const auto& r : work) {
        for (const auto& e : r.entries) wal_->append(e);
        if (r.hard_state) wal_->set_hard_state(*r.hard_state);
        sync = sync || r.must_sync;
      }
      if (drop.first != Index()) wal_->drop_prefix(drop.first, drop.second);
      if (sync) {
        if (!wal_->sync()) std::abort();
        ++syncs_;
      }
      lock.lock();
      std::ranges::move(work, std::back_inserter(done_));
      const std::lock_guard ring(bell_.mu);
      bell_.rung = true;
      bell_.cv.notify_one();
    }
  }

  std::unique_ptr<Wal> wal_;
  Bell& bell_;
  std::mutex mu_;
  std::condition_variable cv_;
  bool stop_ = false;
  std::vector<Ready> queue_;
  std::vector<Ready> done_;
  std::pair<Index, Term> drop_;
  std::atomic<std::uint64_t> syncs_ = 0;
  std::thread thread_;
};

struct Member {
  std::unique_ptr<Rng> rng;
  std::unique_ptr<Node> node;
  std::unique_ptr<Disk> disk;
  std::deque<Message> inbox;
  std::uint64_t applied = 0;
};

class Group {
 public:
  Group(const std::string& dir, std::size_t n) {
    Membership m;
    for (std::uint64_t i = 1; i <= n; ++i) m.voters.push_back(NodeId(i));
    for (const NodeId id : m.voters) {
      Member& member = members_.emplace_back();
      auto opened = Wal::open(posix_file_system(), {.dir = dir + "/" + std::to_string(id.value())});
      if (!opened) std::abort();
      member.disk = std::make_unique<Disk>(std::move(opened->wal), bell_);
      member.rng = std::make_unique<Rng>(id.value());
      Restored restored;
      restored.membership = m;
      member.node = std::make_unique<Node>(NodeConfig{.id = id}, restored, *member.rng);
    }
  }

  void elect() {
    members_[0].node->campaign();
    while (members_[0].applied == 0) turn();
  }

  // Everybody does what is to be done; waits for the disks when that is nothing.
  void turn() {
    bool idle = true;
    for (auto& m : members_) {
      for (auto& r : m.disk->take_done()) {
        m.node->persisted(r.number);
        send(r.messages_after_persist);
        idle = false;
      }
      for (; !m.inbox.empty(); m.inbox.pop_front()) m.node->step(std::move(m.inbox.front()));
      for (; m.node->has_ready(); idle = false) take(m);
    }
    if (!idle) return;
    std::unique_lock lock(bell_.mu);
    bell_.cv.wait(lock, [this] { return bell_.rung; });
    bell_.rung = false;
  }

  double run(double seconds) {
    Member& leader = members_[0];
    const double start = now();
    const std::uint64_t before = leader.applied;
    const std::uint64_t syncs = leader.disk->syncs();
    const double cpu_before = cpu();
    std::uint64_t proposed = before;
    double end = start;
    for (; end - start < seconds; end = now()) {
      for (; proposed - leader.applied < kWindow; ++proposed) {
        if (!leader.node->propose(kPayload)) std::abort();
      }
      turn();
    }
    while (lowest() < proposed) turn();
    end = now();
    const auto entries = static_cast<double>(proposed - before);
    std::printf("| %zu | %.0f | %.2f | %.0f |\n", members_.size(), entries / (end - start),
                (cpu() - cpu_before) / entries * 1e6,
                entries / static_cast<double>(leader.disk->syncs() - syncs));
    return entries / (end - start);
  }

 private:
  std::uint64_t lowest() const {
    std::uint64_t n = ~std::uint64_t{0};
    for (const auto& m : members_) n = std::min(n, m.applied);
    return n;
  }

  void send(std::vector<Message>& messages) {
    for (auto& msg : messages) members_[msg.to.value() - 1].inbox.push_back(std::move(msg));
    messages.clear();
  }

  void take(Member& m) {
    Ready r = m.node->take_ready();
    send(r.messages);
    if (!r.committed.empty()) {
      m.applied = r.committed.back().index.value();
      m.node->applied(Index(m.applied));
      // As the state machine's snapshots would have it.
      if (m.applied > m.node->first_index().value() + 400000) {
        const Index upto(m.applied - 200000);
        m.disk->drop(upto, m.node->term_at(upto));
        m.node->compact(upto);
      }
    }
    m.disk->write(std::move(r));
  }

  Bell bell_;
  std::deque<Member> members_;
};

}  // namespace
}  // namespace keelson::raft

int main(int argc, char** argv) {
  const std::string dir = argc > 1 ? argv[1] : "/tmp/keelson-raft-bench";
  const double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  std::printf(
      "| members | entries/s | CPU us per entry, all members | entries per sync |\n|---|---|---|---|\n");
  double three = 0;
  for (const std::size_t n : {std::size_t{1}, std::size_t{3}, std::size_t{5}}) {
    std::filesystem::remove_all(dir);
    keelson::raft::Group group(dir, n);
    group.elect();
    const double rate = group.run(seconds);
    if (n == 3) three = rate;
  }
  std::filesystem::remove_all(dir);
  std::printf("\nBar: 500000 entries/s with 3 members: %s\n", three >= 500000 ? "met" : "missed");
  return 0;
}
