#include "kubelet/volumes/volume_manager.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/gen/authentication_v1.h"
#include "api/object.h"
#include "kubelet/blocking.h"
#include "kubelet/files.h"

namespace keelson::kubelet {
namespace {

using namespace api::core_v1;

bool is_mount_point(const std::string& path) {
  struct stat self, parent;
  return stat(path.c_str(), &self) == 0 && stat((path + "/..").c_str(), &parent) == 0 &&
         self.st_dev != parent.st_dev;
}

Result<void> mount_tmpfs(const std::string& path, std::int64_t size) {
  TRY(make_directories(path));
  if (is_mount_point(path)) return {};
  const std::string options = size > 0 ? fmt::format("size={}", size) : "";
  if (mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return fail(errno_error("mount tmpfs on", path));
  }
  return {};
}

std::optional<std::int64_t> fs_group(Pod pod) {
  const auto sc = pod.spec().security_context();
  return sc.has_fs_group() ? std::optional<std::int64_t>(sc.fs_group()) : std::nullopt;
}

Result<std::string> check_host_path(const std::string& path, const std::string& type) {
  struct stat st;
  const bool there = stat(path.c_str(), &st) == 0;
  if (type.empty()) return path;
  if (type == "DirectoryOrCreate" && !there) {
    TRY(make_directories(path));
    return path;
  }
  if (type == "FileOrCreate" && !there) {
    TRY(write_file(path, "", 0644));
    return path;
  }
  struct Rule {
    const char *type, *text;
    mode_t mode;
  };
  for (const Rule& rule :
       {Rule{"Directory", "a directory", S_IFDIR}, Rule{"File", "a file", S_IFREG},
        Rule{"Socket", "a socket file", S_IFSOCK}, Rule{"CharDevice", "a character device", S_IFCHR},
        Rule{"BlockDevice", "a block device", S_IFBLK}}) {
    if (type.starts_with(rule.type) && (!there || (st.st_mode & S_IFMT) != rule.mode)) {
      return fail(Code::kFailedPrecondition,
                  fmt::format("hostPath type check failed: {} is not {}", path, rule.text));
    }
  }
  return path;
}

}  // namespace

VolumeManager::VolumeManager(std::string pods_dir, client::Transport& transport, ConfigSource& config,
                             Clock& clock, Executor pool)
    : pods_dir_(std::move(pods_dir)), transport_(transport), config_(config), clock_(clock), pool_(pool) {}

Task<Result<VolumePaths>> VolumeManager::set_up(api::ObjectPtr pod, PodFacts facts) {
  VolumePaths paths;
  for (Volume v : Pod::of(*pod).spec().volumes()) {
    auto path = co_await set_up_one(pod, v, facts);
    if (!path) {
      co_return fail(path.error().code, fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}",
                                                    v.name(), path.error().message));
    }
    paths[std::string(v.name())] = std::move(*path);
  }
  co_return paths;
}

Task<Result<std::string>> VolumeManager::set_up_one(api::ObjectPtr pod, Volume volume, PodFacts facts) {
  if (volume.has_host_path()) co_return co_await host_path(volume.host_path());
  const Pod p = Pod::of(*pod);
  const std::string ns(p.metadata().namespace_());
  VolumeFiles files;
  const char* plugin = nullptr;
  bool memory = false;
  if (volume.has_config_map()) {
    plugin = "configmap";
    const auto s = volume.config_map();
    CO_TRY(co_await collect_keys("configmap", std::string(s.name()), s.optional(), ns, s.items(),
                                 s.default_mode_or(0644), &files));
  } else if (volume.has_secret()) {
    plugin = "secret";
    memory = true;
    const auto s = volume.secret();
    CO_TRY(co_await collect_keys("secret", std::string(s.secret_name()), s.optional(), ns, s.items(),
                                 s.default_mode_or(0644), &files));
  } else if (volume.has_downward_api()) {
    plugin = "downward-api";
    for (DownwardAPIVolumeFile f : volume.downward_api().items()) {
      const auto mode = static_cast<unsigned>(f.mode_or(volume.downward_api().default_mode_or(0644)));
      auto value = f.has_resource_field_ref() ? resource_value(p, "", facts, f.resource_field_ref())
                                              : field_value(p, facts, f.field_ref().field_path());
      files[std::string(f.path())] = {CO_TRY(std::move(value)), mode};
    }
  } else if (volume.has_projected()) {
    plugin = "projected";
    memory = true;
    for (VolumeProjection source : volume.projected().sources()) {
      CO_TRY(co_await collect(pod, source, volume.projected().default_mode_or(0644), facts, &files));
    }
  } else if (volume.has_empty_dir()) {
    co_return co_await empty_dir(pod, volume);
  } else {
    co_return fail(Code::kUnimplemented, "this kind of volume is not supported by this kubelet");
  }
  const std::string dir =
      fmt::format("{}/volumes/kubernetes.io~{}/{}", pod_dir(p.metadata().uid()), plugin, volume.name());
  auto write = [dir, files, memory, now = clock_.wall(), group = fs_group(p)]() -> Result<std::string> {
    if (memory) TRY(mount_tmpfs(dir, 0));
    TRY(write_volume(dir, files, now, group));
    return dir;
  };
  co_return co_await run_blocking(pool_, std::move(write));
}

Task<Result<std::string>> VolumeManager::empty_dir(api::ObjectPtr pod, Volume volume) {
  const Pod p = Pod::of(*pod);
  const auto source = volume.empty_dir();
  const std::string dir =
      fmt::format("{}/volumes/kubernetes.io~empty-dir/{}", pod_dir(p.metadata().uid()), volume.name());
  auto make = [dir, memory = source.medium() == "Memory", size = source.size_limit().value(),
               group = fs_group(p)]() -> Result<std::string> {
    if (memory) {
      TRY(mount_tmpfs(dir, size));
    } else {
      TRY(make_directories(dir));
    }
    mode_t mode = 0777;
    if (group) {
      if (chown(dir.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(*group)) != 0) {
        return fail(errno_error("chown", dir));
      }
      mode |= S_ISGID;
    }
    if (chmod(dir.c_str(), mode) != 0) return fail(errno_error("chmod", dir));
    return dir;
  };
  co_return co_await run_blocking(pool_, std::move(make));
}

Task<Result<std::string>> VolumeManager::host_path(HostPathVolumeSource source) {
  co_return co_await run_blocking(pool_,
                                  [path = std::string(source.path()), type = std::string(source.type())] {
                                    return check_host_path(path, type);
                                  });
}

Task<Result<void>> VolumeManager::collect_keys(std::string what, std::string name, bool optional,
                                               std::string ns,
                                               api::List<api::StructElem<KeyToPath, KeyToPathMut>> items,
                                               std::int32_t default_mode, VolumeFiles* files) {
  const bool secret = what == "secret";
  api::ObjectPtr object;
  if (secret) {
    object = CO_TRY(co_await config_.secret(ns, name));
  } else {
    object = CO_TRY(co_await config_.config_map(ns, name));
  }
  if (!object) {
    if (optional) co_return Result<void>{};
    co_return fail(Code::kNotFound, fmt::format("{} \"{}\" not found", what, name));
  }
  std::map<std::string, std::string_view> data;
  if (secret) {
    for (auto [k, v] : Secret::of(*object).data_()) data[std::string(k)] = v;
  } else {
    for (auto [k, v] : ConfigMap::of(*object).data_()) data[std::string(k)] = v;
    for (auto [k, v] : ConfigMap::of(*object).binary_data()) data[std::string(k)] = v;
  }
  if (items.empty()) {
    for (const auto& [k, v] : data) (*files)[k] = {std::string(v), static_cast<unsigned>(default_mode)};
    co_return Result<void>{};
  }
  for (KeyToPath item : items) {
    auto it = data.find(std::string(item.key()));
    if (it != data.end()) {
      (*files)[std::string(item.path())] = {std::string(it->second),
                                            static_cast<unsigned>(item.mode_or(default_mode))};
    } else if (!optional) {
      co_return fail(Code::kNotFound, fmt::format("{} references non-existent {} key: {}", what,
                                                  secret ? "secret" : "config", item.key()));
    }
  }
  co_return Result<void>{};
}

Task<Result<void>> VolumeManager::collect(api::ObjectPtr pod, VolumeProjection source,
                                          std::int32_t default_mode, PodFacts facts, VolumeFiles* files) {
  const Pod p = Pod::of(*pod);
  const std::string ns(p.metadata().namespace_());
  if (source.has_config_map()) {
    const auto s = source.config_map();
    co_return co_await collect_keys("configmap", std::string(s.name()), s.optional(), ns, s.items(),
                                    default_mode, files);
  }
  if (source.has_secret()) {
    const auto s = source.secret();
    co_return co_await collect_keys("secret", std::string(s.name()), s.optional(), ns, s.items(),
                                    default_mode, files);
  }
  if (source.has_downward_api()) {
    for (DownwardAPIVolumeFile f : source.downward_api().items()) {
      auto value = f.has_resource_field_ref() ? resource_value(p, "", facts, f.resource_field_ref())
                                              : field_value(p, facts, f.field_ref().field_path());
      (*files)[std::string(f.path())] = {CO_TRY(std::move(value)),
                                         static_cast<unsigned>(f.mode_or(default_mode))};
    }
  }
  if (source.has_service_account_token()) {
    const auto s = source.service_account_token();
    const bool grouped = p.spec().security_context().has_fs_group();
    (*files)[std::string(s.path())] = {CO_TRY(co_await token(pod, s)),
                                       grouped ? 0600u : static_cast<unsigned>(default_mode)};
  }
  co_return Result<void>{};
}

Task<Result<std::string>> VolumeManager::token(api::ObjectPtr pod, ServiceAccountTokenProjection source) {
  const Pod p = Pod::of(*pod);
  const std::int64_t seconds = source.expiration_seconds_or(3600);
  const std::string key = fmt::format("{}/{}/{}", p.metadata().uid(), source.audience(), seconds);
  if (auto it = tokens_.find(key); it != tokens_.end() && clock_.wall() < it->second.renew_at)
    co_return it->second.text;

  using namespace api::authentication_v1;
  auto request = api::Object::make(TokenRequest::kind_info());
  auto r = TokenRequestMut::of(*request);
  const std::string account(p.spec().service_account_name().empty() ? "default"
                                                                    : p.spec().service_account_name());
  r.mutable_metadata().set_name(account);
  r.mutable_metadata().set_namespace(p.metadata().namespace_());
  if (!source.audience().empty()) r.mutable_spec().mutable_audiences().add(source.audience());
  r.mutable_spec().set_expiration_seconds(seconds);
  auto bound = r.mutable_spec().mutable_bound_object_ref();
  bound.set_api_version("v1");
  bound.set_kind("Pod");
  bound.set_name(p.metadata().name());
  bound.set_uid(p.metadata().uid());
  client::WriteOptions options;
  options.subresource = "token";
  auto answer =
      co_await transport_.create(ServiceAccount::kind_info(), std::string(p.metadata().namespace_()),
                                 api::freeze(std::move(request)), options);
  if (!answer) {
    co_return fail(answer.error().code, fmt::format("failed to fetch token: {}", answer.error().message));
  }
  const auto status = TokenRequest::of(**answer).status();
  const WallTime expires = status.expiration_timestamp().wall();
  const Duration life = expires - clock_.wall();
  Token& t = tokens_[key];
  t.text = std::string(status.token());
  t.renew_at = clock_.wall() + std::min<Duration>(life / 5 * 4, std::chrono::hours(24));
  co_return t.text;
}

Task<Result<void>> VolumeManager::tear_down(std::string pod_uid) {
  for (auto it = tokens_.lower_bound(pod_uid + "/");
       it != tokens_.end() && it->first.starts_with(pod_uid + "/");) {
    it = tokens_.erase(it);
  }
  co_return co_await run_blocking(pool_, [dir = pod_dir(pod_uid)]() -> Result<void> {
    if (access(dir.c_str(), F_OK) != 0) return {};
    TRY(unmount_below(dir));
    return remove_tree(dir);
  });
}

}  // namespace keelson::kubelet
