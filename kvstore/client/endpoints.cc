#include "kvstore/client/endpoints.h"

#include "base/check.h"
#include "kvstore/client/remote_store.h"

namespace keelson::kvstore {
namespace {

constexpr Duration kAvoid = std::chrono::seconds(1);

net::ClientOptions client_options(const RemoteStoreOptions& options, const std::string& url) {
  net::ClientOptions out;
  out.origin = url;
  out.connect_timeout = options.connect_timeout;
  if (url.starts_with("https://")) {
    net::TlsClientConfig tls;
    tls.ca_pem = options.ca_pem;
    tls.certificate_pem = options.certificate_pem;
    tls.private_key_pem = options.private_key_pem;
    tls.insecure_skip_verify = options.insecure_skip_verify;
    out.tls = std::move(tls);
  } else {
    out.h2c_prior_knowledge = true;
  }
  return out;
}

}  // namespace

Endpoints::Endpoints(const RemoteStoreOptions& options, std::size_t first, Executor home, Clock& clock,
                     Logger logger)
    : clock_(clock), logger_(std::move(logger)), credentials_(options.user, options.password), current_(first) {
  CHECK(first < options.endpoints.size());
  for (auto& url : options.endpoints) {
    members_.push_back(
        {url, net::GrpcClient(net::HttpClient::create(client_options(options, url), home, clock, logger_))});
  }
}

std::size_t Endpoints::pick() {
  std::lock_guard lock(mu_);
  if (members_[current_].avoid_until == MonoTime{}) return current_;
  const MonoTime now = clock_.now();
  for (std::size_t n = 0; n < members_.size(); ++n) {
    const std::size_t i = (current_ + n) % members_.size();
    if (members_[i].avoid_until > now) continue;
    members_[i].avoid_until = MonoTime{};
    return current_ = i;
  }
  return current_ = (current_ + 1) % members_.size();
}

void Endpoints::failed(std::size_t i, const Error& why) {
  bool fresh = false;
  {
    std::lock_guard lock(mu_);
    const MonoTime now = clock_.now();
    fresh = members_[i].avoid_until <= now;
    members_[i].avoid_until = now + kAvoid;
    if (i == current_) current_ = (i + 1) % members_.size();
  }
  if (fresh) logger_.warn("a store member does not answer", {{"endpoint", members_[i].url}, {"error", why}});
}

bool elsewhere(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kDeadlineExceeded ||
         error.code == Code::kCancelled;
}

bool never_sent(const Error& error) {
  return dynamic_cast<const net::NotSent*>(error.detail.get()) != nullptr;
}

}  // namespace keelson::kvstore
