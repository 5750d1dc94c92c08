#include "kvstore/server/single_log.h"

#include <utility>

namespace keelson::kvstore {

void SingleLog::propose(Bytes command, Ticket ticket) {
  const raft::Index index = wal_->last_index().next();
  wal_->append({term_, index, command});
  proposed_.push_back({term_, index, std::move(command), ticket});
}

Result<std::vector<CommittedEntry>> SingleLog::advance() {
  if (wal_->buffered_bytes() > 0) {
    const double start = now_();
    TRY(wal_->sync());
    on_sync_(now_() - start);
  }
  return std::exchange(proposed_, {});
}

Result<void> SingleLog::forget(raft::Index applied, raft::Term term) {
  wal_->drop_prefix(applied, term);
  return wal_->sync();
}

}  // namespace keelson::kvstore
