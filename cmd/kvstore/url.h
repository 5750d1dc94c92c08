// Url: where a member listens or is reached, as etcd's flags write it: http://127.0.0.1:2379, https://…,
// unix://socket, unixs://socket. Pure values, but for same_place().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson::cmd {

struct Url {
  std::string scheme;
  std::string host;  // without brackets; the path of a unix socket
  std::string port;  // empty for unix sockets
  bool tls() const { return scheme == "https" || scheme == "unixs"; }
  bool is_unix() const { return scheme == "unix" || scheme == "unixs"; }
  std::string text() const;
  bool operator==(const Url&) const = default;
};

// One URL. kInvalidArgument in etcd's words where scheme, host, port or path will not do.
Result<Url> parse_url(std::string_view text);
// Comma-separated; without what is empty or said twice; sorted, as etcd keeps them.
Result<std::vector<Url>> parse_urls(std::string_view text);
std::vector<std::string> texts(const std::vector<Url>& urls);

// Whether both are reached at the same address, by the name service if need be. Blocks.
bool same_place(const Url& a, const Url& b);
// The same of whole lists, in any order. What is no URL is at no place.
bool same_places(const std::vector<std::string>& a, const std::vector<std::string>& b);

// Listening wants addresses, not names ("localhost" and unix sockets are fine).
Result<void> check_bind(const std::vector<Url>& urls);

}  // namespace keelson::cmd
