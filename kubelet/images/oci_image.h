// An OCI image of one layer as one tarball (OCI image layout 1.0) that `ctr images import` takes.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace keelson::kubelet {

struct OciImage {
  std::string name;  // full reference, e.g. "localhost/keelson/demo:1"
  std::string layer_tar;
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<int> tcp_ports;
};

// The tarball. The same image gives the same bytes.
std::string build_oci_tarball(const OciImage& image);

}  // namespace keelson::kubelet
