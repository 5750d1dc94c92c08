#include "raft/core/log.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::raft {

Log::Log(Index snapshot_index, Term snapshot_term, std::vector<Entry> entries, Index commit, Index applied)
    : offset_(snapshot_index.value()),
      offset_term_(snapshot_term),
      entries_(std::make_move_iterator(entries.begin()), std::make_move_iterator(entries.end())),
      commit_(commit.value()),
      applying_(applied.value()),
      stable_(last().value()),
      handed_(stable_) {
  CHECK(entries_.empty() || entries_.front().index == first());
  CHECK(offset_ <= applying_ && applying_ <= commit_ && commit_ <= stable_);
}

Term Log::term_at(Index index) const {
  const std::uint64_t i = index.value();
  if (i == offset_) return offset_term_;
  if (i < offset_ || i > offset_ + entries_.size()) return Term();
  return entries_[i - offset_ - 1].term;
}

bool Log::matches(Index index, Term term) const {
  return index >= snapshot_index() && index <= last() && term_at(index) == term;
}

bool Log::up_to_date(Index index, Term term) const {
  return term > last_term() || (term == last_term() && index >= last());
}

std::pair<Index, Term> Log::newest_not_above(Index index, Term term) const {
  index = std::min(index, last());
  if (index < snapshot_index()) return {index, Term()};
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(index.value() - offset_);
  const auto above =
      std::partition_point(entries_.begin(), end, [term](const Entry& e) { return e.term <= term; });
  if (above != entries_.begin()) return {std::prev(above)->index, std::prev(above)->term};
  return {snapshot_index(), offset_term_ <= term ? offset_term_ : Term()};
}

std::vector<Entry> Log::slice(Index from, std::size_t max_bytes) const {
  CHECK(from >= first());
  std::vector<Entry> out;
  if (from > last()) return out;
  const auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(from.value() - offset_ - 1);
  auto end = begin;
  for (std::size_t bytes = 0; end != entries_.end(); ++end) {
    bytes += end->data.size();
    if (bytes > max_bytes && end != begin) break;
  }
  out.assign(begin, end);
  return out;
}

const Entry& Log::at(Index index) const {
  CHECK(index >= first() && index <= last());
  return entries_[index.value() - offset_ - 1];
}

bool Log::merge(std::vector<Entry> entries, bool keep_suffix) {
  auto it = entries.begin();
  while (it != entries.end() && it->index <= last() &&
         (it->index <= snapshot_index() || term_at(it->index) == it->term)) {
    ++it;
  }
  if (it == entries.end()) return true;
  const std::uint64_t from = it->index.value();
  if (from <= commit_) return false;
  CHECK(from <= last().value() + 1);
  replaced_from(from);
  if (keep_suffix) {
    for (; it != entries.end() && it->index <= last(); ++it) {
      entries_[it->index.value() - offset_ - 1] = std::move(*it);
    }
  } else {
    entries_.resize(from - offset_ - 1);
  }
  std::move(it, entries.end(), std::back_inserter(entries_));
  return true;
}

// Writes under way of entries from `index` on prove nothing any more.
void Log::replaced_from(std::uint64_t index) {
  handed_ = std::min(handed_, index - 1);
  stable_ = std::min(stable_, index - 1);
  for (auto& w : writes_) w.last = std::min(w.last, index - 1);
}

void Log::commit_to(Index index) {
  CHECK(index <= last());
  commit_ = std::max(commit_, index.value());
}

void Log::restore(Index index, Term term) {
  entries_.clear();
  offset_ = commit_ = applying_ = handed_ = index.value();
  offset_term_ = term;
  stable_ = 0;
  restored_ = true;
  for (auto& w : writes_) w.last = 0;
}

void Log::compact(Index index) {
  if (index <= snapshot_index()) return;
  CHECK(index.value() <= applying_);
  offset_term_ = term_at(index);
  const auto n = static_cast<std::ptrdiff_t>(index.value() - offset_);
  entries_.erase(entries_.begin(), entries_.begin() + n);
  offset_ = index.value();
}

void Log::take_writes(std::uint64_t number, std::vector<Entry>& out) {
  if (has_writes()) {
    out.assign(entries_.begin() + static_cast<std::ptrdiff_t>(handed_ - offset_), entries_.end());
    handed_ = last().value();
  } else if (!restored_) {
    return;
  }
  restored_ = false;
  writes_.push_back({number, handed_});
}

void Log::written(std::uint64_t number) {
  for (; !writes_.empty() && writes_.front().number <= number; writes_.pop_front()) {
    stable_ = std::max(stable_, writes_.front().last);
  }
}

void Log::take_applies(std::size_t max_bytes, std::vector<Entry>& out) {
  const std::uint64_t end = std::min(commit_, stable_);
  if (applying_ >= end) return;
  const auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(applying_ - offset_);
  auto it = begin;
  const auto limit = begin + static_cast<std::ptrdiff_t>(end - applying_);
  for (std::size_t bytes = 0; it != limit; ++it) {
    bytes += it->data.size();
    if (bytes > max_bytes && it != begin) break;
  }
  out.assign(begin, it);
  applying_ += static_cast<std::uint64_t>(it - begin);
}

}  // namespace keelson::raft
