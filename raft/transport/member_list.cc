#include "raft/transport/member_list.h"

#include <boost/asio/this_coro.hpp>
#include <charconv>

namespace keelson::raft {

namespace {

constexpr std::size_t kReplyMax = std::size_t{1} << 20;

// Just as much JSON as a list of members needs; values that nobody asks for are skipped.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool take(char c) {
    space();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_end() {
    space();
    return rest_.empty();
  }
  bool literal(std::string_view word) {
    space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool number(std::uint64_t& out) {
    space();
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return true;
  }
  bool text(std::string& out) {
    out.clear();
    if (!take('"')) return false;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c != '\\') {
        out.push_back(c);
      } else if (!escape(out)) {
        return false;
      }
    }
    return false;
  }
  bool texts(std::vector<std::string>& out) {
    out.clear();
    if (literal("null")) return true;
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      if (!text(out.emplace_back())) return false;
    } while (take(','));
    return take(']');
  }
  bool skip(int depth = 0) {
    space();
    if (rest_.empty() || depth > 32) return false;
    std::string ignored;
    const char c = rest_.front();
    if (c == '"') return text(ignored);
    if (c != '{' && c != '[') {
      const std::size_t n = rest_.find_first_of(",]} \t\r\n");
      if (n == 0) return false;
      rest_.remove_prefix(std::min(n, rest_.size()));
      return true;
    }
    const char close = c == '{' ? '}' : ']';
    rest_.remove_prefix(1);
    if (take(close)) return true;
    do {
      if (c == '{' && (!text(ignored) || !take(':'))) return false;
      if (!skip(depth + 1)) return false;
    } while (take(','));
    return take(close);
  }

 private:
  void space() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\n' ||
                              rest_.front() == '\r')) {
      rest_.remove_prefix(1);
    }
  }
  bool escape(std::string& out) {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    rest_.remove_prefix(1);
    static constexpr std::string_view kFrom = "\"\\/bfnrt";
    static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    if (const auto i = kFrom.find(c); i != std::string_view::npos) {
      out.push_back(kTo[i]);
      return true;
    }
    unsigned code = 0;
    if (c != 'u' || rest_.size() < 4) return false;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
    if (error != std::errc() || end != rest_.data() + 4) return false;
    rest_.remove_prefix(4);
    if (code < 0x80) {
      out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      out.push_back(static_cast<char>(0xc0 | code >> 6));
      out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else {
      out.push_back(static_cast<char>(0xe0 | code >> 12));
      out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
      out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
    return true;
  }
  std::string_view rest_;
};

bool scan_member(Scanner& in, PeerMember& m) {
  if (!in.take('{')) return false;
  if (in.take('}')) return true;
  std::string name;
  do {
    if (!in.text(name) || !in.take(':')) return false;
    bool ok = true;
    if (name == "id") {
      ok = in.number(m.id);
    } else if (name == "name") {
      ok = in.text(m.name);
    } else if (name == "peerURLs") {
      ok = in.texts(m.peer_urls);
    } else if (name == "clientURLs") {
      ok = in.texts(m.client_urls);
    } else if (name == "isLearner") {
      m.learner = in.literal("true");
      ok = m.learner || in.literal("false");
    } else {
      ok = in.skip();
    }
    if (!ok) return false;
  } while (in.take(','));
  return in.take('}');
}

Task<Result<MemberList>> fetch_from(std::string url, net::ClientOptions how, Duration timeout, Clock& clock,
                                    Logger logger) {
  how.origin = std::move(url);
  how.http1_only = true;
  how.connect_timeout = timeout;
  const auto http =
      net::HttpClient::create(std::move(how), co_await boost::asio::this_coro::executor, clock, logger);
  net::ClientRequest request;
  request.target = "/members";
  auto reply = CO_TRY(co_await http->call(std::move(request), timeout, kReplyMax));
  if (reply.status != 200) co_return fail(Code::kUnavailable, "answered " + std::to_string(reply.status));
  MemberList out;
  out.members = CO_TRY(parse_members_json(reply.body));
  const auto cluster = parse_hex_id(reply.headers.get("x-etcd-cluster-id").value_or(""));
  if (!cluster) co_return fail(Code::kInvalidArgument, "the reply names no cluster");
  out.cluster_id = *cluster;
  co_return out;
}

}  // namespace

std::string hex_id(std::uint64_t id) {
  char text[16];
  return std::string(text, std::to_chars(text, text + sizeof text, id, 16).ptr);
}

std::optional<std::uint64_t> parse_hex_id(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

std::string members_json(const std::vector<PeerMember>& members) {
  std::string out = "[";
  for (const PeerMember& m : members) {
    if (out.size() > 1) out += ',';
    append_json(out, m);
  }
  return out + "]";
}

Result<std::vector<PeerMember>> parse_members_json(std::string_view json) {
  const auto bad = [] { return fail(Code::kInvalidArgument, "this is no list of members"); };
  Scanner in(json);
  std::vector<PeerMember> out;
  if (!in.take('[')) return bad();
  if (!in.take(']')) {
    do {
      if (!scan_member(in, out.emplace_back())) return bad();
    } while (in.take(','));
    if (!in.take(']')) return bad();
  }
  if (!in.at_end()) return bad();
  return out;
}

Task<Result<MemberList>> fetch_members(std::vector<std::string> urls, net::ClientOptions how,
                                       Duration timeout_each, Clock& clock, Logger logger) {
  std::string why;
  for (const auto& url : urls) {
    auto list = co_await fetch_from(url, how, timeout_each, clock, logger);
    if (list) co_return list;
    why += (why.empty() ? "" : "; ") + url + ": " + list.error().message;
  }
  co_return fail(Code::kUnavailable,
                 "could not retrieve the members of the cluster from the given URLs: " + why);
}

}  // namespace keelson::raft
