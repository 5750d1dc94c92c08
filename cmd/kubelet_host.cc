#include "cmd/kubelet_host.h"

#include <algorithm>
#include <filesystem>

namespace keelson::cmd {

using namespace std::chrono_literals;

namespace {

// Who may use the kubelet's API: a client certificate of the cluster's CA in system:masters, which the API
// server has.
Task<Result<void>> authorize_master(const net::Request& request) {
  const auto& peer = request.connection->peer;
  if (!peer) co_return fail(Code::kUnauthenticated, "Unauthorized");
  const auto& orgs = peer->organizations;
  if (std::find(orgs.begin(), orgs.end(), "system:masters") == orgs.end()) {
    co_return fail(Code::kPermissionDenied, "Forbidden (user=" + peer->common_name + ")");
  }
  co_return Result<void>{};
}

}  // namespace

KubeletHost::KubeletHost(KubeletHostOptions options, client::Transport& transport,
                         std::vector<Executor> executors, Clock& clock, Rng rng, Logger logger)
    : options_(std::move(options)),
      transport_(transport),
      executors_(std::move(executors)),
      clock_(clock),
      rng_(rng),
      log_(std::move(logger)),
      containerd_({options_.kubelet.data_dir, options_.kubelet.pod_cidr, "keelson0", options_.kubelet.pool},
                  clock, log_) {}

KubeletHost::~KubeletHost() = default;

Task<Result<void>> KubeletHost::start() {
  CO_TRY(co_await containerd_.start());
  runtime_ = kubelet::cri::connect_runtime(containerd_.origin(), options_.kubelet.executor, clock_, log_);
  kubelet_ =
      std::make_unique<kubelet::Kubelet>(options_.kubelet, transport_, *runtime_, clock_, rng_.fork(), log_);
  api_ = std::make_unique<kubelet::KubeletApi>(
      kubelet_->runtime_access(),
      [](const net::Request& request, kubelet::KubeletAction) { return authorize_master(request); }, clock_,
      log_.named("kubelet-api"));
  net::ServerOptions listen;
  listen.address = options_.listen_address;
  listen.port = options_.kubelet.port;
  listen.tls = options_.tls;
  server_ = CO_TRY(net::Server::listen(listen, executors_, *api_, clock_, log_.named("kubelet-api")));
  CO_TRY(co_await kubelet_->start());
  tasks_.spawn(options_.kubelet.executor, watch_containerd());
  co_return Result<void>{};
}

// containerd that ended (killed, crashed) is started again; containers were never its children.
Task<> KubeletHost::watch_containerd() {
  for (;;) {
    co_await clock_.sleep_for(2s);
    if (containerd_.alive()) continue;
    log_.warn("containerd has ended; starting it again");
    auto r = co_await containerd_.start();
    if (!r) log_.error("containerd does not start", {{"error", r.error()}});
  }
}

Task<> KubeletHost::stop() {
  co_await tasks_.stop();
  if (server_) co_await server_->stop(1s);
  if (kubelet_) co_await kubelet_->stop();
  server_.reset();
  api_.reset();
  kubelet_.reset();
}

Task<> remove_node(std::string data_dir, std::int64_t grace_s, Executor ex, Executor pool, Clock& clock,
                   Logger logger) {
  if (!std::filesystem::exists(data_dir + "/containerd")) co_return;
  kubelet::ContainerdOptions options;
  options.data_dir = data_dir;
  options.pool = pool;
  kubelet::ContainerdInstance containerd(options, clock, logger);
  auto up = co_await containerd.start();
  if (up) {
    auto runtime = kubelet::cri::connect_runtime(containerd.origin(), ex, clock, logger);
    co_await kubelet::remove_all_pods(*runtime, data_dir, grace_s, pool, logger);
  } else {
    logger.warn("containerd does not start; pods may be left", {{"error", up.error()}});
  }
  auto down = co_await containerd.shut_down();
  if (!down) logger.warn("ending containerd", {{"error", down.error()}});
}

}  // namespace keelson::cmd
