// Where to listen or connect: "tcp://host:port", "host:port", "unix:/path". Internal to net/.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson::net {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  bool is_unix() const { return storage.ss_family == AF_UNIX; }
  // IP text (of IPv4 over an IPv6 socket: the IPv4 address) and port; empty and 0 for unix sockets.
  std::string ip() const;
  std::uint16_t port() const;
};

struct HostPort {
  std::string host;  // without brackets
  std::string port;
};

// "host:port" or "[v6]:port".
Result<HostPort> split_host_port(std::string_view text);
// REQUIRES: `path` fits a sockaddr_un, else kInvalidArgument.
Result<SocketAddress> unix_address(std::string_view path);
// Blocks on name service unless `host` is an IP or localhost. At least one address.
Result<std::vector<SocketAddress>> resolve(const std::string& host, const std::string& port);
// No Nagle; dead peers are noticed within about a minute (keep-alive probes). Nothing for unix sockets.
void tune_socket(int fd, bool is_unix);

}  // namespace keelson::net
