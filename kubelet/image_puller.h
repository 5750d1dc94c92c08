// ImagePuller: makes a container's image present by its pull policy, with upstream's events, reasons and
// back-off. Pulls of one image are not repeated while one is under way for another pod: the runtime joins
// them. Thread rule: on the kubelet's strand.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "api/gen/core_v1.h"
#include "kubelet/backoff.h"
#include "kubelet/cri/runtime.h"
#include "kubelet/pod_status.h"

namespace keelson::kubelet {

class ImagePuller {
 public:
  // (type, reason, message) of an event about the container.
  using Event = std::function<void(const char* type, const char* reason, std::string message)>;

  ImagePuller(cri::Runtime& runtime, Clock& clock) : runtime_(runtime), clock_(clock) {}

  // The image when it is present. The error is what the container waits with: ErrImagePull, ImagePullBackOff,
  // ErrImageNeverPull, InvalidImageName, ImageInspectError.
  Task<std::expected<cri::Image, Reason>> ensure(std::string pod_uid, api::core_v1::Container container,
                                                 Event event);
  void forget_pod(const std::string& uid) {
    backoff_.forget_prefix(uid);
    std::erase_if(failures_, [&](const auto& f) { return f.first.starts_with(uid); });
  }

 private:
  Task<std::expected<cri::Image, Reason>> pull(std::string key, std::string image, Event event);

  struct Failure {
    MonoTime at;
    std::string message;
  };
  cri::Runtime& runtime_;
  Clock& clock_;
  Backoff backoff_{std::chrono::seconds(10), std::chrono::minutes(5), std::chrono::minutes(10)};
  std::map<std::string, Failure> failures_;
};

// The reference with its default registry and tag ("nginx" → "docker.io/library/nginx:latest"), or an error
// in upstream's words ("invalid reference format").
Result<std::string> normalize_image(std::string_view image);

}  // namespace keelson::kubelet
