#include "kubelet/image_puller.h"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::kubelet {
namespace {

bool is_path_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// One component of a repository path: lower-case letters and digits, separated by ".", "_", "__" or dashes.
bool valid_component(std::string_view s) {
  if (s.empty() || !is_path_char(s.front()) || !is_path_char(s.back())) return false;
  return std::all_of(s.begin(), s.end(),
                     [](char c) { return is_path_char(c) || c == '.' || c == '_' || c == '-'; });
}

bool valid_tag(std::string_view s) {
  if (s.empty() || s.size() > 128 || s[0] == '.' || s[0] == '-') return false;
  return std::all_of(s.begin(), s.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '_' || c == '-'; });
}

std::string go_seconds(Duration d) {
  const double ms = std::chrono::duration<double, std::milli>(d).count();
  return ms < 1000 ? fmt::format("{:.0f}ms", ms) : fmt::format("{:.3f}s", ms / 1000);
}

}  // namespace

Result<std::string> normalize_image(std::string_view image) {
  const auto bad = [] { return fail(Code::kInvalidArgument, "invalid reference format"); };
  std::string_view rest = image, digest;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!digest.starts_with("sha256:") || digest.size() != 7 + 64) return bad();
  }
  std::string_view tag;
  const auto slash = rest.rfind('/');
  if (const auto colon = rest.rfind(':');
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!valid_tag(tag)) return bad();
  }
  std::string domain = "docker.io", path(rest);
  if (const auto first = rest.find('/'); first != std::string_view::npos) {
    const std::string_view head = rest.substr(0, first);
    if (head == "localhost" || head.find_first_of(".:") != std::string_view::npos) {
      domain = head;
      path = rest.substr(first + 1);
    }
  }
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (!valid_component(std::string_view(path).substr(at, end - at))) return bad();
    at = end + 1;
  }
  if (domain == "docker.io" && path.find('/') == std::string::npos) path = "library/" + path;
  std::string out = domain + "/" + path;
  if (!tag.empty()) out += ":" + std::string(tag);
  if (!digest.empty()) return out + "@" + std::string(digest);
  return tag.empty() ? out + ":latest" : out;
}

Task<std::expected<cri::Image, Reason>> ImagePuller::ensure(std::string pod_uid,
                                                            api::core_v1::Container container, Event event) {
  const std::string requested(container.image());
  auto name = normalize_image(requested);
  if (!name) {
    auto message =
        fmt::format("Failed to apply default image tag \"{0}\": couldn't parse image name \"{0}\": {1}",
                    requested, name.error().message);
    event("Warning", "InspectFailed", message);
    co_return std::unexpected(Reason{"InvalidImageName", message});
  }
  const std::string_view policy = container.image_pull_policy();
  const bool latest = name->ends_with(":latest");
  const bool always = policy == "Always" || (policy.empty() && latest);
  auto present = co_await runtime_.image_status(*name);
  if (!present) {
    auto message = fmt::format("Failed to inspect image \"{}\": {}", *name, present.error().message);
    event("Warning", "InspectFailed", message);
    co_return std::unexpected(Reason{"ImageInspectError", message});
  }
  if (*present && !always) {
    event("Normal", "Pulled",
          fmt::format("Container image \"{}\" already present on machine and can be accessed by the pod",
                      requested));
    co_return std::move(**present);
  }
  if (policy == "Never") {
    auto message = fmt::format("Container image \"{}\" is not present with pull policy of Never", requested);
    event("Warning", "ErrImageNeverPull", message);
    co_return std::unexpected(Reason{"ErrImageNeverPull", message});
  }
  co_return co_await pull(fmt::format("{}_{}", pod_uid, *name), *name, std::move(event));
}

Task<std::expected<cri::Image, Reason>> ImagePuller::pull(std::string key, std::string image, Event event) {
  if (auto it = failures_.find(key);
      it != failures_.end() && clock_.now() < backoff_.retry_at(key, it->second.at)) {
    auto message = fmt::format("Back-off pulling image \"{}\"", image);
    event("Normal", "BackOff", message);
    co_return std::unexpected(Reason{"ImagePullBackOff", message + ": " + it->second.message});
  }
  event("Normal", "Pulling", fmt::format("Pulling image \"{}\"", image));
  const MonoTime start = clock_.now();
  auto ref = co_await runtime_.pull_image(image);
  std::string error;
  if (!ref) {
    error =
        fmt::format("rpc error: code = {} desc = {}", cri::grpc_code(ref.error().code), ref.error().message);
  } else {
    auto present = co_await runtime_.image_status(*ref);
    if (present && *present) {
      failures_.erase(key);
      backoff_.forget(key);
      const std::string took = go_seconds(clock_.now() - start);
      event("Normal", "Pulled",
            fmt::format(
                "Successfully pulled image \"{0}\" in {1} ({1} including waiting). Image size: {2} bytes.",
                image, took, (**present).size));
      co_return std::move(**present);
    }
    error = present ? "the runtime does not show the image it pulled" : present.error().message;
  }
  event("Warning", "Failed", fmt::format("Failed to pull image \"{}\": {}", image, error));
  const MonoTime now = clock_.now();
  backoff_.next(key, now, now);
  failures_[key] = {now, "ErrImagePull: " + error};
  co_return std::unexpected(Reason{"ErrImagePull", error});
}

}  // namespace keelson::kubelet
