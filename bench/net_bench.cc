// net_bench PORT THREADS [CERT KEY]: a server that answers 200 bytes, for h2load. Runs until its standard
// input ends.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/async.h"
#include "net/asio_clock.h"
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

}  // namespace

int main(int argc, char** argv) {
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
