#include "kubelet/streaming/remote_command.h"

#include "kubelet/streaming/session_impl.h"
#include "net/upgrade.h"

namespace keelson::kubelet {

Result<StreamChoice> stream_choice(std::string_view query) {
  StreamChoice c;
  for (const auto& [name, value] : net::parse_query(query)) {
    const bool yes = value == "1" || value == "true";
    if (name == "input" || name == "stdin") c.in = yes;
    if (name == "output" || name == "stdout") c.out = yes;
    if (name == "error" || name == "stderr") c.err = yes;
    if (name == "tty") c.tty = yes;
  }
  if (c.tty) c.err = false;
  if (!c.in && !c.out && !c.err) {
    return fail(Code::kInvalidArgument, "you must specify at least 1 of stdin, stdout, stderr");
  }
  return c;
}

Task<Error> refuse(net::Exchange& exchange, int status, std::string text) {
  Error error{status == 403 ? Code::kPermissionDenied : Code::kInvalidArgument, text};
  net::Headers headers{{"content-type", "text/plain; charset=utf-8"}};
  (void)co_await exchange.respond(status, std::move(headers), Bytes(text + "\n"));
  co_return error;
}

Task<Result<std::unique_ptr<net::ByteStream>>> upgrade_to_spdy(net::Exchange& exchange,
                                                               std::vector<std::string_view> supported,
                                                               std::string* chosen) {
  const auto& request = exchange.request();
  if (!net::is_spdy_request(request)) {
    co_return std::unexpected(
        co_await refuse(exchange, 400, "unable to upgrade: missing upgrade headers in request"));
  }
  if (!request.headers.get("x-stream-protocol-version")) {
    co_return std::unexpected(co_await refuse(
        exchange, 400, "unable to upgrade: header X-Stream-Protocol-Version does not exist in request"));
  }
  auto version = net::choose_protocol(request.headers, "x-stream-protocol-version", supported);
  if (!version) {
    std::string text = "unable to upgrade: unable to negotiate protocol: server accepts";
    net::Headers headers{{"content-type", "text/plain; charset=utf-8"}};
    for (const auto s : supported) {
      headers.add("x-accepted-stream-protocol-versions", std::string(s));
      text += " " + std::string(s);
    }
    (void)co_await exchange.respond(403, std::move(headers), Bytes(text + "\n"));
    co_return keelson::fail(Code::kPermissionDenied, std::move(text));
  }
  net::Headers reply{
      {"connection", "Upgrade"}, {"upgrade", "SPDY/3.1"}, {"x-stream-protocol-version", *version}};
  *chosen = std::move(*version);
  co_return co_await exchange.upgrade(std::move(reply));
}

Task<Result<std::unique_ptr<RemoteCommandSession>>> RemoteCommandSession::accept(net::Exchange& exchange,
                                                                                 StreamChoice choice,
                                                                                 Clock& clock) {
  if (net::is_websocket_request(exchange.request())) {
    return accept_websocket_command(exchange, choice, clock);
  }
  return accept_spdy_command(exchange, choice, clock);
}

}  // namespace keelson::kubelet
