// SingleLog: the Log of a member that is alone: what is durable in its write-ahead log is committed.
// Thread rule: the store thread only.
#pragma once

#include <functional>
#include <memory>

#include "kvstore/server/log.h"
#include "raft/wal/wal.h"

namespace keelson::kvstore {

class SingleLog final : public Log {
 public:
  // `on_sync` hears how long each write + fsync took, in seconds; `now` gives the time to measure it with.
  SingleLog(std::unique_ptr<raft::Wal> wal, raft::Term term, std::function<double()> now,
            std::function<void(double)> on_sync)
      : wal_(std::move(wal)), term_(term), now_(std::move(now)), on_sync_(std::move(on_sync)) {}

  void propose(Bytes command, Ticket ticket) override;
  Result<std::vector<CommittedEntry>> advance() override;
  Result<void> forget(raft::Index applied, raft::Term term) override;
  bool wants_forget() const override { return wal_->segments() > 2; }

 private:
  const std::unique_ptr<raft::Wal> wal_;
  const raft::Term term_;
  const std::function<double()> now_;
  const std::function<void(double)> on_sync_;
  std::vector<CommittedEntry> proposed_;
};

}  // namespace keelson::kvstore
