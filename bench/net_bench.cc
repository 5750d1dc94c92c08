// net_bench PORT THREADS [CERT KEY]: a server that answers 200 bytes, for h2load. Runs until its standard
// input ends.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/async.h"
#include "net/asio_clock.h"
#include "net/client.h"
#include "net/io_pool.h"
#include "net/server.h"

namespace {

std::string read_file(const char* path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class Fixed final : public keelson::net::Handler {
 public:
  keelson::Task<> handle(keelson::net::Exchange& x) override {
    (void)co_await x.respond(200, {{"content-type", "text/plain"}}, body_);
  }

 private:
  const keelson::Bytes body_{std::string(200, 'x')};
};

keelson::Task<> call_until(std::shared_ptr<keelson::net::HttpClient> client, keelson::Clock* clock,
                           keelson::MonoTime end, std::size_t* done) {
  while (clock->now() < end) {
    const auto reply = co_await client->call({}, std::chrono::seconds(5));
    if (!reply || reply->body.size() != 200) co_return;
    ++*done;
  }
}

int call_main(char** argv) {
  keelson::net::IoPool pool(1, 1);
  keelson::net::AsioClock clock;
  pool.start();
  keelson::net::ClientOptions options;
  options.origin = argv[2];
  options.tls.emplace();
  options.tls->insecure_skip_verify = true;
  const double seconds = std::atof(argv[4]);
  const auto end =
      clock.now() + std::chrono::duration_cast<keelson::Duration>(std::chrono::duration<double>(seconds));
  std::size_t done = 0;
  {
    auto client = keelson::net::HttpClient::create(options, pool.executors()[0], clock, keelson::Logger());
    keelson::TaskGroup group;
    for (int i = 0; i < std::atoi(argv[3]); ++i) {
      group.spawn(pool.executors()[0], call_until(client, &clock, end, &done));
    }
    keelson::block_on(pool.executors()[0], group.join());
  }
  std::printf("%.0f calls/s\n", static_cast<double>(done) / seconds);
  pool.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::string_view(argv[1]) == "call") return call_main(argv);
  if (argc < 3) {
    std::fprintf(stderr, "usage: net_bench PORT THREADS [CERT KEY]\n");
    return 2;
  }
  keelson::net::IoPool pool(static_cast<std::size_t>(std::atoi(argv[2])), 1);
  keelson::net::AsioClock clock;
  Fixed handler;
  keelson::net::ServerOptions options;
  options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  if (argc >= 5) {
    options.tls.emplace();
    options.tls->certificate_chain_pem = read_file(argv[3]);
    options.tls->private_key_pem = read_file(argv[4]);
  }
  auto server =
      keelson::net::Server::listen(options, pool.executors(), handler, clock, keelson::Logger::to_stderr());
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().to_string().c_str());
    return 1;
  }
  pool.start();
  std::printf("listening on %u\n", (*server)->port());
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
  }
  keelson::block_on(pool.next(), (*server)->stop(std::chrono::seconds(1)));
  pool.stop();
}
