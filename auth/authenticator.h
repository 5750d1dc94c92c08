// Authenticators: from a request to a UserInfo. Synchronous and fast: the hot path of every request.
// Order as in kube-apiserver: client certificate, then bearer token (file, service account), then anonymous.
// Thread rule: authenticate() may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/user.h"
#include "base/error.h"
#include "net/http.h"

namespace keelson::auth {

// One way to check a bearer token. nullptr: not mine, ask the next. An Error: mine, and it is bad.
class TokenAuthenticator {
 public:
  virtual ~TokenAuthenticator() = default;
  virtual Result<UserPtr> authenticate_token(std::string_view token) = 0;
};

// --token-auth-file: CSV lines `token,user,uid[,"group1,group2"]`.
class TokenFile final : public TokenAuthenticator {
 public:
  // kInvalidArgument with the line number for a malformed line.
  static Result<std::unique_ptr<TokenFile>> parse(std::string_view csv, std::string_view file_name);
  Result<UserPtr> authenticate_token(std::string_view token) override;

 private:
  std::unordered_map<std::string, UserPtr> users_;  // by SHA-256 of the token: lookup time tells nothing of it
};

// A fixed identity per token, for components in the same process.
class StaticTokens final : public TokenAuthenticator {
 public:
  void add(std::string token, UserInfo user);
  Result<UserPtr> authenticate_token(std::string_view token) override;

 private:
  std::unordered_map<std::string, UserPtr> users_;
};

class Authenticator {
 public:
  // The chain in order; `anonymous`: requests without credentials become system:anonymous.
  Authenticator(std::vector<std::shared_ptr<TokenAuthenticator>> tokens, bool anonymous);

  // kUnauthenticated ("Unauthorized") when credentials are bad, or absent where anonymous is off.
  // Invalid credentials are never downgraded to anonymous. Health and version paths are the caller's exception.
  Result<UserPtr> authenticate(const net::Request& request);
  // Of a bearer token alone (TokenReview, kubelet).
  Result<UserPtr> authenticate_token(std::string_view token);
  bool anonymous_allowed() const { return anonymous_; }
  // The identity of requests without credentials.
  static UserPtr anonymous_user();

 private:
  UserPtr certificate_user(const net::PeerCertificate& cert) const;
  std::vector<std::shared_ptr<TokenAuthenticator>> tokens_;
  bool anonymous_;
};

// The token of an `Authorization: Bearer …` header; empty when there is none.
std::string_view bearer_token(const net::Headers& headers);

}  // namespace keelson::auth
