#include <yaml-cpp/yaml.h>

#include <filesystem>

#include "base/base64.h"
#include "cmd/pki.h"

namespace keelson::cmd {
namespace {

// The entry of `list` called `name`, and in it the member `member`.
YAML::Node named(const YAML::Node& list, const std::string& name, const char* member) {
  for (const auto& entry : list) {
    if (entry["name"].as<std::string>("") == name) return entry[member];
  }
  return YAML::Node();
}

// PEM text from NAME-data (base64), or from the file that NAME tells.
Result<std::string> pem_of(const YAML::Node& node, const std::string& name, const std::filesystem::path& folder) {
  if (const auto data = node[name + "-data"]) {
    auto text = base64_decode(data.as<std::string>());
    if (!text) return fail(Code::kInvalidArgument, name + "-data is not base64");
    return *text;
  }
  if (const auto file = node[name]) return read_file((folder / file.as<std::string>()).string());
  return std::string();
}

Result<Kubeconfig> parse(const YAML::Node& doc, const std::filesystem::path& folder) {
  const auto current = doc["current-context"].as<std::string>("");
  const auto context = named(doc["contexts"], current, "context");
  if (!context || context.IsNull()) return fail(Code::kInvalidArgument, "it has no context called '" + current + "' (current-context)");
  const auto cluster = named(doc["clusters"], context["cluster"].as<std::string>(""), "cluster");
  const auto user = named(doc["users"], context["user"].as<std::string>(""), "user");
  if (!cluster || cluster.IsNull()) return fail(Code::kInvalidArgument, "the cluster of context '" + current + "' is missing");
  Kubeconfig out;
  out.server = cluster["server"].as<std::string>("");
  if (out.server.empty()) return fail(Code::kInvalidArgument, "the cluster has no server address");
  out.insecure_skip_verify = cluster["insecure-skip-tls-verify"].as<bool>(false);
  out.ca_pem = TRY(pem_of(cluster, "certificate-authority", folder));
  if (user && !user.IsNull()) {
    out.certificate_pem = TRY(pem_of(user, "client-certificate", folder));
    out.key_pem = TRY(pem_of(user, "client-key", folder));
    out.token = user["token"].as<std::string>("");
  }
  return out;
}

}  // namespace

std::string make_kubeconfig(const std::string& server_url, const std::string& ca_pem, const auth::KeyPair& client,
                            const std::string& user, const std::string& cluster) {
  std::string s = "apiVersion: v1\nkind: Config\nclusters:\n- name: " + cluster + "\n  cluster:\n    server: " + server_url +
                  "\n    certificate-authority-data: " + base64_encode(ca_pem) + "\nusers:\n- name: " + user +
                  "\n  user:\n    client-certificate-data: " + base64_encode(client.certificate_pem) +
                  "\n    client-key-data: " + base64_encode(client.key_pem) + "\ncontexts:\n- name: " + user + "@" + cluster +
                  "\n  context:\n    cluster: " + cluster + "\n    user: " + user + "\ncurrent-context: " + user + "@" + cluster + "\n";
  return s;
}

Result<Kubeconfig> load_kubeconfig(const std::string& path) {
  const auto text = TRY(read_file(path));
  try {
    auto parsed = parse(YAML::Load(text), std::filesystem::path(path).parent_path());
    if (!parsed) return fail(Code::kInvalidArgument, "kubeconfig " + path + ": " + parsed.error().message);
    return parsed;
  } catch (const YAML::Exception& e) {
    return fail(Code::kInvalidArgument, "kubeconfig " + path + ": " + e.what());
  }
}

}  // namespace keelson::cmd
