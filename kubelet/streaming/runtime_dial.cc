#include <boost/asio/this_coro.hpp>

#include "kubelet/streaming/runtime_command.h"
#include "net/client.h"

namespace keelson::kubelet {

Task<Result<std::unique_ptr<net::ByteStream>>> dial_runtime(std::string url, std::string protocol,
                                                            Clock& clock, Logger logger) {
  const auto host = url.find("://");
  const auto path = host == std::string::npos ? host : url.find('/', host + 3);
  if (path == std::string::npos)
    co_return keelson::fail(Code::kInvalidArgument, "not a streaming URL: " + url);
  net::ClientOptions options;
  options.origin = url.substr(0, path);
  options.http1_only = true;
  auto client = net::HttpClient::create(options, co_await boost::asio::this_coro::executor, clock, logger);
  net::ClientRequest request;
  request.method = "POST";
  request.target = url.substr(path);
  request.headers = {
      {"connection", "Upgrade"}, {"upgrade", "SPDY/3.1"}, {"x-stream-protocol-version", std::move(protocol)}};
  auto upgraded = CO_TRY(co_await client->upgrade(std::move(request)));
  co_return std::move(upgraded.stream);
}

}  // namespace keelson::kubelet
