// WireStream: a Wire as a ByteStream, with bytes that were read ahead of it (after an upgrade).
#pragma once

#include <memory>
#include <string>

#include "net/http.h"
#include "net/wire.h"

namespace keelson::net {

// Reads deliver `read_ahead` first. The wire's handshake is done.
std::unique_ptr<ByteStream> make_wire_stream(std::shared_ptr<Wire> wire, std::string read_ahead);

}  // namespace keelson::net
