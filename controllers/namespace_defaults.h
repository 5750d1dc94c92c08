// What every namespace has: the ServiceAccount "default" and the ConfigMap "kube-root-ca.crt". Both come back
// when they are deleted, the ConfigMap also when it is edited.
#pragma once

#include <string>

#include "controllers/controller.h"

namespace keelson::controllers {

class ServiceAccountController final : public Controller {
 public:
  explicit ServiceAccountController(const Context& context);

 protected:
  Task<Result<void>> sync(std::string key) override;

 private:
  client::Informer& namespaces_;
  client::Informer& accounts_;
};

class RootCaPublisher final : public Controller {
 public:
  // `root_ca_pem`: what pods verify the API server by.
  RootCaPublisher(const Context& context, std::string root_ca_pem);

 protected:
  Task<Result<void>> sync(std::string key) override;

 private:
  api::ObjectPtr wanted(const std::string& ns) const;

  const std::string root_ca_pem_;
  client::Informer& namespaces_;
  client::Informer& config_maps_;
};

}  // namespace keelson::controllers
