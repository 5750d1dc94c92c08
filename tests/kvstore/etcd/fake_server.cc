// etcd_fake_server DIR PORT [CERT KEY CA]: the etcd v3 API over one EmbeddedStore on 127.0.0.1:PORT, plain or with
// TLS and client certificates, until SIGTERM. For side-by-side comparison with a real etcd (tests/interop/etcd_api)
// and for measuring the API alone.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/async.h"
#include "base/file.h"
#include "kvstore/server/embedded_store.h"
#include "kvstore/server/etcd/api.h"
#include "kvstore/server/etcd/auth_service.h"
#include "kvstore/server/etcd/lock_service.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"
#include "net/server.h"

using namespace keelson;
using namespace keelson::kvstore;

int main(int argc, char** argv) {
  if (argc != 3 && argc != 6) {
    std::fprintf(stderr, "usage: etcd_fake_server DIR PORT [CERT KEY CA]\n");
    return 2;
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  net::AsioClock clock;
  const Logger log = Logger::to_stderr();
  net::IoPool pool(2, 1);
  pool.start();
  EmbeddedStoreOptions o;
  o.data_dir = argv[1];
  o.clock = &clock;
  o.logger = log;
  auto store = EmbeddedStore::open(o);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message.c_str());
    return 1;
  }
  (*store)->start();
  Member& member = **store;
  etcd::TokenAuthenticator authenticator(member, clock, log, {}, false);
  etcd::EtcdApi api(member, clock, log, authenticator, {}, nullptr);
  etcd::register_auth(api.context(), authenticator, {.workers = pool.workers(), .bcrypt_cost = 4},
                      api.router());
  etcd::register_lock(api.context(), api.router());
  etcd::register_election(api.context(), api.router());
  api.seal();
  api.start(pool.next());
  net::ServerOptions so;
  so.port = static_cast<std::uint16_t>(std::atoi(argv[2]));
  so.max_concurrent_streams = 1u << 20;
  if (argc == 6) {
    so.tls.emplace();
    so.tls->certificate_chain_pem = *read_file(posix_file_system(), argv[3]);
    so.tls->private_key_pem = *read_file(posix_file_system(), argv[4]);
    so.tls->client_ca_pem = *read_file(posix_file_system(), argv[5]);
    so.tls->require_client_certificate = true;
  }
  auto server = net::Server::listen(so, pool.executors(), api, clock, log);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  std::printf("listening on %u\n", (*server)->port());
  std::fflush(stdout);
  int sig = 0;
  sigwait(&set, &sig);
  block_on(pool.next(), (*server)->stop(std::chrono::seconds(2)));
  block_on(pool.next(), api.stop());
  (*store)->stop();
  server->reset();
  pool.stop();
  return 0;
}
