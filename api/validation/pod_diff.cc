#include "api/validation/pod_diff.h"

#include <algorithm>
#include <vector>

#include "api/json.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;

// Order of the fields in upstream's internal types where it differs from the versioned ones.
constexpr std::string_view kPodSpecOrder[] = {
    "volumes", "initContainers", "containers", "ephemeralContainers", "restartPolicy", "terminationGracePeriodSeconds",
    "activeDeadlineSeconds", "dnsPolicy", "nodeSelector", "serviceAccountName", "automountServiceAccountToken", "nodeName",
    "securityContext", "imagePullSecrets", "hostname", "subdomain", "setHostnameAsFQDN", "affinity", "schedulerName", "tolerations",
    "hostAliases", "priorityClassName", "priority", "preemptionPolicy", "dnsConfig", "readinessGates", "runtimeClassName", "overhead",
    "enableServiceLinks", "topologySpreadConstraints", "os", "schedulingGates", "resourceClaims", "resources", "hostnameOverride"};
// These move from the spec to the head of the internal security context.
constexpr std::string_view kHostFields[] = {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"};
constexpr std::string_view kSecurityOrder[] = {
    "seLinuxOptions", "windowsOptions", "runAsUser", "runAsGroup", "runAsNonRoot", "supplementalGroups", "supplementalGroupsPolicy",
    "fsGroup", "fsGroupChangePolicy", "sysctls", "seccompProfile", "appArmorProfile", "seLinuxChangePolicy"};

// "dnsPolicy" → "DNSPolicy": the Go name of a field by its JSON name.
std::string go_name(std::string_view json) {
  static constexpr std::pair<std::string_view, std::string_view> kPrefixes[] = {
      {"dns", "DNS"}, {"tty", "TTY"}, {"http", "HTTP"}, {"tcp", "TCP"}, {"grpc", "GRPC"}, {"seLinux", "SELinux"}, {"fs", "FS"},
      {"nfs", "NFS"}, {"csi", "CSI"}, {"iscsi", "ISCSI"}, {"rbd", "RBD"}, {"api", "API"}, {"uid", "UID"}, {"gmsa", "GMSA"}};
  if (json == "os" || json == "ip" || json == "fc") return json == "os" ? "OS" : json == "ip" ? "IP" : "FC";
  for (const auto& [prefix, go] : kPrefixes) {
    if (json.starts_with(prefix) && (json.size() == prefix.size() || std::isupper(static_cast<unsigned char>(json[prefix.size()])))) {
      return std::string(go) + std::string(json.substr(prefix.size()));
    }
  }
  std::string out(json);
  if (!out.empty()) out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  return out;
}

class Printer {
 public:
  std::string pod_spec(core::PodSpec spec) {
    out_ = "{\n";
    bool first = true;
    for (const auto name : kPodSpecOrder) {
      const Field* f = core::PodSpec::type_info().find(name);
      if (f == nullptr) continue;
      begin(first, 1, go_name(name));
      if (name == "securityContext") {
        security_context(spec, 1);
      } else {
        value(*f, spec.slot(*f), 1);
      }
    }
    out_ += "\n}\n";
    return std::move(out_);
  }

 private:
  void begin(bool& first, int depth, const std::string& name) {
    if (!first) out_ += ",\n";
    first = false;
    out_.append(static_cast<std::size_t>(depth), ' ');
    out_ += "\"" + name + "\": ";
  }

  void fields(bool& first, StructRef s, const Type& type, std::span<const std::string_view> names, int depth) {
    for (const auto name : names) {
      if (const Field* f = type.find(name)) {
        begin(first, depth, go_name(name));
        value(*f, s.slot(*f), depth);
      }
    }
  }

  void security_context(core::PodSpec spec, int depth) {
    out_ += "{\n";
    bool first = true;
    fields(first, spec, core::PodSpec::type_info(), kHostFields, depth + 1);
    fields(first, spec.security_context(), core::PodSecurityContext::type_info(), kSecurityOrder, depth + 1);
    close('}', depth);
  }

  void close(char c, int depth) {
    out_ += '\n';
    out_.append(static_cast<std::size_t>(depth), ' ');
    out_ += c;
  }

  void structure(StructRef s, const Type& type, int depth) {
    out_ += "{\n";
    bool first = true;
    for (const Field& f : type.fields) {
      begin(first, depth + 1, go_name(f.name));
      value(f, s.slot(f), depth + 1);
    }
    close('}', depth);
  }

  void value(const Field& f, const Value& v, int depth) {
    if (v.absent()) {
      if (f.nullable()) {
        out_ += "null";
      } else if (f.scalar == Scalar::kStruct) {
        structure(StructRef(), *f.type, depth);
      } else {
        scalar(f, v);
      }
      return;
    }
    if (f.shape == Shape::kList) return list(f, ListRef(v.as_list()), depth);
    if (f.shape == Shape::kMap) return map(f, MapRef(v.as_map()), depth);
    single(f, v, depth);
  }

  void single(const Field& f, const Value& v, int depth) {
    if (f.scalar == Scalar::kStruct) {
      structure(StructRef(v.as_struct()), *f.type, depth);
    } else {
      scalar(f, v);
    }
  }

  void list(const Field& f, ListRef items, int depth) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += "[";
    bool first = true;
    for (const Value& item : items) {
      out_ += first ? "\n" : ",\n";
      first = false;
      out_.append(static_cast<std::size_t>(depth + 1), ' ');
      single(f, item, depth + 1);
    }
    close(']', depth);
  }

  void map(const Field& f, MapRef entries, int depth) {
    out_ += "{\n";
    bool first = true;
    for (const auto& e : entries) {
      begin(first, depth + 1, std::string(e.key()));
      single(f, e.value, depth + 1);
    }
    close('}', depth);
  }

  void scalar(const Field& f, const Value& v) {
    Field one = f;
    one.shape = Shape::kSingle;
    if (v.absent() && (f.scalar == Scalar::kString)) {
      out_ += "\"\"";
    } else if (v.absent() && f.scalar == Scalar::kBool) {
      out_ += "false";
    } else if (v.absent() && f.scalar == Scalar::kQuantity) {
      out_ += "\"0\"";
    } else if (v.absent()) {
      out_ += "0";
    } else {
      encode_json(out_, one, v);
    }
  }

  std::string out_;
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

struct Edit {
  char kind;  // ' ', '-', '+'
  std::size_t a, b;
};

// Longest common subsequence; removals before additions.
std::vector<Edit> edits(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  const std::size_t n = a.size(), m = b.size();
  std::vector<std::vector<int>> best(n + 1, std::vector<int>(m + 1, 0));
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = m; k-- > 0;) {
      best[i][k] = a[i] == b[k] ? best[i + 1][k + 1] + 1 : std::max(best[i + 1][k], best[i][k + 1]);
    }
  }
  std::vector<Edit> out;
  std::size_t i = 0, k = 0;
  while (i < n || k < m) {
    if (i < n && k < m && a[i] == b[k]) {
      out.push_back({' ', i++, k++});
    } else if (i < n && (k == m || best[i + 1][k] >= best[i][k + 1])) {
      out.push_back({'-', i++, k});
    } else {
      out.push_back({'+', i, k++});
    }
  }
  return out;
}

}  // namespace

std::string unified_diff(const std::string& a_text, const std::string& b_text, std::size_t context) {
  const auto a = lines_of(a_text), b = lines_of(b_text);
  const auto all = edits(a, b);
  std::string out;
  for (std::size_t at = 0; at < all.size();) {
    while (at < all.size() && all[at].kind == ' ') ++at;
    if (at == all.size()) break;
    const std::size_t begin = at > context ? at - context : 0;
    std::size_t end = at, quiet = 0;
    while (end < all.size() && quiet <= 2 * context) quiet = all[end++].kind == ' ' ? quiet + 1 : 0;
    end -= quiet > context ? quiet - context : 0;
    std::size_t old_lines = 0, new_lines = 0;
    std::string body;
    for (std::size_t i = begin; i < end; ++i) {
      old_lines += all[i].kind != '+';
      new_lines += all[i].kind != '-';
      body += all[i].kind;
      body += all[i].kind == '+' ? b[all[i].b] : a[all[i].a];
      body += '\n';
    }
    out += "@@ -" + std::to_string(all[begin].a + 1) + "," + std::to_string(old_lines) + " +" + std::to_string(all[begin].b + 1) + "," +
           std::to_string(new_lines) + " @@\n" + body;
    at = end;
  }
  return out;
}

std::string pod_spec_diff(core::PodSpec old, core::PodSpec now) {
  return unified_diff(Printer().pod_spec(old), Printer().pod_spec(now), 3);
}

}  // namespace keelson::api::validation
