#include "cmd/kvstore/srv.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "net/address.h"

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

bool same_place(const Url& url, const SrvRecord& record) {
  if (url.port != std::to_string(record.port)) return false;
  if (url.host == record.host) return true;
  auto ours = net::resolve(url.host, url.port),
       theirs = net::resolve(record.host, std::to_string(record.port));
  if (!ours || !theirs) return false;
  return std::ranges::any_of(*ours, [&](const auto& a) {
    return std::ranges::any_of(*theirs, [&](const auto& b) { return a.ip() == b.ip(); });
  });
}

}  // namespace

Result<std::string> cluster_from_srv(const KvstoreConfig& config) {
  const std::string suffix = config.discovery_srv_name.empty() ? "" : "-" + config.discovery_srv_name;
  std::string out;
  int number = 0;
  for (const auto& [scheme, service] :
       {std::pair{"https", "etcd-server-ssl"}, std::pair{"http", "etcd-server"}}) {
    for (const auto& record : look_up("_" + (service + suffix) + "._tcp." + config.discovery_srv)) {
      const auto self = std::ranges::find_if(config.initial_advertise_peer_urls, [&](const Url& u) {
        return u.scheme == scheme && same_place(u, record);
      });
      const bool own = self != config.initial_advertise_peer_urls.end();
      const std::string url =
          own ? self->text() : std::string(scheme) + "://" + record.host + ":" + std::to_string(record.port);
      out += (out.empty() ? "" : ",") + (own ? config.name : std::to_string(number++)) + "=" + url;
    }
  }
  if (out.empty())
    return fail(Code::kUnavailable, "error querying DNS SRV records for _etcd-server-ssl" + suffix +
                                        "._tcp." + config.discovery_srv + " and _etcd-server" + suffix +
                                        "._tcp." + config.discovery_srv + ": none found");
  return out;
}

}  // namespace keelson::cmd
