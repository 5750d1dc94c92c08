// gRPC's message framing and status fields, used by both sides. Internal to net/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "net/http.h"

namespace keelson::net {

// Cuts messages out of a byte stream: flag, four bytes of length (big-endian), message.
class GrpcReader {
 public:
  explicit GrpcReader(std::size_t max_message_bytes) : max_(max_message_bytes) {}
  void append(std::string piece);
  // The next whole message, nullopt when more bytes are needed. kResourceExhausted when it is too long,
  // kUnimplemented when it is compressed.
  Result<std::optional<std::string>> next();
  // True when no part of a message waits.
  bool empty() const { return pos_ == buffer_.size(); }

 private:
  const std::size_t max_;
  std::string buffer_;
  std::size_t pos_ = 0;
};

// grpc-message's escaping.
std::string grpc_escape(std::string_view text);

// "1500m" and back; nullopt for what is malformed.
std::string grpc_timeout(Duration d);
std::optional<Duration> parse_grpc_timeout(std::string_view text);

// The call's status in a reply's trailers or, without a body, its headers.
Result<void> grpc_status(int http_status, const Headers& headers, const Headers& trailers);

}  // namespace keelson::net
