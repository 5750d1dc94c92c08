// H1Parser: HTTP/1.1 messages from bytes, over Beast's parser (only h1_parser.cc includes Beast). Serves both
// sides. Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http.h"

namespace keelson::net {

struct H1Message {
  std::string method, target;  // requests
  int status = 0;              // replies
  int version = 11;            // 10 or 11
  Headers headers;
  std::string body;  // decoded, what has arrived since the owner last took it
};

class H1Parser {
 public:
  enum class Kind : std::uint8_t { kRequest, kResponse };
  H1Parser(Kind kind, std::size_t max_header_bytes);
  ~H1Parser();
  H1Parser(const H1Parser&) = delete;
  H1Parser& operator=(const H1Parser&) = delete;

  // Takes a part of `data` and says how long it was; the caller gives the rest again, with more when put()
  // took nothing. Stops after the header, so that the owner can look at it. kInvalidArgument: not HTTP;
  // kResourceExhausted: the header is too long. REQUIRES: !done().
  Result<std::size_t> put(std::string_view data);
  // The peer's stream ended: completes a reply that has no length, fails any other unfinished message.
  Result<void> put_end();
  bool header_done() const;
  bool done() const;
  // True once put() has taken a byte of this message or waits for the rest of a header.
  bool started() const;

  H1Message& message();
  bool keep_alive() const;
  bool chunked() const;
  std::optional<std::uint64_t> content_length() const;
  // The reply to a HEAD request has no body. REQUIRES: before the header.
  void expect_no_body();
  // Ready for the next message.
  void reset();

 private:
  struct Impl;
  template <bool>
  struct Half;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::net
