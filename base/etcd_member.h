// EtcdMember: a member of a cluster as etcd writes it down in JSON: to who wants to join (GET /members), and
// in the bucket of members of a snapshot.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace keelson {

struct EtcdMember {
  std::uint64_t id = 0;
  std::string name;  // empty until it has published itself
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
  bool learner = false;
  bool operator==(const EtcdMember&) const = default;
};

// The object, without what is empty or false.
void append_json(std::string& out, const EtcdMember& m);

}  // namespace keelson
