// Pipeline: the Endpoint over the Registry: authorize, then what the verb and the subresource mean. Defaults and managedFields
// are applied here; admission, validation and storage are the Registry's.
// Thread rule: any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apiserver/endpoint.h"
#include "apiserver/registry.h"
#include "auth/authenticator.h"
#include "auth/authorizer.h"
#include "auth/service_account_tokens.h"
#include "base/log.h"

namespace keelson::apiserver {

class Pipeline final : public Endpoint {
 public:
  struct Parts {
    Registry* registry = nullptr;
    auth::Authorizer* authorizer = nullptr;
    std::function<Result<auth::UserPtr>(std::string_view token)> check_token;  // TokenReview; may be empty
    const auth::TokenIssuer* issuer = nullptr;                                  // serviceaccounts/token; may be null
    std::vector<std::string> api_audiences;
    std::function<Task<std::vector<api::ObjectPtr>>()> component_statuses;      // may be empty
    Clock* clock = nullptr;
    Logger logger;
    std::function<std::uint64_t()> random;  // watch time-outs
  };
  explicit Pipeline(Parts parts) : parts_(std::move(parts)) {}

  Task<Result<Response>> call(Request request) override;

  // The two halves of call(), for the HTTP front, which decodes the body between them.
  Result<void> authorize(const Request& request) const;
  Task<Result<Response>> run(Request request);

  Registry& registry() { return *parts_.registry; }
  auth::Authorizer& authorizer() { return *parts_.authorizer; }

 private:
  Task<Result<Response>> run_main(const Resource& resource, Request request);
  Task<Result<Response>> run_update(const Resource& resource, Request request, UpdateScope scope);
  Task<Result<Response>> run_delete(const Resource& resource, Request request);
  Task<Result<Response>> run_watch(const Resource& resource, Request request);
  Task<Result<Response>> create(const Resource& resource, Request request);
  // Subresources (subresources.cc).
  Task<Result<Response>> scale(const Resource& resource, Request request);
  Task<Result<Response>> bind(Request request);
  Task<Result<Response>> evict(Request request);
  Task<Result<Response>> make_token(Request request);
  // Reviews and other resources that are not stored (virtual_resources.cc).
  Task<Result<Response>> run_virtual(const Resource& resource, Request request);
  Response token_review(std::unique_ptr<api::Object> object);

  Parts parts_;
};

// The object of a create or update as the client sent it becomes one of this request: namespace, server-set metadata.
Result<void> fit_object(const Resource& resource, const Request& request, api::Object& object, bool creating);
// A Status that says Success with a code.
VersionPtr success(int code);

}  // namespace keelson::apiserver
