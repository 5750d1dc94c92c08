#include "raft/transport/http_transport.h"

#include <map>
#include <set>

#include "base/check.h"
#include "raft/transport/peer.h"
#include "raft/transport/peer_handler.h"

namespace keelson::raft {

namespace {

class HttpTransportImpl final : public HttpTransport {
 public:
  explicit HttpTransportImpl(HttpTransportOptions options)
      : shared_(std::make_shared<PeerShared>(std::move(options))),
        handler_(shared_,
                 {[this](NodeId id) { return is_removed(id); },
                  [this](NodeId id, std::vector<std::string> urls) { on_sender(id, std::move(urls)); },
                  [this](NodeId id) { return shared_->peer_metrics(id); }}) {}

  net::Handler& handler() override { return handler_; }
  void set_tls(std::optional<net::TlsClientConfig> tls) override { shared_->set_tls(std::move(tls)); }

  void send(std::vector<Message> messages) override {
    for (Message& m : messages) {
      if (const auto peer = find(m.to)) peer->send(std::move(m));
    }
  }
  void send_app(NodeId to, Bytes payload) override {
    if (const auto peer = find(to)) peer->send_app(std::move(payload));
  }
  void send_snapshot(Message message, std::unique_ptr<SnapshotSource> source) override {
    if (const auto peer = find(message.to)) {
      peer->send_snapshot(std::move(message), std::move(source));
    } else {
      shared_->options.sink->on_snapshot_sent(message.to, false);
    }
  }

  void set_peer(NodeId id, std::vector<std::string> urls) override {
    if (id == shared_->options.self) return;
    std::lock_guard lock(mu_);
    removed_.erase(id);
    put(id, std::move(urls));
  }
  void remove_peer(NodeId id) override {
    std::lock_guard lock(mu_);
    if (id != shared_->options.self) removed_.insert(id);
    retire(id);
  }
  std::optional<MonoTime> active_since(NodeId id) const override {
    const auto peer = find(id);
    return peer ? peer->active_since() : std::nullopt;
  }

  Task<> stop() override {
    std::vector<std::shared_ptr<Peer>> all;
    {
      std::lock_guard lock(mu_);
      stopped_ = true;
      while (!peers_.empty()) retire(peers_.begin()->first);
      all = std::exchange(retired_, {});
    }
    for (const auto& peer : all) co_await peer->join();
  }

 private:
  std::shared_ptr<Peer> find(NodeId id) const {
    std::lock_guard lock(mu_);
    const auto it = peers_.find(id);
    return it == peers_.end() ? nullptr : it->second;
  }
  bool is_removed(NodeId id) const {
    {
      std::lock_guard lock(mu_);
      if (removed_.contains(id)) return true;
      if (peers_.contains(id)) return false;
    }
    const auto& asked = shared_->options.is_removed;
    return asked && asked(id);
  }
  void on_sender(NodeId id, std::vector<std::string> urls) {
    std::lock_guard lock(mu_);
    if (!peers_.contains(id) && !urls.empty()) put(id, std::move(urls));
  }
  // REQUIRES (both): mu_ is held.
  void put(NodeId id, std::vector<std::string> urls) {
    if (stopped_) return;
    const auto it = peers_.find(id);
    if (it != peers_.end() && it->second->urls() == urls) return;
    retire(id);
    auto peer = std::make_shared<Peer>(shared_, id, std::move(urls));
    peer->start();
    peers_.emplace(id, std::move(peer));
  }
  void retire(NodeId id) {
    const auto it = peers_.find(id);
    if (it == peers_.end()) return;
    it->second->cancel();
    std::erase_if(retired_, [](const auto& p) { return p->idle(); });
    retired_.push_back(std::move(it->second));
    peers_.erase(it);
  }

  const std::shared_ptr<PeerShared> shared_;
  PeerHandler handler_;
  mutable std::mutex mu_;
  std::map<NodeId, std::shared_ptr<Peer>> peers_;
  std::vector<std::shared_ptr<Peer>> retired_;  // cancelled, maybe not yet ended
  std::set<NodeId> removed_;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<HttpTransport> HttpTransport::create(HttpTransportOptions options) {
  CHECK(options.sink != nullptr && options.clock != nullptr && !options.executors.empty());
  return std::make_unique<HttpTransportImpl>(std::move(options));
}

}  // namespace keelson::raft
