// VolumeManager: the volumes of a pod as directories on the node.
//
//   <data>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>
//
// emptyDir, hostPath, configMap, secret, downwardAPI, projected (with serviceAccountToken). What comes from
// the API is written by AtomicWriter, again at each set_up(): call it before containers start and about once
// a minute afterwards. Secrets, tokens and emptyDir of medium Memory live on tmpfs. Tokens are renewed at 80
// % of their life. Thread rule: on the kubelet's strand; file work is done on `pool`.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"
#include "client/transport.h"
#include "kubelet/environment.h"
#include "kubelet/volumes/atomic_writer.h"

namespace keelson::kubelet {

// Volume name → path on the node.
using VolumePaths = std::map<std::string, std::string>;

class VolumeManager {
 public:
  // Everything referenced outlives the manager.
  VolumeManager(std::string pods_dir, client::Transport& transport, ConfigSource& config, Clock& clock,
                Executor pool);

  // Makes all volumes present and current. The message of an error is what the FailedMount event says.
  Task<Result<VolumePaths>> set_up(api::ObjectPtr pod, PodFacts facts);
  // Unmounts and removes everything of the pod, its directory included. REQUIRES: no container of it runs.
  Task<Result<void>> tear_down(std::string pod_uid);

  std::string pod_dir(std::string_view uid) const { return pods_dir_ + "/" + std::string(uid); }

 private:
  struct Token {
    std::string text;
    WallTime renew_at;
  };
  Task<Result<std::string>> set_up_one(api::ObjectPtr pod, api::core_v1::Volume volume, PodFacts facts);
  Task<Result<std::string>> empty_dir(api::ObjectPtr pod, api::core_v1::Volume volume);
  Task<Result<std::string>> host_path(api::core_v1::HostPathVolumeSource source);
  // Adds the files of one source of a projected volume.
  Task<Result<void>> collect(api::ObjectPtr pod, api::core_v1::VolumeProjection source,
                             std::int32_t default_mode, PodFacts facts, VolumeFiles* files);
  Task<Result<void>> collect_keys(
      std::string what, std::string name, bool optional, std::string ns,
      api::List<api::StructElem<api::core_v1::KeyToPath, api::core_v1::KeyToPathMut>> items,
      std::int32_t default_mode, VolumeFiles* files);
  Task<Result<std::string>> token(api::ObjectPtr pod, api::core_v1::ServiceAccountTokenProjection source);

  const std::string pods_dir_;
  client::Transport& transport_;
  ConfigSource& config_;
  Clock& clock_;
  Executor pool_;
  std::map<std::string, Token> tokens_;  // "<uid>/<audience>/<expiry>"
};

}  // namespace keelson::kubelet
