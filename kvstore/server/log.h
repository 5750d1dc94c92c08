// Log: where commands become an agreed, durable order: the seam that Raft takes over from the single member's
// log without touching mvcc. The store thread proposes and advances; what comes back as committed is applied,
// in index order, exactly once.
//
//   log.propose(…); log.propose(…);      commands of callers, with tickets to find the caller again
//   auto done = log.advance();           one write + one fsync for all of them (Raft: also ticks and
//   messages) for (auto& e : *done) apply(e);
//
// Thread rule: the store thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "raft/core/types.h"

namespace keelson::kvstore {

// Names a proposal inside this process; 0: nobody here waits for it.
using Ticket = std::uint64_t;

struct CommittedEntry {
  raft::Term term;
  raft::Index index;
  Bytes command;
  Ticket ticket = 0;
};

class Log {
 public:
  virtual ~Log() = default;
  // Queues a command. It comes out of advance() once it is committed, or never (a leader lost); never twice.
  virtual void propose(Bytes command, Ticket ticket) = 0;
  // Writes what is due, makes it durable, and returns what is newly committed. An error is final: durability
  // is in doubt, the member must stop.
  virtual Result<std::vector<CommittedEntry>> advance() = 0;
  // The state machine holds everything up to `applied` durably: the log may forget it.
  virtual Result<void> forget(raft::Index applied, raft::Term term) = 0;
  // Whether forget() would free disk space worth a backend sync.
  virtual bool wants_forget() const = 0;
};

}  // namespace keelson::kvstore
