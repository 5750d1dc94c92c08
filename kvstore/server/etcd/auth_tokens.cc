#include "kvstore/server/etcd/auth_tokens.h"

#include <openssl/rand.h>

#include <array>
#include <charconv>

#include "base/check.h"
#include "base/flags.h"
#include "kvstore/mvcc/auth_errors.h"

namespace keelson::kvstore::etcd {
namespace {

constexpr std::size_t kVerifiedMax = 4096;
constexpr Duration kSweepEvery = std::chrono::seconds(10);

// 16 letters, as etcd's: 91 bits.
std::string random_letters() {
  static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::string out;
  while (out.size() < 16) {
    std::array<unsigned char, 32> bytes;
    CHECK(::RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
    for (unsigned char b : bytes) {
      // The bytes that would make some letters likelier are left out.
      if (b < 4 * kLetters.size() && out.size() < 16) out += kLetters[b % kLetters.size()];
    }
  }
  return out;
}

std::string_view token_of(const net::Request& request) {
  auto token = request.headers.get("token");
  if (!token) token = request.headers.get("authorization");
  if (!token) return {};
  if (token->starts_with("Bearer ")) token->remove_prefix(7);
  return *token;
}

bool has_token(const net::Request& request) {
  return request.headers.get("token") || request.headers.get("authorization");
}

}  // namespace

Result<AuthTokenOptions> parse_auth_token(
    std::string_view spec, const std::function<Result<std::string>(const std::string& path)>& read_file) {
  const auto invalid = [] { return fail(Code::kInvalidArgument, "auth: invalid auth options"); };
  AuthTokenOptions out;
  std::map<std::string, std::string, std::less<>> options;
  const std::string_view kind = spec.substr(0, spec.find(','));
  for (std::size_t at = spec.find(','); at != std::string_view::npos;) {
    const std::size_t next = spec.find(',', at + 1);
    const std::string_view pair = spec.substr(at + 1, next == std::string_view::npos ? next : next - at - 1);
    const std::size_t eq = pair.find('=');
    if (eq == std::string_view::npos || pair.find('=', eq + 1) != std::string_view::npos) return invalid();
    if (!options.emplace(pair.substr(0, eq), pair.substr(eq + 1)).second) return invalid();
    at = next;
  }
  if (kind == "simple") return out;
  if (kind.empty()) {
    out.none = true;
    return out;
  }
  if (kind != "jwt") return invalid();
  JwtOptions jwt;
  jwt.sign_method = options["sign-method"];
  if (const auto& ttl = options["ttl"]; !ttl.empty()) {
    auto parsed = parse_duration(ttl);
    if (!parsed) return invalid();
    jwt.ttl = *parsed;
  }
  if (const auto& path = options["pub-key"]; !path.empty()) jwt.public_key = TRY(read_file(path));
  if (const auto& path = options["priv-key"]; !path.empty()) jwt.private_key = TRY(read_file(path));
  out.jwt = TRY(Jwt::make(std::move(jwt)));
  return out;
}

TokenAuthenticator::TokenAuthenticator(Member& member, Clock& clock, Logger logger, AuthTokenOptions options,
                                       bool client_cert_auth)
    : member_(member),
      clock_(clock),
      logger_(std::move(logger)),
      options_(std::move(options)),
      client_cert_auth_(client_cert_auth) {}

Result<Identity> TokenAuthenticator::identify(const net::GrpcCall& call) {
  const auto view = member_.auth_view();
  if (!view->enabled) return Identity{};
  const net::Request& request = call.request();
  if (has_token(request)) {
    if (auto who = by_token(*view, token_of(request))) return std::move(*who);
    logger_.warn("invalid auth token", {{"method", call.method()}});
    return fail(kvstore::invalid_auth_token_error());
  }
  // The gateway speaks for others: what reaches it is no gRPC, or says so.
  const bool gateway = !net::is_grpc(request) || request.headers.get("grpcgateway-accept");
  if (client_cert_auth_ && !gateway && request.connection && request.connection->peer) {
    return Identity{request.connection->peer->common_name, view->revision};
  }
  return Identity{};
}

// A simple token ends in the index of the entry that assigned it.
std::optional<std::uint64_t> TokenAuthenticator::awaits(const net::Request& request) {
  if (options_.none || options_.jwt) return std::nullopt;
  const std::string_view token = token_of(request);
  const std::size_t dot = token.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::uint64_t index = 0;
  const char* end = token.data() + token.size();
  const auto [p, ec] = std::from_chars(token.data() + dot + 1, end, index);
  if (ec != std::errc() || p != end || index <= member_.applied_index()) return std::nullopt;
  return member_.auth_view()->enabled ? std::optional(index) : std::nullopt;
}

std::optional<Identity> TokenAuthenticator::by_token(const AuthView& view, std::string_view token) {
  if (options_.none) return std::nullopt;
  if (options_.jwt) return by_jwt(token);
  const MonoTime now = clock_.now();
  sweep(view, now);
  auto user = view.tokens->find(token, now, options_.simple_ttl);
  if (!user) return std::nullopt;
  return Identity{std::move(*user), view.revision};
}

std::optional<Identity> TokenAuthenticator::by_jwt(std::string_view token) {
  const WallTime now = clock_.wall();
  auto claims = cached(token, now);
  if (!claims) {
    claims = options_.jwt->verify(token, now);
    if (!claims) return std::nullopt;
    std::lock_guard lock(mu_);
    if (verified_.size() >= kVerifiedMax) verified_.clear();
    verified_.insert_or_assign(std::string(token), *claims);
  }
  // What says "internal" or "nobody" is not for callers to say.
  if (claims->auth_revision == 0 || claims->auth_revision == kInternalAuthRevision) return std::nullopt;
  return Identity{std::move(claims->user), claims->auth_revision};
}

std::optional<JwtClaims> TokenAuthenticator::cached(std::string_view token, WallTime now) {
  std::lock_guard lock(mu_);
  const auto it = verified_.find(token);
  if (it == verified_.end()) return std::nullopt;
  if (it->second.expires && *it->second.expires <= now) {
    verified_.erase(it);
    return std::nullopt;
  }
  return it->second;
}

void TokenAuthenticator::sweep(const AuthView& view, MonoTime now) {
  auto last = swept_.load(std::memory_order_relaxed);
  const auto at = now.time_since_epoch().count();
  if (at - last < kSweepEvery.count() || !swept_.compare_exchange_strong(last, at)) return;
  view.tokens->sweep(now, options_.simple_ttl);
}

Task<Result<std::string>> TokenAuthenticator::issue(std::string user, std::uint64_t auth_revision) {
  if (options_.none) co_return fail(kvstore::auth_failed_error());
  if (options_.jwt) {
    if (member_.auth_view()->revision != auth_revision) {
      co_return fail(kvstore::auth_old_revision_error());
    }
    auto token = options_.jwt->sign(user, auth_revision, clock_.wall());
    if (!token) co_return fail(Code::kUnknown, std::move(token.error().message));
    co_return std::move(*token);
  }
  AuthCommand command;
  command.kind = AuthCommand::Kind::kAuthenticate;
  command.user = std::move(user);
  command.token = random_letters();
  command.auth_revision = auth_revision;
  AuthReply reply = CO_TRY(co_await member_.auth(std::move(command), Identity::internal()));
  co_return std::move(reply.token);
}

}  // namespace keelson::kvstore::etcd
