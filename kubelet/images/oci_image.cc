#include "kubelet/images/oci_image.h"

#include <fmt/format.h>

#include "base/log.h"
#include "kubelet/digest.h"
#include "kubelet/images/tar.h"

namespace keelson::kubelet {
namespace {

#if defined(__aarch64__)
constexpr const char* kArchitecture = "arm64";
#else
constexpr const char* kArchitecture = "amd64";
#endif

std::string quoted(std::string_view s) {
  std::string out;
  append_json_string(out, s);
  return out;
}

std::string config_json(const OciImage& image, const std::string& diff_id) {
  std::string command, env, ports;
  for (const auto& c : image.command) command += (command.empty() ? "" : ",") + quoted(c);
  for (const auto& [k, v] : image.environment) env += (env.empty() ? "" : ",") + quoted(k + "=" + v);
  for (int p : image.tcp_ports) ports += (ports.empty() ? "" : ",") + fmt::format("\"{}/tcp\":{{}}", p);
  return fmt::format(R"({{"created":"1970-01-01T00:00:00Z","architecture":"{}","os":"linux",)"
                     R"("config":{{"Env":[{}],"Cmd":[{}],"ExposedPorts":{{{}}}}},)"
                     R"("rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}},)"
                     R"("history":[{{"created":"1970-01-01T00:00:00Z","created_by":"keelson"}}]}})",
                     kArchitecture, env, command, ports, diff_id);
}

std::string descriptor(std::string_view media_type, const std::string& digest, std::size_t size,
                       std::string_view more = "") {
  return fmt::format(R"({{"mediaType":"{}","digest":"sha256:{}","size":{}{}}})", media_type, digest, size,
                     more);
}

}  // namespace

std::string build_oci_tarball(const OciImage& image) {
  const std::string layer_digest = sha256_hex(image.layer_tar);
  const std::string config = config_json(image, layer_digest);
  const std::string config_digest = sha256_hex(config);
  const std::string manifest = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}})",
      descriptor("application/vnd.oci.image.config.v1+json", config_digest, config.size()),
      descriptor("application/vnd.oci.image.layer.v1.tar", layer_digest, image.layer_tar.size()));
  const std::string manifest_digest = sha256_hex(manifest);
  const std::string tag = image.name.substr(image.name.rfind(':') + 1);
  const std::string annotations = fmt::format(
      R"(,"annotations":{{"io.containerd.image.name":{},"org.opencontainers.image.ref.name":{}}})",
      quoted(image.name), quoted(tag));
  const std::string index = fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})",
                                        descriptor("application/vnd.oci.image.manifest.v1+json",
                                                   manifest_digest, manifest.size(), annotations));

  TarWriter tar;
  tar.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  tar.file("index.json", index);
  tar.directory("blobs");
  tar.directory("blobs/sha256");
  tar.file("blobs/sha256/" + config_digest, config);
  tar.file("blobs/sha256/" + manifest_digest, manifest);
  tar.file("blobs/sha256/" + layer_digest, image.layer_tar);
  return tar.finish();
}

}  // namespace keelson::kubelet
