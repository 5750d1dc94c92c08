#include "kubelet/environment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace keelson::kubelet {
namespace {

using namespace api::core_v1;

std::string upper_name(std::string_view service) {
  std::string out;
  for (char c : service)
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

void add_service(Variables& out, Service service) {
  const std::string prefix = upper_name(service.metadata().name());
  const std::string ip(service.spec().cluster_ip());
  bool first = true;
  for (ServicePort port : service.spec().ports()) {
    std::string protocol(port.protocol().empty() ? "TCP" : port.protocol());
    std::string lower = protocol;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    const std::string number = std::to_string(port.port());
    const std::string host = ip.find(':') == std::string::npos ? ip : "[" + ip + "]";
    const std::string url = fmt::format("{}://{}:{}", lower, host, number);
    if (first) {
      out[prefix + "_SERVICE_HOST"] = ip;
      out[prefix + "_SERVICE_PORT"] = number;
      out[prefix + "_PORT"] = url;
      first = false;
    }
    if (!port.name().empty()) out[prefix + "_SERVICE_PORT_" + upper_name(port.name())] = number;
    const std::string stem = fmt::format("{}_PORT_{}_{}", prefix, number, protocol);
    out[stem] = url;
    out[stem + "_PROTO"] = lower;
    out[stem + "_PORT"] = number;
    out[stem + "_ADDR"] = ip;
  }
}

std::string map_text(api::Map<api::StringElem> map) {
  std::string out;
  for (auto [k, v] : map) {
    if (!out.empty()) out += '\n';
    std::string value;
    for (char c : v) {
      if (c == '"' || c == '\\') value += '\\';
      value += c == '\n' ? std::string("\\n") : std::string(1, c);
    }
    out += fmt::format("{}=\"{}\"", k, value);
  }
  return out;
}

Container find_container(Pod pod, std::string_view name) {
  for (Container c : pod.spec().containers()) {
    if (c.name() == name) return c;
  }
  for (Container c : pod.spec().init_containers()) {
    if (c.name() == name) return c;
  }
  return Container();
}

bool is_variable_name(std::string_view s) {
  if (s.empty() || s == "." || s == "..") return false;
  return std::all_of(s.begin(), s.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f && c != '='; });
}

// The keys of a ConfigMap or Secret as variables.
template <class Data>
void add_data(Variables& out, std::string_view prefix, Data data) {
  for (auto [k, v] : data) {
    std::string name = std::string(prefix) + std::string(k);
    if (is_variable_name(name)) out[std::move(name)] = std::string(v);
  }
}

}  // namespace

Variables service_variables(const std::vector<api::ObjectPtr>& services, std::string_view ns,
                            bool service_links) {
  Variables out;
  for (const auto& object : services) {
    const Service s = Service::of(*object);
    const std::string_view ip = s.spec().cluster_ip();
    if (ip.empty() || ip == "None") continue;
    const bool master = s.metadata().namespace_() == "default" && s.metadata().name() == "kubernetes";
    if (master || (service_links && s.metadata().namespace_() == ns)) add_service(out, s);
  }
  return out;
}

Result<std::string> field_value(Pod pod, const PodFacts& facts, std::string_view path) {
  const auto meta = pod.metadata();
  const auto in_brackets = [&](std::string_view stem) -> std::optional<std::string_view> {
    if (!path.starts_with(stem) || path.size() < stem.size() + 4 || !path.ends_with("']"))
      return std::nullopt;
    if (path.substr(stem.size(), 2) != "['") return std::nullopt;
    return path.substr(stem.size() + 2, path.size() - stem.size() - 4);
  };
  if (auto key = in_brackets("metadata.labels")) return std::string(meta.labels().get(*key));
  if (auto key = in_brackets("metadata.annotations")) return std::string(meta.annotations().get(*key));
  if (path == "metadata.name") return std::string(meta.name());
  if (path == "metadata.namespace") return std::string(meta.namespace_());
  if (path == "metadata.uid") return std::string(meta.uid());
  if (path == "metadata.labels") return map_text(meta.labels());
  if (path == "metadata.annotations") return map_text(meta.annotations());
  if (path == "spec.nodeName") return facts.node_name;
  if (path == "spec.serviceAccountName") return std::string(pod.spec().service_account_name());
  if (path == "status.hostIP" || path == "status.hostIPs") return facts.host_ip;
  if (path == "status.podIP") return facts.pod_ips.empty() ? "" : facts.pod_ips[0];
  if (path == "status.podIPs") return fmt::format("{}", fmt::join(facts.pod_ips, ","));
  return fail(Code::kInvalidArgument, fmt::format("unsupported fieldPath: {}", path));
}

Result<std::string> resource_value(Pod pod, std::string_view default_container, const PodFacts& facts,
                                   ResourceFieldSelector selector) {
  const std::string_view name =
      selector.container_name().empty() ? default_container : selector.container_name();
  const Container c = find_container(pod, name);
  if (!c) return fail(Code::kInvalidArgument, fmt::format("container {} not found", name));
  const std::string_view resource = selector.resource();
  const bool limit = resource.starts_with("limits.");
  if (!limit && !resource.starts_with("requests.")) {
    return fail(Code::kInvalidArgument, fmt::format("unsupported container resource : {}", resource));
  }
  const std::string_view what = resource.substr(resource.find('.') + 1);
  const auto amounts = limit ? c.resources().limits() : c.resources().requests();
  const bool cpu = what == "cpu";
  std::int64_t milli = cpu ? amounts.get("cpu").milli_value() : 0;
  std::int64_t value = cpu ? 0 : amounts.get(what).value();
  if (limit && !amounts.contains(what)) {
    milli = facts.node_cpu_milli;
    value = what == "memory" ? facts.node_memory : facts.node_ephemeral_storage;
  }
  if (cpu) {
    std::int64_t divisor = selector.divisor().milli_value();
    if (divisor <= 0) divisor = 1000;
    return std::to_string((milli + divisor - 1) / divisor);
  }
  std::int64_t divisor = selector.divisor().value();
  if (divisor <= 0) divisor = 1;
  return std::to_string((value + divisor - 1) / divisor);
}

namespace {

Task<Result<void>> add_env_from(Pod pod, EnvFromSource from, ConfigSource* config, Variables* out) {
  const std::string ns(pod.metadata().namespace_());
  if (from.has_config_map_ref()) {
    const std::string name(from.config_map_ref().name());
    auto object = CO_TRY(co_await config->config_map(ns, name));
    if (object) {
      add_data(*out, from.prefix(), ConfigMap::of(*object).data_());
    } else if (!from.config_map_ref().optional()) {
      co_return fail(Code::kNotFound, fmt::format("configmap \"{}\" not found", name));
    }
  }
  if (from.has_secret_ref()) {
    const std::string name(from.secret_ref().name());
    auto object = CO_TRY(co_await config->secret(ns, name));
    if (object) {
      add_data(*out, from.prefix(), Secret::of(*object).data_());
    } else if (!from.secret_ref().optional()) {
      co_return fail(Code::kNotFound, fmt::format("secret \"{}\" not found", name));
    }
  }
  co_return Result<void>{};
}

// nullopt: an optional reference to something that is not there; the variable is left out.
Task<Result<std::optional<std::string>>> value_from(Pod pod, Container container, EnvVarSource from,
                                                    const PodFacts* facts, ConfigSource* config) {
  const std::string ns(pod.metadata().namespace_());
  if (from.has_field_ref()) co_return CO_TRY(field_value(pod, *facts, from.field_ref().field_path()));
  if (from.has_resource_field_ref()) {
    co_return CO_TRY(resource_value(pod, container.name(), *facts, from.resource_field_ref()));
  }
  if (from.has_config_map_key_ref()) {
    const auto ref = from.config_map_key_ref();
    auto object = CO_TRY(co_await config->config_map(ns, std::string(ref.name())));
    if (!object && ref.optional()) co_return std::nullopt;
    if (!object) co_return fail(Code::kNotFound, fmt::format("configmap \"{}\" not found", ref.name()));
    if (auto v = ConfigMap::of(*object).data_().find(ref.key())) co_return std::string(*v);
    if (ref.optional()) co_return std::nullopt;
    co_return fail(Code::kNotFound,
                   fmt::format("couldn't find key {} in ConfigMap {}/{}", ref.key(), ns, ref.name()));
  }
  if (from.has_secret_key_ref()) {
    const auto ref = from.secret_key_ref();
    auto object = CO_TRY(co_await config->secret(ns, std::string(ref.name())));
    if (!object && ref.optional()) co_return std::nullopt;
    if (!object) co_return fail(Code::kNotFound, fmt::format("secret \"{}\" not found", ref.name()));
    if (auto v = Secret::of(*object).data_().find(ref.key())) co_return std::string(*v);
    if (ref.optional()) co_return std::nullopt;
    co_return fail(Code::kNotFound,
                   fmt::format("couldn't find key {} in Secret {}/{}", ref.key(), ns, ref.name()));
  }
  co_return std::nullopt;
}

}  // namespace

Task<Result<std::vector<cri::KeyValue>>> container_environment(Pod pod, Container container, PodFacts facts,
                                                               Variables services, ConfigSource* config) {
  Variables result;  // of envFrom and env; `seen` adds the services below them
  for (EnvFromSource from : container.env_from()) CO_TRY(co_await add_env_from(pod, from, config, &result));
  Variables seen = services;
  for (const auto& [k, v] : result) seen[k] = v;
  for (EnvVar var : container.env()) {
    std::string value;
    if (var.has_value_from()) {
      auto v = CO_TRY(co_await value_from(pod, container, var.value_from(), &facts, config));
      if (!v) continue;
      value = std::move(*v);
    } else {
      value = expand_variables(var.value(), seen);
    }
    const std::string name(var.name());
    seen[name] = value;
    result[name] = std::move(value);
  }
  for (const auto& [k, v] : services) result.try_emplace(k, v);
  std::vector<cri::KeyValue> out;
  for (auto& [k, v] : result) out.push_back({k, std::move(v)});
  co_return out;
}

}  // namespace keelson::kubelet
