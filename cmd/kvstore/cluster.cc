#include "cmd/kvstore/cluster.h"

#include <arpa/inet.h>

#include <algorithm>
#include <map>

#include "cmd/kvstore/comma_list.h"
#include "cmd/kvstore/srv.h"
#include "kvstore/server/member_id.h"

namespace keelson::cmd {
namespace {

using UrlsByName = std::map<std::string, std::vector<std::string>>;

// "a=http://1:2380,a=http://2:2380,b=…"
Result<UrlsByName> parse_cluster(std::string_view text) {
  UrlsByName out;
  for (const auto& one : split_list(text)) {
    const auto eq = one.find('=');
    if (eq == std::string::npos || eq == 0)
      return fail(Code::kInvalidArgument, "--initial-cluster: \"" + one + "\" is not NAME=URL");
    const Url url = TRY(parse_url(one.substr(eq + 1)));
    out[one.substr(0, eq)].push_back(url.text());
  }
  for (auto& [name, urls] : out) {
    std::ranges::sort(urls);
    const auto same = std::ranges::unique(urls);
    urls.erase(same.begin(), same.end());
  }
  return out;
}

Result<void> check_self(const KvstoreConfig& config, const UrlsByName& cluster) {
  const auto self = cluster.find(config.name);
  if (self == cluster.end())
    return fail(Code::kInvalidArgument,
                "couldn't find local name \"" + config.name +
                    "\" in the initial cluster configuration: include it in --initial-cluster");
  const auto advertised = texts(config.initial_advertise_peer_urls);
  if (same_places(advertised, self->second)) return {};
  std::string named;
  for (const auto& url : self->second) named += (named.empty() ? "" : ",") + config.name + "=" + url;
  return fail(Code::kInvalidArgument, "--initial-cluster has " + named +
                                          " but --initial-advertise-peer-urls=" + join_list(advertised) +
                                          ": include the same URLs in both");
}

// An IP that is neither loopback nor "any".
bool reachable_ip(const std::string& host) {
  in_addr four{};
  in6_addr six{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1)
    return four.s_addr != INADDR_ANY && ntohl(four.s_addr) >> 24 != IN_LOOPBACKNET;
  return ::inet_pton(AF_INET6, host.c_str(), &six) == 1 && !IN6_IS_ADDR_LOOPBACK(&six) &&
         !IN6_IS_ADDR_UNSPECIFIED(&six);
}

}  // namespace

Result<InitialCluster> initial_cluster(const KvstoreConfig& config) {
  std::string text = config.initial_cluster;
  if (!config.discovery_srv.empty()) text = TRY(cluster_from_srv(config));
  const UrlsByName cluster = TRY(parse_cluster(text));
  TRY(check_self(config, cluster));
  InitialCluster out;
  std::vector<std::uint64_t> ids;
  for (const auto& [name, urls] : cluster) {
    kvstore::MemberInfo member;
    member.name = name;
    member.peer_urls = urls;
    member.id = kvstore::member_id(urls, config.initial_cluster_token);
    if (std::ranges::find(ids, member.id) != ids.end())
      return fail(Code::kInvalidArgument,
                  "duplicate member in --initial-cluster: two names have the peer URLs " + join_list(urls));
    if (name == config.name) out.self = member.id;
    ids.push_back(member.id);
    out.members.push_back(std::move(member));
  }
  std::ranges::sort(out.members, {}, &kvstore::MemberInfo::id);
  out.cluster_id = kvstore::cluster_id(ids);
  return out;
}

std::string self_as_cluster(const KvstoreConfig& config) {
  std::string out;
  for (const auto& url : config.initial_advertise_peer_urls)
    out += (out.empty() ? "" : ",") + config.name + "=" + url.text();
  return out;
}

Result<InitialCluster> existing_cluster(const KvstoreConfig& config, const InitialCluster& wanted,
                                        std::uint64_t cluster_id,
                                        const std::vector<kvstore::MemberInfo>& members) {
  const auto invalid = [](const std::string& why) {
    return fail(Code::kInvalidArgument,
                "error validating peerURLs: " + why +
                    ": --initial-cluster must name exactly the members of the cluster, this one included");
  };
  if (members.size() != wanted.members.size()) return invalid("member count is unequal");
  InitialCluster out;
  out.cluster_id = cluster_id;
  for (kvstore::MemberInfo member : members) {
    const auto same = std::ranges::find_if(
        wanted.members, [&](const auto& w) { return same_places(w.peer_urls, member.peer_urls); });
    if (same == wanted.members.end())
      return invalid("unmatched member while checking PeerURLs (" + join_list(member.peer_urls) + ")");
    if (same->name == config.name) out.self = member.id;
    member.name = same->name;
    out.members.push_back(std::move(member));
  }
  if (out.self == 0) return invalid("this member is not in the cluster: add it first");
  std::ranges::sort(out.members, {}, &kvstore::MemberInfo::id);
  return out;
}

std::string member_local_address(const KvstoreConfig& config, const Logger& logger) {
  const auto gate = config.gates.find("SetMemberLocalAddr");
  if (gate == config.gates.end() || !gate->second) return {};
  for (const Url& url : config.initial_advertise_peer_urls) {
    if (!reachable_ip(url.host)) continue;
    logger.info("setting member local address", {{"LocalAddr", url.host}});
    return url.host;
  }
  logger.warn("unable to set a member local address due to lack of suitable local addresses",
              {{"advertise-peer-urls", join_list(texts(config.initial_advertise_peer_urls))}});
  return {};
}

}  // namespace keelson::cmd
