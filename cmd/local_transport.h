// LocalTransport: client::Transport over the API server's Endpoint in the same process. The same pipeline as over the network
// (authorization, admission, validation) with an identity of its own; objects are handed over, not encoded: informers share the
// watch cache's copies. Thread rule: as client::Transport.
#pragma once

#include <string>

#include "apiserver/endpoint.h"
#include "client/transport.h"

namespace keelson::cmd {

class LocalTransport final : public client::Transport {
 public:
  // `endpoint` outlives the transport and everything it gave. `user_agent` names the default field manager.
  LocalTransport(apiserver::Endpoint& endpoint, auth::UserInfo user, std::string user_agent);

  Task<Result<api::ObjectPtr>> get(const api::KindInfo& kind, std::string ns, std::string name, client::GetOptions options) override;
  Task<Result<client::ListResult>> list(const api::KindInfo& kind, std::string ns, client::ListOptions options) override;
  Task<Result<std::unique_ptr<client::WatchStream>>> watch(const api::KindInfo& kind, std::string ns, client::WatchOptions options) override;
  Task<Result<api::ObjectPtr>> create(const api::KindInfo& kind, std::string ns, api::ObjectPtr object, client::WriteOptions options) override;
  Task<Result<api::ObjectPtr>> update(const api::KindInfo& kind, std::string ns, api::ObjectPtr object, client::WriteOptions options) override;
  Task<Result<api::ObjectPtr>> patch(const api::KindInfo& kind, std::string ns, std::string name, client::PatchType type, std::string body,
                                     client::WriteOptions options) override;
  Task<Result<api::ObjectPtr>> remove(const api::KindInfo& kind, std::string ns, std::string name, client::DeleteOptions options) override;
  Task<Result<void>> delete_collection(const api::KindInfo& kind, std::string ns, client::DeleteOptions options, client::ListOptions which) override;

 private:
  apiserver::Request request(apiserver::Verb verb, const api::KindInfo& kind, std::string ns, std::string name) const;
  Task<Result<api::ObjectPtr>> call_object(apiserver::Request request);
  Task<Result<api::ObjectPtr>> write(apiserver::Verb verb, const api::KindInfo& kind, std::string ns, api::ObjectPtr object,
                                     client::WriteOptions options);
  apiserver::Endpoint& endpoint_;
  auth::UserPtr user_;
  std::string user_agent_;
};

}  // namespace keelson::cmd
