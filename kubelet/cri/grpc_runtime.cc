#include "kubelet/cri/runtime.h"
#include "net/grpc.h"

namespace keelson::kubelet::cri {
namespace {

using namespace std::chrono_literals;

constexpr Duration kQuick = 30s;
constexpr Duration kSandbox = 4min;  // upstream's: twice the runtime request timeout
constexpr Duration kPull = 30min;

std::shared_ptr<net::HttpClient> connect(std::string origin, Executor ex, Clock& clock, Logger logger) {
  net::ClientOptions options;
  options.origin = std::move(origin);
  options.h2c_prior_knowledge = true;
  return net::HttpClient::create(std::move(options), ex, clock, logger.named("cri"));
}

class GrpcRuntime final : public Runtime {
 public:
  GrpcRuntime(std::string origin, Executor ex, Clock& clock, Logger logger)
      : grpc_(connect(std::move(origin), ex, clock, logger), clock) {}

  Task<Result<VersionResponse>> version() override {
    co_return co_await runtime<VersionResponse>("Version", Empty{}, kQuick);
  }
  Task<Result<StatusResponse>> status() override {
    co_return co_await runtime<StatusResponse>("Status", Empty{}, kQuick);
  }
  Task<Result<std::string>> run_sandbox(PodSandboxConfig config) override {
    co_return text(
        co_await runtime<OneString>("RunPodSandbox", RunPodSandboxRequest{std::move(config)}, kSandbox));
  }
  Task<Result<void>> stop_sandbox(std::string id) override {
    co_return gone_is_fine(co_await runtime<Empty>("StopPodSandbox", OneString{std::move(id)}, kSandbox));
  }
  Task<Result<void>> remove_sandbox(std::string id) override {
    co_return gone_is_fine(co_await runtime<Empty>("RemovePodSandbox", OneString{std::move(id)}, kSandbox));
  }
  Task<Result<PodSandboxStatus>> sandbox_status(std::string id) override {
    auto r = co_await runtime<PodSandboxStatusResponse>("PodSandboxStatus",
                                                        SandboxStatusRequest{std::move(id)}, kQuick);
    if (!r) co_return std::unexpected(r.error());
    co_return std::move(r->status);
  }
  Task<Result<std::vector<PodSandbox>>> list_sandboxes(std::string pod_uid) override {
    auto r = co_await runtime<ListPodSandboxResponse>(
        "ListPodSandbox", ListPodSandboxRequest{{selector(std::move(pod_uid))}}, kQuick);
    if (!r) co_return std::unexpected(r.error());
    co_return std::move(r->items);
  }
  Task<Result<std::string>> create_container(CreateContainerRequest request) override {
    co_return text(co_await runtime<OneString>("CreateContainer", std::move(request), kSandbox));
  }
  Task<Result<void>> start_container(std::string id) override {
    co_return nothing(co_await runtime<Empty>("StartContainer", OneString{std::move(id)}, kSandbox));
  }
  Task<Result<void>> stop_container(std::string id, std::int64_t grace_s) override {
    const Duration limit = std::chrono::seconds(grace_s) + 2min;
    co_return gone_is_fine(
        co_await runtime<Empty>("StopContainer", StopContainerRequest{std::move(id), grace_s}, limit));
  }
  Task<Result<void>> remove_container(std::string id) override {
    co_return gone_is_fine(co_await runtime<Empty>("RemoveContainer", OneString{std::move(id)}, kSandbox));
  }
  Task<Result<std::vector<Container>>> list_containers(std::string pod_uid) override {
    auto r = co_await runtime<ListContainersResponse>(
        "ListContainers", ListContainersRequest{{selector(std::move(pod_uid))}}, kQuick);
    if (!r) co_return std::unexpected(r.error());
    co_return std::move(r->containers);
  }
  Task<Result<ContainerStatus>> container_status(std::string id) override {
    auto r = co_await runtime<ContainerStatusResponse>("ContainerStatus", SandboxStatusRequest{std::move(id)},
                                                       kQuick);
    if (!r) co_return std::unexpected(r.error());
    co_return std::move(r->status);
  }
  Task<Result<void>> reopen_log(std::string id) override {
    co_return nothing(co_await runtime<Empty>("ReopenContainerLog", OneString{std::move(id)}, kQuick));
  }
  Task<Result<ExecSyncResponse>> exec_sync(std::string id, std::vector<std::string> command,
                                           std::int64_t timeout_s) override {
    const Duration limit = timeout_s > 0 ? Duration(std::chrono::seconds(timeout_s) + 10s) : Duration(1h);
    co_return co_await runtime<ExecSyncResponse>(
        "ExecSync", ExecSyncRequest{std::move(id), std::move(command), timeout_s}, limit);
  }
  Task<Result<std::string>> exec_url(ExecRequest request) override {
    co_return text(co_await runtime<OneString>("Exec", std::move(request), kQuick));
  }
  Task<Result<std::string>> attach_url(AttachRequest request) override {
    co_return text(co_await runtime<OneString>("Attach", std::move(request), kQuick));
  }
  Task<Result<std::string>> port_forward_url(PortForwardRequest request) override {
    co_return text(co_await runtime<OneString>("PortForward", std::move(request), kQuick));
  }
  Task<Result<std::optional<Image>>> image_status(std::string image) override {
    auto r = co_await images<ImageStatusResponse>("ImageStatus", ImageRequest{{std::move(image)}}, kQuick);
    if (!r) co_return std::unexpected(r.error());
    co_return std::move(r->image);
  }
  Task<Result<std::string>> pull_image(std::string image) override {
    co_return text(co_await images<OneString>("PullImage", ImageRequest{{std::move(image)}}, kPull));
  }
  Task<Result<std::vector<Image>>> list_images() override {
    auto r = co_await images<ListImagesResponse>("ListImages", Empty{}, kQuick);
    if (!r) co_return std::unexpected(r.error());
    co_return std::move(r->images);
  }
  Task<Result<void>> remove_image(std::string image) override {
    co_return gone_is_fine(co_await images<Empty>("RemoveImage", ImageRequest{{std::move(image)}}, kSandbox));
  }

 private:
  static StringMap selector(std::string pod_uid) {
    return pod_uid.empty() ? StringMap{} : StringMap{{kLabelPodUid, std::move(pod_uid)}};
  }
  static Result<std::string> text(Result<OneString> r) {
    if (!r) return std::unexpected(std::move(r).error());
    return std::move(r->value);
  }
  static Result<void> nothing(Result<Empty> r) {
    if (!r) return std::unexpected(std::move(r).error());
    return {};
  }
  static Result<void> gone_is_fine(Result<Empty> r) {
    if (!r && r.error().code != Code::kNotFound) return std::unexpected(std::move(r).error());
    return {};
  }
  template <class Out, class In>
  Task<Result<Out>> runtime(const char* method, In in, Duration limit) {
    co_return decoded<Out>(co_await call("/runtime.v1.RuntimeService/", method, Encoder::encode(in), limit));
  }
  template <class Out, class In>
  Task<Result<Out>> images(const char* method, In in, Duration limit) {
    co_return decoded<Out>(co_await call("/runtime.v1.ImageService/", method, Encoder::encode(in), limit));
  }
  template <class Out>
  static Result<Out> decoded(Result<std::string> bytes) {
    if (!bytes) return std::unexpected(std::move(bytes).error());
    return Decoder::decode<Out>(*bytes);
  }

  Task<Result<std::string>> call(std::string service, std::string method, std::string message,
                                 Duration limit) {
    net::GrpcCallOptions options;
    options.timeout = limit;
    co_return co_await grpc_.unary(service + method, Bytes(std::move(message)), std::move(options));
  }

  net::GrpcClient grpc_;
};

}  // namespace

std::string grpc_code(Code code) {
  std::string out;
  bool upper = true;
  for (char c : code_name(code)) {
    if (c != '_') out += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = c == '_';
  }
  return out;
}

std::unique_ptr<Runtime> connect_runtime(std::string origin, Executor ex, Clock& clock, Logger logger) {
  return std::make_unique<GrpcRuntime>(std::move(origin), ex, clock, logger);
}

}  // namespace keelson::kubelet::cri
