#include "cmd/kvstore/failpoint_server.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string_view>
#include <thread>

#include "base/async.h"
#include "base/rng.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"
#include "net/server.h"

namespace keelson::cmd {
namespace {

constexpr std::size_t kTermsMax = 64 << 10;
constexpr Duration kAnswerMax = std::chrono::seconds(1);

Task<> text(net::Exchange& x, int status, std::string body) {
  (void)co_await x.respond(status, {{"content-type", "text/plain; charset=utf-8"}}, Bytes(std::move(body)));
}

Task<> done(net::Exchange& x, Result<void> result, std::string what) {
  if (!result) co_return co_await text(x, 400, what + result.error().message + "\n");
  (void)co_await x.respond(204, {}, Bytes());
}

std::string lines(const Failpoints& points) {
  std::string out;
  for (const auto& [name, terms] : points.list()) out += name + "=" + terms + "\n";
  return out;
}

}  // namespace

class FailpointHandler::UnderWay {
 public:
  explicit UnderWay(FailpointHandler& h) : h_(h) { add(1); }
  ~UnderWay() { add(-1); }

 private:
  void add(int n) {
    std::lock_guard lock(h_.mu_);
    h_.under_way_ += n;
    h_.idle_.notify_all();
  }
  FailpointHandler& h_;
};

Task<> FailpointHandler::handle(net::Exchange& exchange) {
  const UnderWay counted(*this);
  co_await answer(exchange);
}

void FailpointHandler::wait_idle(Duration at_most) {
  std::unique_lock lock(mu_);
  idle_.wait_for(lock, at_most, [&] { return under_way_ == 0; });
}

Task<> FailpointHandler::answer(net::Exchange& x) {
  const std::string& method = x.request().method;
  std::string name = net::percent_decode(x.request().path().substr(1));
  if (method == "PUT") {
    const auto body = co_await x.read_body(kTermsMax);
    if (!body) co_return;
    const bool all = name == "failpoints";
    co_return co_await done(x, all ? points_.enable_all(*body) : points_.enable(name, *body),
                            "fail to set failpoint: ");
  }
  if (method == "DELETE") {
    co_return co_await done(x, points_.disable(name), "failed to delete failpoint ");
  }
  if (method != "GET") {
    (void)co_await x.respond(405, {{"allow", "DELETE, GET, PUT"}}, Bytes::literal("Method not allowed\n"));
    co_return;
  }
  if (name.empty()) co_return co_await text(x, 200, lines(points_));
  const bool count = name.ends_with("/count");
  if (count) name.resize(name.size() - std::string_view("/count").size());
  const auto status = points_.status(name);
  if (!status) co_return co_await text(x, 404, "failed to GET: " + status.error().message + "\n");
  if (status->terms.empty()) {
    co_return co_await text(x, count ? 500 : 404, "failed to GET: failpoint: failpoint is disabled\n");
  }
  co_await text(x, 200, count ? std::to_string(status->count) : status->terms + "\n");
}

struct FailpointServer::Impl {
  explicit Impl(Logger l) : logger(std::move(l)), points(world()), handler(points) {}
  FailpointWorld world();
  Result<void> listen(std::string_view address);

  const Logger logger;
  std::mutex rng_mu;
  Rng rng{os_entropy()};
  Failpoints points;
  FailpointHandler handler;
  net::AsioClock clock;
  net::IoPool pool{1, 1};
  std::unique_ptr<net::Server> server;
};

FailpointWorld FailpointServer::Impl::world() {
  FailpointWorld w;
  w.sleep = [](Duration d) { std::this_thread::sleep_for(d); };
  w.panic = [this](const std::string& why) {
    handler.wait_idle(kAnswerMax);
    std::fprintf(stderr, "panic: %s\n", why.c_str());
    ::_exit(2);
  };
  w.print = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  w.random = [this] {
    std::lock_guard lock(rng_mu);
    return rng.unit();
  };
  return w;
}

Result<void> FailpointServer::Impl::listen(std::string_view address) {
  const auto bad = [&](const std::string& why) {
    return fail(Code::kInvalidArgument, "GOFAIL_HTTP=" + std::string(address) + ": " + why);
  };
  const std::size_t colon = address.rfind(':');
  if (colon == 0 || colon == address.npos) return bad("want HOST:PORT");
  net::ServerOptions o;
  o.address = address.substr(0, colon);
  if (o.address.front() == '[' && o.address.back() == ']')
    o.address = o.address.substr(1, o.address.size() - 2);
  if (o.address == "localhost") o.address = "127.0.0.1";
  const std::string_view port = address.substr(colon + 1);
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), o.port);
  if (ec != std::errc() || end != port.data() + port.size()) return bad("want HOST:PORT");
  pool.start();
  auto made = net::Server::listen(std::move(o), pool.executors(), handler, clock, logger);
  if (!made) return bad(made.error().message);
  server = std::move(*made);
  return {};
}

FailpointServer::FailpointServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

FailpointServer::~FailpointServer() {
  if (impl_->server) block_on(impl_->pool.next(), impl_->server->stop(Duration::zero()));
  impl_->pool.stop();
}

Result<std::unique_ptr<FailpointServer>> FailpointServer::from_environment(const char* http,
                                                                           const char* failpoints,
                                                                           Logger logger) {
  const std::string_view address = http != nullptr ? http : "";
  const std::string_view preset = failpoints != nullptr ? failpoints : "";
  if (address.empty() && preset.empty()) return nullptr;
  auto impl = std::make_unique<Impl>(std::move(logger));
  if (auto r = impl->points.preset(preset); !r) {
    return fail(r.error().code, "GOFAIL_FAILPOINTS: " + r.error().message);
  }
  std::unique_ptr<FailpointServer> made(new FailpointServer(std::move(impl)));
  if (!address.empty()) TRY(made->impl_->listen(address));
  made->impl_->logger.warn("failpoints are enabled by the environment: this is for tests only",
                           {{"GOFAIL_HTTP", address}, {"GOFAIL_FAILPOINTS", preset}});
  return made;
}

Failpoints& FailpointServer::points() {
  return impl_->points;
}
void FailpointServer::warn_of_unclaimed() const {
  for (const auto& name : impl_->points.unclaimed()) {
    impl_->logger.warn("GOFAIL_FAILPOINTS names a failpoint that is not here", {{"name", name}});
  }
}
std::uint16_t FailpointServer::port() const {
  return impl_->server ? impl_->server->port() : 0;
}

}  // namespace keelson::cmd
