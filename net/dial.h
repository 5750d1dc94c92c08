// Outgoing connections: resolve, connect, TLS handshake. Internal to net/ (client.h has dial()).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "net/wire.h"

namespace keelson::net {

struct DialTarget {
  std::string unix_path;  // or
  std::string host, port;
  // IP to connect from, where it is of the same family as what is connected to; empty: the kernel's choice.
  std::string local_address;
};

// "tcp://host:port", "host:port" or "unix:/path".
Result<DialTarget> parse_dial_target(std::string_view address);

// Makes a new TLS session for a connection attempt; empty: plain text.
using NewSession = std::function<Result<SSL*>()>;

// A connected wire on the calling coroutine's executor, which becomes its home, its TLS handshake done. Tries
// each address of a name in turn. kUnavailable, also after `timeout`.
Task<Result<std::shared_ptr<Wire>>> connect_wire(DialTarget target, NewSession new_session, Duration timeout);

}  // namespace keelson::net
