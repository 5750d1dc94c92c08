#include "raft/core/message_codec.h"

#include "base/wire.h"

namespace keelson::raft {
namespace {

constexpr std::uint64_t kLastType = static_cast<std::uint64_t>(MessageType::kCommit);

std::size_t uint_size(std::uint64_t v) {
  return v == 0 ? 0 : 1 + wire::varint_size(v);
}

std::size_t entry_size(const Entry& e) {
  std::size_t n =
      uint_size(e.term.value()) + uint_size(e.index.value()) + uint_size(static_cast<std::uint64_t>(e.type));
  if (!e.data.empty()) n += 1 + wire::varint_size(e.data.size()) + e.data.size();
  return n;
}

void put(wire::Writer& w, std::uint32_t field, std::uint64_t v) {
  if (v != 0) w.uint(field, v);
}

bool get_snapshot(std::string_view bytes, SnapshotMeta& s) {
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        s.index = Index(r.uint());
        break;
      case 2:
        s.term = Term(r.uint());
        break;
      case 3: {
        auto m = decode_membership(r.bytes());
        if (!m) return false;
        s.membership = *std::move(m);
        break;
      }
      default:
        break;
    }
  }
  return r.ok();
}

}  // namespace

std::size_t encoded_size_hint(const Message& m) {
  std::size_t n = 200;
  for (const auto& e : m.entries) n += e.data.size() + 40;
  if (m.snapshot) {
    const auto& s = m.snapshot->membership;
    n += 11 * (s.voters.size() + s.voters_old.size() + s.learners.size() + s.learners_next.size());
  }
  return n;
}

void encode(const Entry& e, std::uint32_t field, std::string& out) {
  wire::Writer w(out);
  w.tag(field, wire::Type::kBytes);
  w.length(entry_size(e));
  put(w, 1, e.term.value());
  put(w, 2, e.index.value());
  put(w, 3, static_cast<std::uint64_t>(e.type));
  if (!e.data.empty()) w.bytes(4, e.data);
}

bool decode(const Bytes& whole, std::string_view bytes, Entry& e) {
  wire::Reader r(bytes);
  std::uint64_t type = 0;
  while (r.next()) {
    switch (r.field()) {
      case 1:
        e.term = Term(r.uint());
        break;
      case 2:
        e.index = Index(r.uint());
        break;
      case 3:
        type = r.uint();
        break;
      case 4:
        if (const auto v = r.bytes(); !v.empty()) {
          e.data = whole.slice(static_cast<std::size_t>(v.data() - whole.data()), v.size());
        }
        break;
      default:
        break;
    }
  }
  e.type = static_cast<EntryType>(type);
  return r.ok() && type <= static_cast<std::uint64_t>(EntryType::kConfChange);
}

void encode(const Message& m, std::string& out) {
  wire::Writer w(out);
  put(w, 1, static_cast<std::uint64_t>(m.type));
  put(w, 2, m.from.value());
  put(w, 3, m.to.value());
  put(w, 4, m.term.value());
  put(w, 5, m.prev_index.value());
  put(w, 6, m.prev_term.value());
  for (const auto& e : m.entries) encode(e, 7, out);
  put(w, 8, m.commit.value());
  put(w, 9, m.reject ? 1 : 0);
  put(w, 10, m.index.value());
  put(w, 11, m.hint_index.value());
  put(w, 12, m.hint_term.value());
  put(w, 13, m.context);
  put(w, 14, m.force ? 1 : 0);
  if (m.snapshot) {
    const auto mark = w.begin(15);
    put(w, 1, m.snapshot->index.value());
    put(w, 2, m.snapshot->term.value());
    w.bytes(3, encode(m.snapshot->membership));
    w.end(mark);
  }
}

Result<Message> decode_message(const Bytes& bytes) {
  Message m;
  std::uint64_t type = 0;
  bool ok = true;
  wire::Reader r(bytes);
  while (ok && r.next()) {
    switch (r.field()) {
      case 1:
        type = r.uint();
        break;
      case 2:
        m.from = NodeId(r.uint());
        break;
      case 3:
        m.to = NodeId(r.uint());
        break;
      case 4:
        m.term = Term(r.uint());
        break;
      case 5:
        m.prev_index = Index(r.uint());
        break;
      case 6:
        m.prev_term = Term(r.uint());
        break;
      case 7:
        ok = decode(bytes, r.bytes(), m.entries.emplace_back());
        break;
      case 8:
        m.commit = Index(r.uint());
        break;
      case 9:
        m.reject = r.boolean();
        break;
      case 10:
        m.index = Index(r.uint());
        break;
      case 11:
        m.hint_index = Index(r.uint());
        break;
      case 12:
        m.hint_term = Term(r.uint());
        break;
      case 13:
        m.context = r.uint();
        break;
      case 14:
        m.force = r.boolean();
        break;
      case 15:
        ok = get_snapshot(r.bytes(), m.snapshot.emplace());
        break;
      default:
        break;
    }
  }
  if (!ok || !r.ok() || type == 0 || type > kLastType)
    return fail(Code::kDataLoss, "raft: a damaged message");
  m.type = static_cast<MessageType>(type);
  return m;
}

}  // namespace keelson::raft
