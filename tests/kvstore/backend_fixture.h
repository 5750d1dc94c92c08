// A state machine with its backend and nothing else: what tests of the backend write with.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "base/mem_file.h"
#include "base/rng.h"
#include "kvstore/backend/backend.h"
#include "kvstore/backend/snapshot.h"
#include "kvstore/mvcc/state.h"

namespace keelson::kvstore {

// One member's storage, opened over `fs`. Every command is one applied index.
class Machine {
 public:
  static Result<std::unique_ptr<Machine>> open(const Backend::Options& options) {
    auto m = std::make_unique<Machine>();
    m->backend = TRY(Backend::open(options));
    m->state = std::make_unique<State>(m->backend.get());
    Backend::Loader loader;
    loader.lease = [&](LeaseId id, std::int64_t ttl_s, std::int64_t remaining_s) {
      m->state->load_lease(id, ttl_s, {});
      m->leases[id] = {ttl_s, remaining_s};
    };
    loader.system = [&](std::string_view name, std::string_view bytes) {
      m->system.insert_or_assign(std::string(name), std::string(bytes));
    };
    loader.version = [&](const ItemFields& f, std::string_view key, std::string_view value) {
      m->state->load_version(f, key, value);
      ++m->versions;
    };
    m->meta = TRY(m->backend->load(loader));
    if (m->state->state_hash() != m->meta.state_hash || m->state->working_revision() > m->meta.revision)
      return fail(Code::kDataLoss, "the state does not hash to what was recorded");
    m->state->finish_load(m->meta.revision, m->meta.compacted, m->meta.compaction_done);
    return m;
  }

  // A random command; the same `rng` and state give the same command.
  void apply(Rng& rng) {
    Effects effects;
    const auto kind = rng.below(20);
    if (kind == 0) {
      const auto id = static_cast<LeaseId>(1 + rng.below(5));
      (void)state->lease_grant(id, 60, {}, effects);
    } else if (kind == 1) {
      (void)state->lease_revoke(static_cast<LeaseId>(1 + rng.below(5)), effects);
    } else if (kind == 2) {
      (void)state->compact(std::max<Revision>(1, state->working_revision() - 5));
      while (!state->compact_step(100, effects)) {
      }
    } else if (kind == 3) {
      backend->put_system("auth", "users at " + std::to_string(meta.applied_index));
    } else {
      TxnRequest t;
      for (std::uint64_t i = 0; i < 1 + rng.below(3); ++i) {
        auto& op = t.success.emplace_back();
        op.kind = rng.below(4) == 0 ? TxnOp::Kind::kDelete : TxnOp::Kind::kPut;
        op.put.key = op.del.key = "key" + std::to_string(rng.below(50));
        op.put.value = Bytes(std::string(rng.below(300), static_cast<char>('a' + rng.below(26))));
        const auto lease = static_cast<LeaseId>(rng.below(6));
        if (state->leases().exists(lease)) op.put.lease = lease;
      }
      (void)state->txn(t, effects);
    }
    commit(effects);
  }

  void commit(Effects& effects) {
    for (const auto& c : effects.changes) backend->stage(c.now);
    ++meta.applied_index;
    meta.applied_term = 1;
    meta.revision = state->working_revision();
    meta.compacted = state->compacted().load();
    meta.compaction_done = !state->compacting();
    meta.state_hash = state->state_hash();
    backend->commit(meta, effects.leases, effects.dropped);
    state->publish();
  }

  std::unique_ptr<Backend> backend;
  std::unique_ptr<State> state;
  BackendMeta meta;
  std::map<std::string, std::string> system;
  std::map<LeaseId, std::pair<std::int64_t, std::int64_t>> leases;
  std::size_t versions = 0;
};

inline Backend::Options drained(FileSystem& fs, std::string dir) {
  Backend::Options o;
  o.dir = std::move(dir);
  o.fs = &fs;
  o.background = BackgroundWork::kDrained;
  o.write_buffer_bytes = 64 << 10;
  return o;
}

// All records of a snapshot's stream, read in pieces of `piece` bytes.
inline std::string stream_of(std::shared_ptr<const BackendSnapshot> snapshot, std::size_t piece) {
  SnapshotStream stream(std::move(snapshot));
  std::string out;
  for (;;) {
    auto got = stream.read(out.size(), piece);
    EXPECT_TRUE(got) << (got ? "" : got.error().message);
    if (!got || got->empty()) return out;
    out += *got;
  }
}

}  // namespace keelson::kvstore
