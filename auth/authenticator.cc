#include "auth/authenticator.h"

#include <openssl/sha.h>

#include <algorithm>

namespace keelson::auth {
namespace {

std::string digest(std::string_view token) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  ::SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
           reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

// One CSV line into fields; double quotes protect commas and are doubled inside.
Result<std::vector<std::string>> split_csv(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      if (c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
        fields.back().push_back('"');
        ++i;
      } else if (c == '"') {
        quoted = false;
      } else {
        fields.back().push_back(c);
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      fields.emplace_back();
    } else {
      fields.back().push_back(c);
    }
  }
  if (quoted) return fail(Code::kInvalidArgument, "a quote is not closed");
  return fields;
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t' || s.front() == '\r')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r')) s.remove_suffix(1);
  return s;
}

void add_group(UserInfo& user, std::string_view group) {
  if (!user.in_group(group)) user.groups.emplace_back(group);
}

}  // namespace

Result<std::unique_ptr<TokenFile>> TokenFile::parse(std::string_view csv, std::string_view file_name) {
  auto file = std::make_unique<TokenFile>();
  int number = 0;
  while (!csv.empty()) {
    ++number;
    const auto end = csv.find('\n');
    const auto line = trim(csv.substr(0, end));
    csv.remove_prefix(end == std::string_view::npos ? csv.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    const auto where = std::string(file_name) + ":" + std::to_string(number) + ": ";
    auto fields = split_csv(line);
    if (!fields) return fail(Code::kInvalidArgument, where + fields.error().message);
    if (fields->size() < 3) {
      return fail(Code::kInvalidArgument,
                  where + "a token line needs at least 3 columns (token, user name, user uid), found " +
                      std::to_string(fields->size()));
    }
    if (trim((*fields)[0]).empty()) return fail(Code::kInvalidArgument, where + "the token is empty");
    UserInfo user{std::string(trim((*fields)[1])), std::string(trim((*fields)[2])), {}, {}};
    if (fields->size() > 3) {
      std::string_view groups = (*fields)[3];
      while (!groups.empty()) {
        const auto comma = groups.find(',');
        if (const auto g = trim(groups.substr(0, comma)); !g.empty()) add_group(user, g);
        groups.remove_prefix(comma == std::string_view::npos ? groups.size() : comma + 1);
      }
    }
    add_group(user, kGroupAuthenticated);
    file->users_[digest(trim((*fields)[0]))] = std::make_shared<const UserInfo>(std::move(user));
  }
  return file;
}

Result<UserPtr> TokenFile::authenticate_token(std::string_view token) {
  const auto it = users_.find(digest(token));
  return it == users_.end() ? nullptr : it->second;
}

void StaticTokens::add(std::string token, UserInfo user) {
  add_group(user, kGroupAuthenticated);
  users_[digest(token)] = std::make_shared<const UserInfo>(std::move(user));
}

Result<UserPtr> StaticTokens::authenticate_token(std::string_view token) {
  const auto it = users_.find(digest(token));
  return it == users_.end() ? nullptr : it->second;
}

Authenticator::Authenticator(std::vector<std::shared_ptr<TokenAuthenticator>> tokens, bool anonymous)
    : tokens_(std::move(tokens)), anonymous_(anonymous) {}

UserPtr Authenticator::certificate_user(const net::PeerCertificate& cert) const {
  auto user = std::make_shared<UserInfo>();
  user->name = cert.common_name;
  user->groups = cert.organizations;
  user->extra["authentication.kubernetes.io/credential-id"] = {"X509SHA256=" + cert.der_sha256_hex};
  add_group(*user, kGroupAuthenticated);
  return user;
}

Result<UserPtr> Authenticator::authenticate_token(std::string_view token) {
  for (const auto& t : tokens_) {
    auto user = t->authenticate_token(token);
    if (!user || *user) return user;
  }
  return fail(Code::kUnauthenticated, "Unauthorized");
}

Result<UserPtr> Authenticator::authenticate(const net::Request& request) {
  if (const auto& peer = request.connection->peer; peer && !peer->common_name.empty()) {
    return certificate_user(*peer);
  }
  if (const auto token = bearer_token(request.headers); !token.empty()) return authenticate_token(token);
  if (!anonymous_) return fail(Code::kUnauthenticated, "Unauthorized");
  return anonymous_user();
}

UserPtr Authenticator::anonymous_user() {
  static const UserPtr user = std::make_shared<const UserInfo>(
      UserInfo{std::string(kUserAnonymous), "", {std::string(kGroupUnauthenticated)}, {}});
  return user;
}

std::string_view bearer_token(const net::Headers& headers) {
  const auto value = headers.get("authorization");
  if (!value || value->size() < 7) return {};
  static constexpr std::string_view kScheme = "bearer ";
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if ((static_cast<char>((*value)[i] | 0x20)) != kScheme[i] && !(kScheme[i] == ' ' && (*value)[i] == ' ')) return {};
  }
  return trim(value->substr(kScheme.size()));
}

}  // namespace keelson::auth
