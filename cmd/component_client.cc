#include "cmd/component_client.h"

#include <signal.h>
#include <time.h>

#include "cmd/pki.h"
#include "net/client.h"

namespace keelson::cmd {

void ComponentClientFlags::add_to(FlagSet& flags) {
  flags.add("kubeconfig", &kubeconfig, "file with the API server's address and this component's credentials");
  flags.add("master", &server, "the API server's URL, instead of the kubeconfig's");
  flags.add("server", &server, "the same");
  flags.add("token", &token, "bearer token, instead of the kubeconfig's credentials");
  flags.add("certificate-authority", &certificate_authority,
            "file with the CA the API server is verified by");
  flags.add("insecure-skip-tls-verify", &insecure_skip_tls_verify, "do not verify the API server");
}

Result<std::unique_ptr<client::HttpTransport>> make_component_client(const ComponentClientFlags& flags,
                                                                     std::string user_agent, Executor ex,
                                                                     Clock& clock, Logger logger) {
  Kubeconfig config;
  if (!flags.kubeconfig.empty()) config = TRY(load_kubeconfig(flags.kubeconfig));
  if (!flags.server.empty()) config.server = flags.server;
  if (!flags.token.empty()) config.token = flags.token;
  if (!flags.certificate_authority.empty()) config.ca_pem = TRY(read_file(flags.certificate_authority));
  if (config.server.empty())
    return fail(Code::kInvalidArgument, "give --kubeconfig FILE, or --server URL and --token");
  net::ClientOptions options;
  options.origin = config.server;
  while (options.origin.ends_with('/')) options.origin.pop_back();
  if (options.origin.starts_with("https:")) {
    options.tls = net::TlsClientConfig{config.ca_pem, config.certificate_pem, config.key_pem, "",
                                       config.insecure_skip_verify || flags.insecure_skip_tls_verify};
  }
  client::HttpTransportOptions transport;
  transport.user_agent = std::move(user_agent);
  if (!config.token.empty()) transport.token = [token = config.token] { return token; };
  return std::make_unique<client::HttpTransport>(net::HttpClient::create(options, ex, clock, logger), clock,
                                                 std::move(transport));
}

void wait_for_signal(const std::function<bool()>& stop_early) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  while (!stop_early()) {
    timespec second{1, 0};
    if (sigtimedwait(&set, nullptr, &second) > 0) return;
  }
}

}  // namespace keelson::cmd
