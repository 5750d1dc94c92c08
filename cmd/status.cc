// keelson status: is the cluster of a kubeconfig ready? Prints what it waits for; `./x up` runs it.
#include <signal.h>

#include <boost/json.hpp>
#include <cstdio>

#include "base/async.h"
#include "base/flags.h"
#include "cmd/command.h"
#include "cmd/pki.h"
#include "net/asio_clock.h"
#include "net/client.h"
#include "net/io_pool.h"

namespace keelson::cmd {
namespace {

using namespace std::chrono_literals;

struct Options {
  std::string kubeconfig = "/var/lib/keelson/kubeconfig";
  std::chrono::nanoseconds wait{0};
  std::int64_t pid = 0;
};

// One look at the cluster: ready, or what is missing.
struct Look {
  bool ready = false;
  std::string text;
};

Look nodes_ready(const std::string& body) {
  boost::system::error_code ec;
  const auto doc = boost::json::parse(body, ec);
  if (ec || !doc.is_object()) return {false, "the node list cannot be read"};
  const auto* items = doc.as_object().if_contains("items");
  if (items == nullptr || !items->is_array() || items->as_array().empty()) return {false, "waiting for a node to register"};
  int ready = 0;
  for (const auto& node : items->as_array()) {
    const auto* conditions = node.as_object().at("status").as_object().if_contains("conditions");
    if (conditions == nullptr || !conditions->is_array()) continue;
    for (const auto& c : conditions->as_array()) ready += c.at("type").as_string() == "Ready" && c.at("status").as_string() == "True";
  }
  const auto total = items->as_array().size();
  const std::string count = std::to_string(ready) + " of " + std::to_string(total) + " node" + (total == 1 ? "" : "s") + " Ready";
  return {ready == static_cast<int>(total), count};
}

std::shared_ptr<net::HttpClient> client_of(const Kubeconfig& config, net::IoPool& pool, Clock& clock) {
  net::ClientOptions o;
  o.origin = config.server;
  o.connect_timeout = 2s;
  o.tls = net::TlsClientConfig{config.ca_pem, config.certificate_pem, config.key_pem, "", config.insecure_skip_verify};
  return net::HttpClient::create(std::move(o), pool.next(), clock, Logger());
}

Task<> look(std::shared_ptr<net::HttpClient> client, std::string token, Look* out) {
  net::ClientRequest rq;
  if (!token.empty()) rq.headers.add("authorization", "Bearer " + token);
  rq.target = "/readyz";
  auto ready = co_await client->call(rq, 5s);
  if (!ready) {
    *out = {false, "waiting for the API server"};
    co_return;
  }
  if (ready->status != 200) {
    *out = {false, "the API server is not ready yet"};
    co_return;
  }
  rq.target = "/api/v1/nodes";
  rq.headers.add("accept", "application/json");
  auto nodes = co_await client->call(rq, 5s);
  if (!nodes || nodes->status != 200) {
    *out = {false, nodes ? "listing nodes answered " + std::to_string(nodes->status) : nodes.error().message};
    co_return;
  }
  *out = nodes_ready(nodes->body);
}

int watch(const Options& o, net::IoPool& pool, net::AsioClock& clock) {
  const auto deadline = clock.now() + o.wait;
  std::string said;
  for (;;) {
    Look now{false, "waiting for " + o.kubeconfig};
    if (auto config = load_kubeconfig(o.kubeconfig)) {
      block_on(pool.next(), look(client_of(*config, pool, clock), config->token, &now));
    } else if (o.wait == 0s) {
      now.text = config.error().message;
    }
    if (now.text != said) std::printf("  %s\n", now.text.c_str());
    std::fflush(stdout);
    said = now.text;
    if (now.ready) return 0;
    if (o.pid != 0 && ::kill(static_cast<pid_t>(o.pid), 0) != 0) {
      std::fprintf(stderr, "keelson status: the process %lld has ended\n", static_cast<long long>(o.pid));
      return 1;
    }
    if (clock.now() >= deadline) return 1;
    block_on(pool.next(), clock.sleep_for(100ms));
  }
}

}  // namespace

int run_status(std::vector<std::string> args) {
  Options o;
  FlagSet flags("keelson status [flags]: is the cluster ready?");
  flags.add("kubeconfig", &o.kubeconfig, "the cluster's kubeconfig");
  flags.add("wait", &o.wait, "wait so long for it to become ready");
  flags.add("pid", &o.pid, "stop waiting when this process ends");
  if (auto r = flags.parse(args); !r) {
    std::fprintf(stderr, "keelson status: %s\n", r.error().message.c_str());
    return 2;
  }
  if (flags.help_wanted()) {
    std::fputs(flags.help().c_str(), stdout);
    return 0;
  }
  net::IoPool pool(1, 1);
  pool.start();
  net::AsioClock clock;
  const int rc = watch(o, pool, clock);
  pool.stop();
  return rc;
}

}  // namespace keelson::cmd
