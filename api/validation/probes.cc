#include <algorithm>
#include <array>

#include "api/gen/core_v1.h"
#include "api/validation/kinds.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;

void port(ErrorList& errors, IntOrString p, const Path& path) {
  if (p.is_int) {
    for (const auto& m : port_number(p.number)) errors.push_back(field::invalid(path, p.number, m));
  } else {
    add_invalid(errors, path, p.text, port_name(p.text));
  }
}

void exec(ErrorList& errors, core::ExecAction e, const Path& path) {
  if (e.command().empty()) errors.push_back(field::required(path.child("command"), ""));
}

void http_get(ErrorList& errors, core::HTTPGetAction h, const Path& path) {
  if (h.path().empty()) errors.push_back(field::required(path.child("path"), ""));
  port(errors, h.port(), path.child("port"));
  one_of(errors, path.child("scheme"), h.scheme(), {"HTTP", "HTTPS"});
  for (core::HTTPHeader header : h.http_headers()) {
    add_invalid(errors, path.child("httpHeaders"), header.name(), http_header_name(header.name()));
  }
}

// Counts handlers; every one after the first is forbidden.
class Handlers {
 public:
  Handlers(ErrorList& errors, const Path& path) : errors_(errors), path_(path) {}
  void take(bool has, const char* name, auto check) {
    if (!has) return;
    if (++count_ > 1) {
      errors_.push_back(field::forbidden(path_.child(name), "may not specify more than 1 handler type"));
    } else {
      check(path_.child(name));
    }
  }
  void finish() {
    if (count_ == 0) errors_.push_back(field::required(path_, "must specify a handler type"));
  }

 private:
  ErrorList& errors_;
  const Path& path_;
  int count_ = 0;
};

void lifecycle_handler(ErrorList& errors, core::LifecycleHandler h, const Path& path, std::int64_t grace) {
  if (!h) return;
  Handlers handlers(errors, path);
  handlers.take(h.has_exec(), "exec", [&](const Path& p) { exec(errors, h.exec(), p); });
  handlers.take(h.has_http_get(), "httpGet", [&](const Path& p) { http_get(errors, h.http_get(), p); });
  handlers.take(h.has_tcp_socket(), "tcpSocket", [&](const Path& p) { port(errors, h.tcp_socket().port(), p.child("port")); });
  handlers.take(h.has_sleep(), "sleep", [&](const Path& p) {
    const auto seconds = h.sleep().seconds();
    if (seconds < 0 || seconds > grace) {
      errors.push_back(field::invalid(p, seconds, "must be non-negative and less than terminationGracePeriodSeconds (" + std::to_string(grace) + ")"));
    }
  });
  handlers.finish();
}

}  // namespace

void probe(ErrorList& errors, core::Probe p, const Path& path) {
  if (!p) return;
  Handlers handlers(errors, path);
  handlers.take(p.has_exec(), "exec", [&](const Path& at) { exec(errors, p.exec(), at); });
  handlers.take(p.has_http_get(), "httpGet", [&](const Path& at) { http_get(errors, p.http_get(), at); });
  handlers.take(p.has_tcp_socket(), "tcpSocket", [&](const Path& at) { port(errors, p.tcp_socket().port(), at.child("port")); });
  handlers.take(p.has_grpc(), "grpc", [&](const Path& at) {
    for (const auto& m : port_number(p.grpc().port())) errors.push_back(field::invalid(at.child("port"), p.grpc().port(), m));
  });
  handlers.finish();
  non_negative(errors, path.child("initialDelaySeconds"), p.initial_delay_seconds());
  non_negative(errors, path.child("timeoutSeconds"), p.timeout_seconds());
  non_negative(errors, path.child("periodSeconds"), p.period_seconds());
  non_negative(errors, path.child("successThreshold"), p.success_threshold());
  non_negative(errors, path.child("failureThreshold"), p.failure_threshold());
  if (p.has_termination_grace_period_seconds() && p.termination_grace_period_seconds() <= 0) {
    errors.push_back(field::invalid(path.child("terminationGracePeriodSeconds"), p.termination_grace_period_seconds(), "must be greater than 0"));
  }
}

void lifecycle(ErrorList& errors, core::Lifecycle l, const Path& path, std::int64_t grace_period) {
  if (!l) return;
  if (l.has_post_start()) lifecycle_handler(errors, l.post_start(), path.child("postStart"), grace_period);
  if (l.has_pre_stop()) lifecycle_handler(errors, l.pre_stop(), path.child("preStop"), grace_period);
}

void fields_of_env(ErrorList& errors, core::ObjectFieldSelector ref, const Path& path, bool for_volume) {
  if (ref.api_version().empty()) {
    errors.push_back(field::required(path.child("apiVersion"), ""));
    return;
  }
  if (ref.field_path().empty()) {
    errors.push_back(field::required(path.child("fieldPath"), ""));
    return;
  }
  static constexpr std::string_view kEnv[] = {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
                                              "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP",
                                              "status.podIPs"};
  static constexpr std::string_view kVolume[] = {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace",
                                                 "metadata.uid"};
  const auto p = ref.field_path();
  const auto at = path.child("fieldPath");
  const auto bracket = p.find("['");
  if (bracket != std::string_view::npos && p.ends_with("']")) {
    const auto base = p.substr(0, bracket);
    const auto key = p.substr(bracket + 2, p.size() - bracket - 4);
    if (base == "metadata.annotations" || base == "metadata.labels") {
      add_invalid(errors, at, key, qualified_name(key));
      return;
    }
    errors.push_back(field::invalid(at, p, std::string(base) + " does not support subscript"));
    return;
  }
  const bool convertible = std::ranges::find(kEnv, p) != std::end(kEnv) || std::ranges::find(kVolume, p) != std::end(kVolume) ||
                           p == "spec.restartPolicy" || p == "spec.schedulerName" || p == "spec.hostNetwork" || p == "status.phase" ||
                           p == "status.nominatedNodeName";
  if (!convertible) {
    errors.push_back(field::invalid(at, p, "error converting fieldPath: field label not supported: " + std::string(p)));
    return;
  }
  const std::span<const std::string_view> allowed = for_volume ? std::span<const std::string_view>(kVolume) : kEnv;
  if (std::ranges::find(allowed, p) == allowed.end()) errors.push_back(field::not_supported(at, p, allowed));
}

void resource_field(ErrorList& errors, core::ResourceFieldSelector ref, const Path& path, bool for_volume) {
  if (for_volume && ref.container_name().empty()) {
    errors.push_back(field::required(path.child("containerName"), ""));
    return;
  }
  if (ref.resource().empty()) {
    errors.push_back(field::required(path.child("resource"), ""));
    return;
  }
  const auto r = ref.resource();
  if (r.starts_with("limits.hugepages-") || r.starts_with("requests.hugepages-")) return;
  one_of(errors, path.child("resource"), r,
         {"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"});
  const auto divisor = ref.divisor();
  static constexpr std::string_view kCpu[] = {"0", "1", "1m"};
  static constexpr std::string_view kBytes[] = {"0", "1", "1E", "1Ei", "1G", "1Gi", "1K", "1Ki", "1M", "1Mi", "1P", "1Pi", "1T", "1Ti"};
  const std::string text = divisor.text();
  if (r.ends_with(".cpu") && std::ranges::find(kCpu, text) == std::end(kCpu)) {
    errors.push_back(field::invalid(path.child("divisor"), text, "only divisor's values 1m and 1 are supported with the cpu resource"));
  }
  if ((r.ends_with(".memory") || r.ends_with("-storage")) && text != "1k" && std::ranges::find(kBytes, text) == std::end(kBytes)) {
    errors.push_back(field::invalid(path.child("divisor"), text,
                                    "only divisor's values 1, 1K, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the " +
                                        std::string(r.ends_with(".memory") ? "memory" : "local ephemeral storage") + " resource"));
  }
}

}  // namespace keelson::api::validation
