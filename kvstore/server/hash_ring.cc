#include "kvstore/server/hash_ring.h"

#include <algorithm>

namespace keelson::kvstore {
namespace {

// Whether `count(voter)` holds for a majority of `voters`.
template <class Pred>
bool majority(const std::vector<raft::NodeId>& voters, Pred count) {
  const auto n = static_cast<std::size_t>(std::ranges::count_if(voters, count));
  return n > voters.size() / 2;
}

template <class Pred>
bool quorum(const raft::Membership& m, Pred count) {
  return majority(m.voters, count) && (!m.joint() || majority(m.voters_old, count));
}

}  // namespace

void HashRing::note(raft::Index index, std::uint64_t hash) {
  hashes_[index][self_] = hash;
  trim();
}

void HashRing::report(raft::NodeId from, const IndexHash& hash) {
  if (from == self_) return;
  // What is older than anything we remember can be compared with nothing.
  if (hashes_.size() >= kIndexesMax && hash.index < hashes_.begin()->first) return;
  hashes_[hash.index][from] = hash.hash;
  trim();
}

void HashRing::trim() {
  while (hashes_.size() > kIndexesMax) hashes_.erase(hashes_.begin());
}

std::vector<IndexHash> HashRing::since(raft::Index after, std::size_t max) const {
  std::vector<IndexHash> out;
  for (auto it = hashes_.rbegin(); it != hashes_.rend() && it->first > after && out.size() < max; ++it) {
    if (auto own = it->second.find(self_); own != it->second.end()) out.push_back({it->first, own->second});
  }
  std::ranges::reverse(out);
  return out;
}

HashRing::Finding HashRing::verdict(const raft::Membership& membership) {
  Finding worst;
  for (auto at = hashes_.rbegin(); at != hashes_.rend(); ++at) {
    const auto& [index, all] = *at;
    const auto own = all.find(self_);
    if (own == all.end() || all.size() < 2) continue;
    std::map<std::uint64_t, std::vector<raft::NodeId>> by_hash;
    for (const auto& [id, hash] : all) by_hash[hash].push_back(id);
    const auto holds = [&](std::uint64_t hash) {
      return quorum(membership, [&](raft::NodeId v) {
        auto it = all.find(v);
        return it != all.end() && it->second == hash;
      });
    };
    if (index > settled_ && holds(own->second)) settled_ = index;
    if (by_hash.size() < 2) continue;
    const auto may_hold = [&](std::uint64_t hash) {
      return quorum(membership, [&](raft::NodeId v) {
        auto it = all.find(v);
        return it == all.end() || it->second == hash;
      });
    };
    Finding f;
    f.index = index;
    bool open = false;
    std::optional<std::uint64_t> winner;
    for (const auto& [hash, who] : by_hash) {
      if (holds(hash)) winner = hash;
      if (may_hold(hash)) open = true;
    }
    const bool past = index <= settled_ && (!winner || *winner != own->second);
    if (past) continue;
    if (winner) {
      f.verdict = *winner == own->second ? Verdict::kTheyDiffer : Verdict::kWeDiffer;
    } else if (!open) {
      f.verdict = Verdict::kNoQuorum;
    } else {
      continue;  // those who have not said yet decide
    }
    const std::uint64_t right = winner.value_or(own->second);
    for (const auto& [id, hash] : all) {
      if (hash != right) f.differing.push_back(id);
    }
    if (f.verdict == Verdict::kWeDiffer) return f;
    if (worst.verdict == Verdict::kAgreed || f.verdict == Verdict::kNoQuorum) worst = std::move(f);
  }
  return worst;
}

void HashRing::reset() {
  hashes_.clear();
  settled_ = {};
}

}  // namespace keelson::kvstore
