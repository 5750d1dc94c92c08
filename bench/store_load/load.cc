#include "bench/store_load/load.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace keelson::bench {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

double Latencies::quantile(double q) {
  if (ns_.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(ns_.size() - 1));
  std::ranges::nth_element(ns_, ns_.begin() + at);
  return static_cast<double>(ns_[static_cast<std::size_t>(at)]) / 1000;
}

Load::Load(LoadSettings s) : settings(std::move(s)) {
  const auto connections =
      settings.connections > 0 ? settings.connections : std::max<std::int64_t>(1, settings.clients / 10);
  for (std::int64_t i = 0; i < connections; ++i) {
    net::ClientOptions options;
    options.origin = settings.endpoints[static_cast<std::size_t>(i) % settings.endpoints.size()];
    options.h2c_prior_knowledge = options.origin.starts_with("http://");
    if (!options.h2c_prior_knowledge) {
      options.tls.emplace();
      options.tls->ca_pem = read_file(settings.cacert);
      if (!settings.cert.empty()) options.tls->certificate_pem = read_file(settings.cert);
      if (!settings.key.empty()) options.tls->private_key_pem = read_file(settings.key);
    }
    clients.emplace_back(net::HttpClient::create(options, pool.executors()[0], clock, Logger()));
  }
  pool.start();
}

Load::~Load() {
  clients.clear();
  pool.stop();
}

std::string Load::key_of(std::int64_t n) const {
  std::string digits = std::to_string(n);
  const auto size = static_cast<std::size_t>(settings.key_size);
  return digits.size() >= size ? digits : std::string(size - digits.size(), 'k') + digits;
}

std::string Load::random_value() {
  std::string out(static_cast<std::size_t>(settings.value_size), '\0');
  for (std::size_t i = 0; i < out.size(); i += 8) {
    const std::uint64_t word = rng.next();
    std::memcpy(out.data() + i, &word, std::min<std::size_t>(8, out.size() - i));
  }
  return out;
}

void Load::failed(const Error& error) {
  if (errors++ < 3) std::fprintf(stderr, "store_load: %s\n", error.to_string().c_str());
}

}  // namespace keelson::bench
