// The addresses of this host. Read-only: no packet is sent.
#pragma once

#include <string>

namespace keelson::cmd {

// The IPv4 address that this host uses towards the rest of the world: the source address of its default route, else the first one
// that is not loopback, else 127.0.0.1.
std::string default_address();
// gethostname(), lower-case.
std::string host_name();

}  // namespace keelson::cmd
