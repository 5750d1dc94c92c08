#include "kvstore/server/cluster_state.h"

#include <algorithm>

#include "base/wire.h"

namespace keelson::kvstore {
namespace {

void encode_member(std::string& out, const MemberInfo& m) {
  wire::Writer w(out);
  w.fixed64(1, m.id);
  if (!m.name.empty()) w.bytes(2, m.name);
  for (const auto& url : m.peer_urls) w.bytes(3, url);
  for (const auto& url : m.client_urls) w.bytes(4, url);
  if (m.learner) w.boolean(5, true);
}

bool decode_member(std::string_view bytes, MemberInfo& m) {
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        m.id = r.fixed64();
        break;
      case 2:
        m.name = r.bytes();
        break;
      case 3:
        m.peer_urls.emplace_back(r.bytes());
        break;
      case 4:
        m.client_urls.emplace_back(r.bytes());
        break;
      case 5:
        m.learner = r.boolean();
        break;
      default:
        return false;
    }
  }
  return r.ok() && m.id != 0;
}

std::unexpected<Error> malformed(const char* what) {
  return fail(Code::kDataLoss, std::string(what) + ": malformed");
}

}  // namespace

std::vector<MemberInfo> ClusterState::list() const {
  std::vector<MemberInfo> out;
  out.reserve(members.size());
  for (const auto& [id, m] : members) out.push_back(m);
  return out;
}

bool ClusterState::has_alarm(AlarmType type) const {
  return std::ranges::any_of(alarms, [&](const Alarm& a) { return a.type == type; });
}

void ClusterState::set_raft(const raft::Membership& m) {
  raft = m;
  for (auto it = members.begin(); it != members.end();) {
    if (!m.contains(raft::NodeId(it->first))) {
      removed.insert(it->first);
      it = members.erase(it);
    } else {
      it->second.learner = !m.is_voter(raft::NodeId(it->first));
      ++it;
    }
  }
}

std::string encode_members(const ClusterState& c) {
  std::string out;
  wire::Writer w(out);
  w.fixed64(1, c.cluster_id);
  for (const auto& [id, m] : c.members) {
    auto mark = w.begin(2);
    encode_member(out, m);
    w.end(mark);
  }
  for (std::uint64_t id : c.removed) w.fixed64(3, id);
  return out;
}

Result<void> decode_members(std::string_view bytes, ClusterState& c) {
  c.members.clear();
  c.removed.clear();
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        c.cluster_id = r.fixed64();
        break;
      case 2: {
        MemberInfo m;
        if (!decode_member(r.bytes(), m)) return malformed("members record");
        c.members[m.id] = std::move(m);
        break;
      }
      case 3:
        c.removed.insert(r.fixed64());
        break;
      default:
        return malformed("members record");
    }
  }
  if (!r.ok()) return malformed("members record");
  return {};
}

std::string encode_alarms(const std::vector<Alarm>& alarms) {
  std::string out;
  wire::Writer w(out);
  for (const auto& a : alarms) {
    auto mark = w.begin(1);
    w.fixed64(1, a.member_id);
    w.uint(2, static_cast<std::uint64_t>(a.type));
    w.end(mark);
  }
  return out;
}

Result<std::vector<Alarm>> decode_alarms(std::string_view bytes) {
  std::vector<Alarm> out;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() != 1) return malformed("alarms record");
    Alarm a;
    wire::Reader in(r.bytes());
    while (in.next()) {
      if (in.field() == 1) a.member_id = in.fixed64();
      if (in.field() == 2) a.type = static_cast<AlarmType>(in.uint());
    }
    if (!in.ok()) return malformed("alarms record");
    out.push_back(a);
  }
  if (!r.ok()) return malformed("alarms record");
  return out;
}

std::string encode(const MemberIdentity& identity) {
  std::string out;
  wire::Writer w(out);
  w.fixed64(1, identity.id);
  w.bytes(2, encode_members(identity.cluster));
  w.bytes(3, raft::encode(identity.cluster.raft));
  return out;
}

Result<MemberIdentity> decode_identity(std::string_view bytes) {
  MemberIdentity out;
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        out.id = r.fixed64();
        break;
      case 2:
        TRY(decode_members(r.bytes(), out.cluster));
        break;
      case 3:
        out.cluster.raft = TRY(raft::decode_membership(r.bytes()));
        break;
      default:
        return malformed("identity record");
    }
  }
  if (!r.ok() || out.id == 0) return malformed("identity record");
  return out;
}

}  // namespace keelson::kvstore
