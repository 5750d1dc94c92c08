#include "cmd/kvstore/srv.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "cmd/kvstore/url.h"

namespace keelson::cmd {
namespace {

struct SrvRecord {
  std::string host;
  std::uint16_t port = 0;
};

std::vector<SrvRecord> look_up(const std::string& name) {
  std::vector<SrvRecord> out;
  struct __res_state resolver{};
  if (::res_ninit(&resolver) != 0) return out;
  std::vector<unsigned char> answer(64 * 1024);
  const int n = ::res_nquery(&resolver, name.c_str(), ns_c_in, ns_t_srv, answer.data(),
                             static_cast<int>(answer.size()));
  ns_msg message;
  if (n > 0 && ::ns_initparse(answer.data(), n, &message) == 0) {
    for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
      ns_rr record;
      // SRV data: priority, weight, port, then the target's name.
      if (::ns_parserr(&message, ns_s_an, i, &record) != 0 || ns_rr_type(record) != ns_t_srv ||
          ns_rr_rdlen(record) < 7)
        continue;
      char target[NS_MAXDNAME];
      const unsigned char* data = ns_rr_rdata(record);
      if (::ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), data + 6, target, sizeof target) <
          0)
        continue;
      out.push_back({target, static_cast<std::uint16_t>(ns_get16(data + 4))});
    }
  }
  ::res_nclose(&resolver);
  return out;
}

}  // namespace

Result<std::string> cluster_from_srv(const KvstoreConfig& config) {
  const std::string suffix = config.discovery_srv_name.empty() ? "" : "-" + config.discovery_srv_name;
  std::string out;
  int number = 0;
  for (const auto& [scheme, service] :
       {std::pair{"https", "etcd-server-ssl"}, std::pair{"http", "etcd-server"}}) {
    for (const auto& record : look_up("_" + (service + suffix) + "._tcp." + config.discovery_srv)) {
      const Url url{.scheme = scheme, .host = record.host, .port = std::to_string(record.port)};
      const bool own = std::ranges::any_of(config.initial_advertise_peer_urls,
                                           [&](const Url& u) { return same_place(u, url); });
      // Every member must call it the same: ids are made of URLs.
      out += (out.empty() ? "" : ",") + (own ? config.name : std::to_string(number++)) + "=" + url.text();
    }
  }
  if (out.empty())
    return fail(Code::kUnavailable, "error querying DNS SRV records for _etcd-server-ssl" + suffix +
                                        "._tcp." + config.discovery_srv + " and _etcd-server" + suffix +
                                        "._tcp." + config.discovery_srv + ": none found");
  return out;
}

}  // namespace keelson::cmd
