#include "kvstore/mvcc/simple_tokens.h"

namespace keelson::kvstore {

void SimpleTokens::assign(std::string token, std::string user) {
  std::lock_guard lock(mu_);
  tokens_.insert_or_assign(std::move(token), Entry{std::move(user), std::nullopt});
}

void SimpleTokens::invalidate_user(std::string_view user) {
  std::lock_guard lock(mu_);
  std::erase_if(tokens_, [&](const auto& t) { return t.second.user == user; });
}

void SimpleTokens::clear() {
  std::lock_guard lock(mu_);
  tokens_.clear();
}

std::optional<std::string> SimpleTokens::find(std::string_view token, MonoTime now, Duration ttl) {
  std::lock_guard lock(mu_);
  const auto it = tokens_.find(token);
  if (it == tokens_.end()) return std::nullopt;
  if (it->second.ends && *it->second.ends <= now) {
    tokens_.erase(it);
    return std::nullopt;
  }
  it->second.ends = now + ttl;
  return it->second.user;
}

void SimpleTokens::sweep(MonoTime now, Duration ttl) {
  std::lock_guard lock(mu_);
  for (auto it = tokens_.begin(); it != tokens_.end();) {
    auto& ends = it->second.ends;
    if (!ends) ends = now + ttl;
    it = *ends <= now ? tokens_.erase(it) : std::next(it);
  }
}

std::size_t SimpleTokens::size() const {
  std::lock_guard lock(mu_);
  return tokens_.size();
}

}  // namespace keelson::kvstore
