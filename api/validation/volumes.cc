#include <algorithm>
#include <set>

#include "api/gen/core_v1.h"
#include "api/validation/kinds.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;

void mode(ErrorList& errors, bool has, std::int32_t value, const Path& path) {
  if (has && (value < 0 || value > 0777)) {
    errors.push_back(field::invalid(path, value, "must be a number between 0 and 0777 (octal), both inclusive"));
  }
}

void no_backsteps(ErrorList& errors, std::string_view p, const Path& path) {
  std::string framed = "/" + std::string(p) + "/";
  if (framed.find("/../") != std::string::npos) errors.push_back(field::invalid(path, p, "must not contain '..'"));
}

void local_path(ErrorList& errors, std::string_view p, const Path& path) {
  if (p.starts_with('/')) errors.push_back(field::invalid(path, p, "must be a relative path"));
  no_backsteps(errors, p, path);
}

template <class List>
void items(ErrorList& errors, List list, const Path& path) {
  std::size_t i = 0;
  for (core::KeyToPath item : list) {
    const auto at = path.child("items").index(i++);
    required_text(errors, at.child("key"), item.key());
    required_text(errors, at.child("path"), item.path());
    local_path(errors, item.path(), at.child("path"));
    mode(errors, item.has_mode(), item.mode(), at.child("mode"));
  }
}

template <class List>
void downward_items(ErrorList& errors, List list, const Path& path) {
  for (core::DownwardAPIVolumeFile f : list) {
    required_text(errors, path.child("path"), f.path());
    local_path(errors, f.path(), path.child("path"));
    if (f.has_field_ref()) {
      fields_of_env(errors, f.field_ref(), path.child("fieldRef"), true);
      if (f.has_resource_field_ref()) {
        errors.push_back(field::invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"));
      }
    } else if (f.has_resource_field_ref()) {
      resource_field(errors, f.resource_field_ref(), path.child("resourceFieldRef"), true);
    } else {
      errors.push_back(field::required(path, "one of fieldRef and resourceFieldRef is required"));
    }
    mode(errors, f.has_mode(), f.mode(), path.child("mode"));
  }
}

void host_path(ErrorList& errors, core::HostPathVolumeSource h, const Path& path) {
  if (h.path().empty()) {
    errors.push_back(field::required(path.child("path"), ""));
    return;
  }
  no_backsteps(errors, h.path(), path.child("path"));
  if (h.has_type()) {
    one_of(errors, path.child("type"), h.type(),
           {"", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"});
  }
}

// Every path of a projected volume may come from one source only.
class ProjectedPaths {
 public:
  ProjectedPaths(ErrorList& errors, const Path& path) : errors_(errors), path_(path) {}
  void add(std::string_view p, std::string_view source) {
    if (p.empty() || seen_.insert(std::string(p)).second) return;
    errors_.push_back(field::invalid(path_, source, "conflicting duplicate paths"));
  }

 private:
  ErrorList& errors_;
  const Path& path_;
  std::set<std::string> seen_;
};

void projected(ErrorList& errors, core::ProjectedVolumeSource source, const Path& path, const PodContext& context) {
  mode(errors, source.has_default_mode(), source.default_mode(), path.child("defaultMode"));
  ProjectedPaths paths(errors, path);
  std::size_t i = 0;
  for (core::VolumeProjection p : source.sources()) {
    const auto at = path.child("sources").index(i++);
    int kinds = 0;
    const auto take = [&](const char* name) {
      if (++kinds > 1) errors.push_back(field::forbidden(at.child(name), "may not specify more than 1 volume type"));
    };
    if (p.has_secret()) {
      take("secret");
      required_text(errors, at.child("secret").child("name"), p.secret().name());
      items(errors, p.secret().items(), at.child("secret"));
      for (core::KeyToPath item : p.secret().items()) paths.add(item.path(), p.secret().name());
    }
    if (p.has_config_map()) {
      take("configMap");
      required_text(errors, at.child("configMap").child("name"), p.config_map().name());
      items(errors, p.config_map().items(), at.child("configMap"));
      for (core::KeyToPath item : p.config_map().items()) paths.add(item.path(), p.config_map().name());
    }
    if (p.has_downward_api()) {
      take("downwardAPI");
      downward_items(errors, p.downward_api().items(), at.child("downwardAPI"));
      for (core::DownwardAPIVolumeFile f : p.downward_api().items()) paths.add(f.path(), f.path());
    }
    if (p.has_service_account_token()) {
      take("serviceAccountToken");
      const auto t = p.service_account_token();
      const auto token = at.child("serviceAccountToken");
      const auto expiry = token.child("expirationSeconds");
      if (t.expiration_seconds() < 600) {
        errors.push_back(field::invalid(expiry, t.expiration_seconds(), "may not specify a duration less than 10 minutes"));
      } else if (t.expiration_seconds() > (std::int64_t{1} << 32)) {
        errors.push_back(field::invalid(expiry, t.expiration_seconds(), "may not specify a duration larger than 2^32 seconds"));
      }
      if (t.path().empty()) {
        errors.push_back(field::required(path.child("path"), ""));
      } else {
        local_path(errors, t.path(), path.child("path"));
        paths.add(t.path(), t.path());
      }
      if (!context.is_template && context.service_account.empty()) {
        errors.push_back(field::forbidden(token, "must not be specified when serviceAccountName is not set"));
      }
    }
  }
}

void iscsi(ErrorList& errors, core::ISCSIVolumeSource s, const Path& path) {
  required_text(errors, path.child("targetPortal"), s.target_portal());
  if (s.iqn().empty()) {
    errors.push_back(field::required(path.child("iqn"), ""));
  } else if (!s.iqn().starts_with("iqn.") && !s.iqn().starts_with("eui.") && !s.iqn().starts_with("naa.")) {
    errors.push_back(field::invalid(path.child("iqn"), s.iqn(), "must be valid format starting with iqn, eui, or naa"));
  }
  if (s.lun() < 0 || s.lun() > 255) errors.push_back(field::invalid(path.child("lun"), s.lun(), "must be between 0 and 255, inclusive"));
}

// Counts volume types in upstream's order; the second and further ones are forbidden and not looked into.
class Sources {
 public:
  Sources(ErrorList& errors, const Path& path) : errors_(errors), path_(path) {}
  void take(bool has, const char* name, auto check) {
    if (!has) return;
    if (++count_ > 1) {
      errors_.push_back(field::forbidden(path_.child(name), "may not specify more than 1 volume type"));
    } else {
      check(path_.child(name));
    }
  }
  void finish() {
    if (count_ == 0) errors_.push_back(field::required(path_, "must specify a volume type"));
  }

 private:
  ErrorList& errors_;
  const Path& path_;
  int count_ = 0;
};

void source(ErrorList& errors, core::Volume v, const Path& path, const PodContext& context) {
  Sources s(errors, path);
  s.take(v.has_empty_dir(), "emptyDir", [&](const Path& p) {
    if (v.empty_dir().has_size_limit() && v.empty_dir().size_limit().sign() < 0) {
      errors.push_back(field::forbidden(p.child("sizeLimit"), "SizeLimit field must be a valid resource quantity"));
    }
  });
  s.take(v.has_host_path(), "hostPath", [&](const Path& p) { host_path(errors, v.host_path(), p); });
  s.take(v.has_git_repo(), "gitRepo", [&](const Path& p) {
    required_text(errors, p.child("repository"), v.git_repo().repository());
    no_backsteps(errors, v.git_repo().directory(), p.child("directory"));
  });
  s.take(v.has_gce_persistent_disk(), "gcePersistentDisk", [&](const Path& p) { required_text(errors, p.child("pdName"), v.gce_persistent_disk().pd_name()); });
  s.take(v.has_aws_elastic_block_store(), "awsElasticBlockStore", [&](const Path& p) { required_text(errors, p.child("volumeID"), v.aws_elastic_block_store().volume_id()); });
  s.take(v.has_secret(), "secret", [&](const Path& p) {
    required_text(errors, p.child("secretName"), v.secret().secret_name());
    mode(errors, v.secret().has_default_mode(), v.secret().default_mode(), p.child("defaultMode"));
    items(errors, v.secret().items(), p);
  });
  s.take(v.has_nfs(), "nfs", [&](const Path& p) {
    required_text(errors, p.child("server"), v.nfs().server());
    required_text(errors, p.child("path"), v.nfs().path());
    if (!v.nfs().path().starts_with('/')) errors.push_back(field::invalid(p.child("path"), v.nfs().path(), "must be an absolute path"));
  });
  s.take(v.has_iscsi(), "iscsi", [&](const Path& p) { iscsi(errors, v.iscsi(), p); });
  s.take(v.has_glusterfs(), "glusterfs", [&](const Path& p) {
    required_text(errors, p.child("endpoints"), v.glusterfs().endpoints());
    required_text(errors, p.child("path"), v.glusterfs().path());
  });
  s.take(v.has_persistent_volume_claim(), "persistentVolumeClaim", [&](const Path& p) {
    required_text(errors, p.child("claimName"), v.persistent_volume_claim().claim_name());
  });
  s.take(v.has_downward_api(), "downwardAPI", [&](const Path& p) {
    mode(errors, v.downward_api().has_default_mode(), v.downward_api().default_mode(), p.child("defaultMode"));
    downward_items(errors, v.downward_api().items(), p);
  });
  s.take(v.has_config_map(), "configMap", [&](const Path& p) {
    required_text(errors, p.child("name"), v.config_map().name());
    mode(errors, v.config_map().has_default_mode(), v.config_map().default_mode(), p.child("defaultMode"));
    items(errors, v.config_map().items(), p);
  });
  s.take(v.has_projected(), "projected", [&](const Path& p) { projected(errors, v.projected(), p, context); });
  s.take(v.has_csi(), "csi", [&](const Path& p) { required_text(errors, p.child("driver"), v.csi().driver()); });
  s.take(v.has_ephemeral(), "ephemeral", [&](const Path& p) {
    if (!v.ephemeral().has_volume_claim_template()) errors.push_back(field::required(p.child("volumeClaimTemplate"), ""));
  });
  s.take(v.has_image(), "image", [&](const Path& p) {
    required_text(errors, p.child("reference"), v.image().reference());
    one_of(errors, p.child("pullPolicy"), v.image().pull_policy(), {"Always", "IfNotPresent", "Never"});
  });
  // The rest of the drivers are taken as they are.
  static constexpr const char* kOthers[] = {"flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "azureDisk", "rbd", "quobyte",
                                            "vsphereVolume", "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos"};
  for (const char* name : kOthers) s.take(!v.find(name).absent(), name, [](const Path&) {});
  s.finish();
}

}  // namespace

bool volume_is_valid(core::Volume volume, const PodContext& context) {
  ErrorList errors;
  source(errors, volume, Path(), context);
  return errors.empty() && !volume.name().empty() && dns1123_label(volume.name()).empty();
}

void volumes(ErrorList& errors, core::PodSpec spec, const Path& path, const PodContext& context) {
  std::set<std::string_view> names;
  std::size_t i = 0;
  for (core::Volume v : spec.volumes()) {
    const auto at = path.child("volumes").index(i++);
    source(errors, v, at, context);
    if (v.name().empty()) {
      errors.push_back(field::required(at.child("name"), ""));
      continue;
    }
    const auto bad = dns1123_label(v.name());
    add_invalid(errors, at.child("name"), v.name(), bad);
    if (bad.empty() && !names.insert(v.name()).second) errors.push_back(field::duplicate(at.child("name"), v.name()));
  }
}

}  // namespace keelson::api::validation
