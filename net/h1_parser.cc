#include "net/h1_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

namespace keelson::net {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

namespace {

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

std::string_view std_view(string_view s) {
  return {s.data(), s.size()};
}

}  // namespace

template <bool is_request>
struct H1Parser::Half final : http::basic_parser<is_request> {
  H1Message* out;
  bool in_trailer = false;

  explicit Half(H1Message* o) : out(o) {}

  void on_request_impl(http::verb, string_view method, string_view target, int version,
                       error_code&) override {
    out->method = std_view(method);
    out->target = std_view(target);
    out->version = version;
  }
  void on_response_impl(int status, string_view, int version, error_code&) override {
    out->status = status;
    out->version = version;
  }
  void on_field_impl(http::field, string_view name, string_view value, error_code&) override {
    if (!in_trailer) out->headers.add(lower(std_view(name)), std::string(value));
  }
  void on_header_impl(error_code&) override { in_trailer = true; }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override {
    out->body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    out->body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
};

struct H1Parser::Impl {
  Kind kind;
  std::uint32_t header_limit;
  H1Message message;
  std::optional<Half<true>> request;
  std::optional<Half<false>> response;
  std::size_t header_bytes = 0;
  bool started = false;

  void fresh() {
    header_bytes = 0;
    message = H1Message();
    started = false;
    if (kind == Kind::kRequest) {
      prepare(request.emplace(&message));
    } else {
      prepare(response.emplace(&message));
    }
  }
  template <class Parser>
  void prepare(Parser& p) {
    p.header_limit(header_limit);
    p.body_limit(boost::none);
    p.eager(false);
  }
  template <class F>
  decltype(auto) with(F f) {
    return kind == Kind::kRequest ? f(*request) : f(*response);
  }
};

H1Parser::H1Parser(Kind kind, std::size_t max_header_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->kind = kind;
  impl_->header_limit = static_cast<std::uint32_t>(max_header_bytes);
  impl_->fresh();
}

H1Parser::~H1Parser() = default;

Result<std::size_t> H1Parser::put(std::string_view data) {
  error_code ec;
  const bool in_header = !header_done();
  impl_->started = impl_->started || !data.empty();
  const std::size_t n =
      impl_->with([&](auto& p) { return p.put(boost::asio::const_buffer(data.data(), data.size()), ec); });
  if (in_header) impl_->header_bytes += n;
  const bool over = impl_->header_bytes > impl_->header_limit;
  if (!over && (!ec || ec == http::error::need_more)) return n;
  if (over || ec == http::error::header_limit)
    return fail(Code::kResourceExhausted, "the request header is too long");
  return fail(Code::kInvalidArgument, ec.message());
}

Result<void> H1Parser::put_end() {
  error_code ec;
  if (!impl_->started) return fail(Code::kUnavailable, "the connection ended before a message");
  impl_->with([&](auto& p) { p.put_eof(ec); });
  if (ec) return fail(Code::kUnavailable, "the connection ended within a message");
  return {};
}

bool H1Parser::header_done() const {
  return impl_->with([](auto& p) { return p.is_header_done(); });
}
bool H1Parser::done() const {
  return impl_->with([](auto& p) { return p.is_done(); });
}
bool H1Parser::started() const {
  return impl_->started;
}
H1Message& H1Parser::message() {
  return impl_->message;
}
bool H1Parser::keep_alive() const {
  return impl_->with([](auto& p) { return p.keep_alive(); });
}
bool H1Parser::chunked() const {
  return impl_->with([](auto& p) { return p.chunked(); });
}
std::optional<std::uint64_t> H1Parser::content_length() const {
  return impl_->with([](auto& p) -> std::optional<std::uint64_t> {
    const auto n = p.content_length();
    return n ? std::optional<std::uint64_t>(*n) : std::nullopt;
  });
}
void H1Parser::expect_no_body() {
  impl_->with([](auto& p) { p.skip(true); });
}
void H1Parser::reset() {
  impl_->fresh();
}

}  // namespace keelson::net
