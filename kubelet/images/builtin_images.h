// The two images every node has without a registry: the sandbox image (our pause program) and the demo image
// (Debian's busybox-static with all applets; its default command serves HTTP on 8080 and answers the pod's
// host name).
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "kubelet/images/oci_image.h"

namespace keelson::kubelet {

inline constexpr std::string_view kPauseImage = "localhost/keelson/pause:1";
inline constexpr std::string_view kDemoImage = "localhost/keelson/demo:1";

OciImage pause_image();
// Reads `busybox_path` and asks it for its applets (blocks for some milliseconds).
// kFailedPrecondition when it is missing or not statically linked: the message names the Debian package.
Result<OciImage> demo_image(const std::string& busybox_path = "/bin/busybox");

}  // namespace keelson::kubelet
