#include "chaos/sim/client.h"

#include <algorithm>

#include "chaos/sim/world.h"
#include "kvstore/mvcc/read.h"
#include "kvstore/server/command.h"
#include "kvstore/server/errors.h"

namespace keelson::sim {

using namespace std::chrono_literals;
using namespace kvstore;
using jepsen::Op;

namespace {

constexpr Duration kTimeout = 4s;
constexpr std::uint64_t kKeys = 24;
const std::string kFirst = "k/";
const std::string kEnd = "k0";

// Whether a write that failed so may have happened.
bool ambiguous(Code code) {
  switch (code) {
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kCancelled:
    case Code::kUnknown:
    case Code::kInternal:
    case Code::kAborted:
    case Code::kDataLoss:
      return true;
    default:
      return false;
  }
}

bool puts(const std::vector<TxnOp>& ops) {
  return std::ranges::any_of(ops, [](const TxnOp& o) { return o.kind == TxnOp::Kind::kPut; });
}

}  // namespace

SimClient::SimClient(World& world, int number, Rng rng, Duration think)
    : world_(world), number_(number), rng_(rng), think_(think) {}

void SimClient::start() {
  world_.events().after(Duration(rng_.below(1'000'000'000)), [this] { next(); });
}

bool SimClient::rest() {
  resting_ = true;
  return !busy_;
}

SimMember* SimClient::server() {
  SimMember* m = world_.member(member_);
  if (m == nullptr || !m->up() || m->over || m->damage == SimMember::Damage::kDiverged ||
      rng_.below(50) == 0) {
    m = world_.random_up(rng_);
    if (m != nullptr && (m->replica()->published().learner() || m->damage == SimMember::Damage::kDiverged)) {
      return nullptr;
    }
    if (m != nullptr) member_ = m->id();
  }
  return m;
}

std::string SimClient::key() {
  return kFirst + std::to_string(rng_.below(kKeys));
}

std::string SimClient::value() {
  return "c" + std::to_string(number_) + "-" + std::to_string(++values_);
}

TxnOp SimClient::put(std::string key, LeaseId lease) {
  TxnOp op;
  op.kind = TxnOp::Kind::kPut;
  op.put.key = std::move(key);
  op.put.value = Bytes(value());
  op.put.lease = lease;
  op.put.prev_kv = rng_.below(3) == 0;
  return op;
}
TxnOp SimClient::get(std::string key) {
  TxnOp op;
  op.kind = TxnOp::Kind::kRange;
  op.range.key = std::move(key);
  return op;
}
TxnOp SimClient::del(std::string key, std::string end) {
  TxnOp op;
  op.kind = TxnOp::Kind::kDelete;
  op.del.key = std::move(key);
  op.del.end = std::move(end);
  op.del.prev_kv = rng_.below(2) == 0;
  return op;
}

void SimClient::next() {
  if (resting_) return;
  SimMember* m = server();
  if (m == nullptr) {
    world_.events().after(50ms + think_, [this] { next(); });
    return;
  }
  op_ = {};
  op_.id = world_.next_op_id++;
  op_.client = number_;
  op_.invoked_ns = world_.now().time_since_epoch().count();
  choose();
  busy_ = true;
  ++world_.counters()[Count::kOpsInvoked];
  const std::uint64_t serial = ++serial_;
  world_.events().after(100us + Duration(rng_.below(300'000)), [this, serial] {
    if (serial == serial_ && busy_) arrive();
  });
  world_.events().after(kTimeout, [this, serial] {
    if (serial == serial_ && busy_) finish(Op::Status::kUnknown, "timeout");
  });
}

void SimClient::choose() {
  const auto dice = rng_.below(100);
  if (dice < 28) {
    op_.txn.success.push_back(put(key()));
  } else if (dice < 60) {
    op_.kind = Op::Kind::kRange;
    op_.range.key = key();
    if (dice >= 44) {  // a range
      op_.range.key = rng_.below(2) == 0 ? kFirst : op_.range.key;
      op_.range.end = kEnd;
      op_.range.limit = static_cast<std::int64_t>(rng_.below(3) == 0 ? rng_.below(6) : 0);
      op_.range.count_only = rng_.below(8) == 0;
      op_.range.keys_only = rng_.below(8) == 0;
    }
    op_.range.serializable = rng_.below(4) == 0;
    if (rng_.below(6) == 0)
      op_.range.revision = std::max<Revision>(1, known_ - static_cast<Revision>(rng_.below(60)));
  } else if (dice < 78) {
    choose_txn();
  } else if (dice < 83) {
    op_.txn.success.push_back(del(key()));
  } else if (dice < 85) {
    const auto from = rng_.below(kKeys);
    op_.txn.success.push_back(del(kFirst + std::to_string(from), kFirst + std::to_string(from) + "9"));
  } else if (dice < 99) {
    choose_lease();
  } else {
    op_.kind = Op::Kind::kCompact;
    op_.revision = std::max<Revision>(1, known_ - 10 - static_cast<Revision>(rng_.below(100)));
    world_.compacted = std::max(world_.compacted, op_.revision);
  }
}

void SimClient::choose_txn() {
  const std::string a = key();
  std::string b = key();
  if (b == a) b = kFirst + "z";
  Compare c;
  c.key = a;
  switch (rng_.below(4)) {
    case 0:  // compare and swap
      c.target = Compare::Target::kMod;
      c.number = mods_[a];
      op_.txn.compares.push_back(c);
      op_.txn.success = {put(a), get(b)};
      op_.txn.failure = {get(a)};
      break;
    case 1:  // create, or delete what is there
      c.target = Compare::Target::kCreate;
      op_.txn.compares.push_back(c);
      op_.txn.success = {put(a)};
      op_.txn.failure = {del(a), put(b)};
      break;
    case 2:
      op_.txn.success = {put(a), put(b), get(a)};
      break;
    default:
      c.target = Compare::Target::kVersion;
      c.op = Compare::Op::kGreater;
      c.number = static_cast<std::int64_t>(rng_.below(4));
      op_.txn.compares.push_back(c);
      op_.txn.success = {del(a), put(b)};
      op_.txn.failure = {put(a), get(b)};
      break;
  }
}

void SimClient::choose_lease() {
  const auto dice = rng_.below(10);
  if (leases_.size() < 2 || dice == 0) {
    if (leases_.size() > 2) leases_.erase(leases_.begin());
    op_.kind = Op::Kind::kLeaseGrant;
    op_.lease = number_ * 1'000'000 + next_lease_++;
    op_.ttl_s = static_cast<std::int64_t>(3 + rng_.below(10));
    leases_.push_back({op_.lease, false});
    return;
  }
  auto& lease = leases_[rng_.below(leases_.size())];
  if (dice == 1) {
    op_.kind = Op::Kind::kLeaseRevoke;
    op_.lease = lease.id;
    std::erase_if(leases_, [&](const Lease& l) { return l.id == op_.lease; });
  } else if (dice < 5) {
    op_.kind = Op::Kind::kLeaseKeepAlive;
    op_.lease = lease.id;
  } else {
    op_.txn.success.push_back(put(kFirst + "l" + std::to_string(rng_.below(8)), lease.id));
  }
}

void SimClient::member_died(const SimMember& member) {
  if (!busy_ || member.id() != member_) return;
  world_.events().after(200us, [this, serial = serial_] {
    if (serial == serial_ && busy_) finish(Op::Status::kUnknown, "connection lost");
  });
}

void SimClient::arrive() {
  SimMember* m = world_.member(member_);
  if (m == nullptr || !m->up() || m->damage == SimMember::Damage::kDiverged) {
    return finish(Op::Status::kFailed, "connection refused");
  }
  submit(*m);
}

void SimClient::submit(SimMember& member) {
  auto p = std::make_shared<Pending>();
  const std::uint64_t serial = serial_;
  switch (op_.kind) {
    case Op::Kind::kTxn:
      p->command = encode_txn(op_.txn);
      p->grows = puts(op_.txn.success) || puts(op_.txn.failure);
      break;
    case Op::Kind::kRange:
      if (op_.range.serializable) {
        member.input([this, &member, serial](Replica&) { read(member, serial); });
        return;
      }
      p->op = Pending::Op::kRead;
      break;
    case Op::Kind::kCompact:
      p->command = encode_compact(op_.revision);
      break;
    case Op::Kind::kLeaseGrant:
      p->command = encode_lease_grant(op_.lease, op_.ttl_s);
      p->grows = true;
      break;
    case Op::Kind::kLeaseRevoke:
      p->command = encode_lease_revoke(op_.lease);
      break;
    case Op::Kind::kLeaseKeepAlive:
      p->op = Pending::Op::kKeepAlive;
      p->lease = op_.lease;
      break;
  }
  p->on_done = [this, &member, serial, p = p.get()] {
    if (serial != serial_ || !busy_ || member.disk().power_cut()) return;
    if (member.damage == SimMember::Damage::kDiverged) return;  // it would speak of another world
    if (p->outcome.error) return answer(serial, p->outcome.error);
    if (op_.kind == Op::Kind::kRange) return read(member, serial);
    if (op_.kind == Op::Kind::kTxn) op_.txn_result = p->outcome.txn;
    if (op_.kind == Op::Kind::kLeaseGrant || op_.kind == Op::Kind::kLeaseKeepAlive) {
      op_.ttl_s = p->outcome.lease.granted_ttl_s;
      if (op_.ttl_s <= 0) return answer(serial, Error{Code::kNotFound, "lease not found"});
    }
    answer(serial, std::nullopt);
  };
  member.submit(std::move(p));
}

void SimClient::read(SimMember& member, std::uint64_t serial) {
  if (serial != serial_ || !busy_ || member.damage == SimMember::Damage::kDiverged) return;
  const auto& published = member.replica()->published();
  if (auto refusal = published.refusal()) return answer(serial, refusal);
  const auto mvcc = published.mvcc();
  const auto snapshot = mvcc->state->snapshot();
  auto r = read_range(snapshot->view(), mvcc->state->read_context(), op_.range);
  if (!r) return answer(serial, r.error());
  op_.range_result = std::move(*r);
  answer(serial, std::nullopt);
}

// The answer's way back; what the disk has delayed is late.
void SimClient::answer(std::uint64_t serial, std::optional<Error> error) {
  SimMember* m = world_.member(member_);
  const Duration way = (m != nullptr ? m->ahead() : Duration{}) + 100us + Duration(rng_.below(300'000));
  world_.events().after(way, [this, serial, error = std::move(error)] {
    if (serial != serial_ || !busy_) return;
    if (!error) return finish(Op::Status::kOk, {});
    if (error->code == Code::kResourceExhausted && error->message == no_space_error().message) {
      ++world_.counters()[Count::kOpsNoSpace];
    }
    const bool unknown = ambiguous(error->code) && op_.kind != Op::Kind::kRange;
    finish(unknown ? Op::Status::kUnknown : Op::Status::kFailed, error->message);
  });
}

void SimClient::finish(Op::Status status, std::string error) {
  busy_ = false;
  op_.status = status;
  op_.error = std::move(error);
  if (status != Op::Status::kUnknown) op_.returned_ns = world_.now().time_since_epoch().count();
  auto& counters = world_.counters();
  switch (status) {
    case Op::Status::kOk:
      if (!op_.range.serializable) last_ok_ = world_.now();
      ++counters[Count::kOpsOk];
      ++counters[op_.kind == Op::Kind::kRange ? Count::kReadsOk : Count::kWritesOk];
      if (op_.kind == Op::Kind::kCompact) ++counters[Count::kCompactions];
      learn();
      break;
    case Op::Status::kFailed:
      ++counters[Count::kOpsFailed];
      break;
    case Op::Status::kUnknown:
      ++counters[Count::kOpsUnknown];
      break;
  }
  if (status != Op::Status::kOk && rng_.below(2) == 0) member_ = {};
  if (world_.trace().on()) world_.note("c" + std::to_string(number_), jepsen::describe(op_));
  world_.history().push_back(std::move(op_));
  op_ = {};
  // Exponential around the mean, in tenths.
  Duration think = think_ / 10;
  while (rng_.below(10) != 0 && think < think_ * 6) think += think_ / 10;
  world_.events().after(think, [this] { next(); });
}

void SimClient::learn() {
  if (op_.kind == Op::Kind::kTxn) {
    known_ = std::max(known_, op_.txn_result.revision);
    const auto& branch = op_.txn_result.succeeded ? op_.txn.success : op_.txn.failure;
    for (const auto& o : branch) {
      if (o.kind == TxnOp::Kind::kPut) mods_[o.put.key] = op_.txn_result.revision;
      if (o.kind == TxnOp::Kind::kDelete && o.del.end.empty()) mods_[o.del.key] = 0;
    }
  }
  if (op_.kind == Op::Kind::kRange) {
    known_ = std::max(known_, op_.range_result.revision);
    if (op_.range.revision == 0) {
      for (const auto& kv : op_.range_result.kvs) mods_[std::string(kv.key.view())] = kv.mod_revision;
    }
  }
}

}  // namespace keelson::sim
