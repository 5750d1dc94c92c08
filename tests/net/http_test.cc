// The server and the client against each other, over TLS, TCP and unix sockets, in both protocols.
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "http_fixture.h"

namespace keelson::net {
namespace {

class Http : public HttpFixture, public ::testing::WithParamInterface<bool> {
 protected:
  bool http1() const { return GetParam(); }
};

// A list that revokes one certificate and is out of date.
std::string crl_of(const auth::KeyPair& ca, const std::string& revoked_pem, bool pem) {
  const auto bio = [](const std::string& s) { return BIO_new_mem_buf(s.data(), static_cast<int>(s.size())); };
  BIO* cert_bio = bio(revoked_pem);
  BIO* key_bio = bio(ca.key_pem);
  X509* cert = PEM_read_bio_X509(cert_bio, nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
  X509_CRL* crl = X509_CRL_new();
  X509_REVOKED* entry = X509_REVOKED_new();
  ASN1_TIME* time = ASN1_TIME_set(nullptr, 1'600'000'000);
  X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(cert));
  X509_REVOKED_set_revocationDate(entry, time);
  X509_CRL_add0_revoked(crl, entry);
  X509_CRL_set_version(crl, 1);
  X509_CRL_set_issuer_name(crl, X509_get_issuer_name(cert));
  X509_CRL_set1_lastUpdate(crl, time);
  X509_CRL_set1_nextUpdate(crl, time);
  X509_CRL_sign(crl, key, EVP_sha256());
  BIO* out = BIO_new(BIO_s_mem());
  pem ? PEM_write_bio_X509_CRL(out, crl) : i2d_X509_CRL_bio(out, crl);
  char* data = nullptr;
  const long n = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(n));
  for (BIO* b : {cert_bio, key_bio, out}) BIO_free(b);
  ASN1_TIME_free(time);
  X509_CRL_free(crl);
  X509_free(cert);
  EVP_PKEY_free(key);
  return text;
}

INSTANTIATE_TEST_SUITE_P(Protocols, Http, ::testing::Values(true, false),
                         [](const auto& p) { return p.param ? "h1" : "h2"; });

TEST_P(Http, ClientCertificateIsSeen) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  for (int i = 0; i < 3; ++i) {
    auto r = get(*c, "/hello");
    ASSERT_TRUE(r.has_value()) << r.error().to_string();
    EXPECT_EQ(r->status, 200);
    EXPECT_EQ(r->body, "hello ann/dev");
    EXPECT_EQ(r->headers.get("x-host"), "127.0.0.1:" + std::to_string(server_->port()));
    EXPECT_EQ(r->headers.get("content-length"), "13");
    EXPECT_TRUE(r->headers.get("date").has_value());
  }
  auto anonymous = get(*client(tls_client(http1(), false)), "/hello");
  ASSERT_TRUE(anonymous.has_value());
  EXPECT_EQ(anonymous->body, "hello nobody");
}

TEST_P(Http, RefusesWrongAuthorities) {
  serve(tls_options());
  const TestPki other;
  ClientOptions distrusting = tls_client(http1());
  distrusting.tls->ca_pem = other.ca.certificate_pem;
  auto r = get(*client(distrusting), "/hello");
  ASSERT_FALSE(r.has_value());
  EXPECT_EQ(r.error().code, Code::kUnavailable);

  ClientOptions stranger = tls_client(http1());
  stranger.tls->certificate_pem = other.client.certificate_pem;
  stranger.tls->private_key_pem = other.client.key_pem;
  EXPECT_FALSE(get(*client(stranger), "/hello").has_value());

  ServerOptions strict = tls_options();
  strict.tls->require_client_certificate = true;
  run(server_->stop(Duration::zero()));
  serve(strict);
  EXPECT_FALSE(get(*client(tls_client(http1(), false)), "/hello").has_value());
  EXPECT_TRUE(get(*client(tls_client(http1())), "/hello").has_value());
}

TEST_P(Http, RefusesRevokedAndUnwantedCertificates) {
  serve(tls_options());
  ASSERT_TRUE(get(*client(tls_client(http1())), "/hello").has_value());
  for (const bool pem : {true, false}) {
    ServerOptions o = tls_options();
    o.tls->crl = crl_of(pki().ca, pki().client.certificate_pem, pem);
    run(server_->stop(Duration::zero()));
    serve(o);
    EXPECT_FALSE(get(*client(tls_client(http1())), "/hello").has_value());
    EXPECT_TRUE(get(*client(tls_client(http1(), false)), "/hello").has_value());
    o.tls->crl = crl_of(pki().ca, pki().server.certificate_pem, pem);
    run(server_->stop(Duration::zero()));
    serve(o);
    EXPECT_TRUE(get(*client(tls_client(http1())), "/hello").has_value());
  }
  ServerOptions picky = tls_options();
  picky.tls->require_client_certificate = true;
  picky.tls->accept = [](const PeerCertificate* cert) {
    return cert != nullptr && cert->common_name == "eve";
  };
  run(server_->stop(Duration::zero()));
  serve(picky);
  const auto refused = get(*client(tls_client(http1())), "/hello");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("remote error: tls: bad certificate"), std::string::npos)
      << refused.error().message;
}

TEST_P(Http, ClientRefusesAnUnwantedServer) {
  serve(tls_options());
  ClientOptions picky = tls_client(http1());
  picky.tls->accept = [](const PeerCertificate* cert) { return cert != nullptr && cert->common_name == "server"; };
  EXPECT_TRUE(get(*client(picky), "/hello").has_value());
  picky.tls->accept = [](const PeerCertificate*) { return false; };
  const auto refused = get(*client(picky), "/hello");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("certificate authentication failed"), std::string::npos)
      << refused.error().message;
}

Task<Result<void>> admit_from(std::shared_ptr<const ConnectionInfo> info, std::string ip) {
  if (info->peer && info->remote_address == ip) co_return Result<void>();
  co_return fail(Code::kUnauthenticated, info->remote_address + " is not wanted");
}

TEST_P(Http, AdmitsByAddress) {
  ServerOptions o = tls_options();
  o.admit = [](auto info) { return admit_from(std::move(info), "127.0.0.7"); };
  serve(o);
  ClientOptions from = tls_client(http1());
  EXPECT_FALSE(get(*client(from), "/hello").has_value());
  from.local_address = "127.0.0.7";
  const auto got = get(*client(from), "/hello");
  EXPECT_TRUE(got.has_value()) << got.error().message;
  from.local_address = "::1";
  EXPECT_FALSE(get(*client(from), "/hello").has_value()) << "of another family: the kernel's choice";
}

TEST_P(Http, BodiesAndTheirBound) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  for (const std::size_t n : {0u, 1u, 5000u, 100'000u}) {
    const std::string body(n, 'b');
    auto r = post(*c, "/echo", body);
    ASSERT_TRUE(r.has_value()) << r.error().to_string();
    EXPECT_EQ(r->status, 200);
    EXPECT_EQ(r->body, body);
  }
  auto over = post(*c, "/echo", std::string(100'001, 'b'));
  ASSERT_TRUE(over.has_value()) << over.error().to_string();
  EXPECT_EQ(over->status, 413);
  // Far over: the reply arrives although the body was never taken.
  auto far = post(*c, "/echo", std::string(8'000'000, 'b'));
  ASSERT_TRUE(far.has_value()) << far.error().to_string();
  EXPECT_EQ(far->status, 413);
  EXPECT_EQ(get(*c, "/hello")->status, 200);
}

TEST_P(Http, HeadNotFoundAndFailure) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  ClientRequest head;
  head.method = "HEAD";
  head.target = "/hello";
  auto r = run(c->call(head, std::chrono::seconds(10)));
  ASSERT_TRUE(r.has_value()) << r.error().to_string();
  EXPECT_EQ(r->headers.get("content-length"), "13");
  EXPECT_EQ(r->body, "");
  EXPECT_EQ(get(*c, "/none")->status, 404);
  EXPECT_EQ(get(*c, "/throw")->status, 500);
  EXPECT_EQ(get(*c, "/hello")->status, 200);
}

TEST_P(Http, HeadersTooLong) {
  ServerOptions o = tls_options();
  o.max_header_bytes = 8192;
  serve(o);
  auto c = client(tls_client(http1()));
  ClientRequest r;
  r.target = "/hello";
  r.headers.add("x-long", std::string(9000, 'h'));
  auto reply = run(c->call(r, std::chrono::seconds(10)));
  ASSERT_TRUE(reply.has_value()) << reply.error().to_string();
  EXPECT_EQ(reply->status, 431);
}

TEST_P(Http, ManyCallsAtOnce) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  std::atomic<int> good = 0;
  struct One {
    static Task<> call(std::shared_ptr<HttpClient> c, std::atomic<int>* good, int i) {
      ClientRequest r;
      r.method = "POST";
      r.target = "/echo";
      r.body = Bytes(std::string(static_cast<std::size_t>(i * 97), 'x'));
      auto reply = co_await c->call(r, std::chrono::seconds(20));
      if (reply && reply->body == r.body.view()) ++*good;
    }
  };
  TaskGroup group;
  for (int i = 0; i < 300; ++i)
    group.spawn(pool_.executors()[static_cast<std::size_t>(i % 2)], One::call(c, &good, i));
  run(group.join());
  EXPECT_EQ(good, 300);
}

// A reader that does not read holds the writer back; when it reads on, it gets everything.
TEST_P(Http, SlowReaderHoldsTheWriterBack) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  constexpr std::size_t kPieces = 600;  // 37.5 MiB: more than sockets and windows hold
  ClientRequest r;
  r.target = "/large?n=" + std::to_string(kPieces);
  auto stream = run(c->open(r, false));
  ASSERT_TRUE(stream.has_value()) << stream.error().to_string();
  std::size_t before = 0;
  // The writer has come to a halt when two looks 100 ms apart see the same.
  ASSERT_TRUE(eventually([&] {
    before = handler_.pieces_written;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return before > 0 && before == handler_.pieces_written;
  }));
  EXPECT_LT(before, kPieces);
  std::size_t total = 0;
  for (;;) {
    auto piece = run((*stream)->read_some());
    ASSERT_TRUE(piece.has_value()) << piece.error().to_string();
    if (piece->empty()) break;
    total += piece->size();
  }
  EXPECT_EQ(total, kPieces * 64 * 1024);
  if (!http1()) {
    EXPECT_EQ((*stream)->trailers().get("x-end"), "yes");
  }
}

TEST_P(Http, CancelledStreamEndsTheWatch) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  ClientRequest r;
  r.target = "/watch";
  auto stream = run(c->open(r, false));
  ASSERT_TRUE(stream.has_value()) << stream.error().to_string();
  EXPECT_EQ(*run((*stream)->read_some()), "first");
  EXPECT_EQ(handler_.watches_ended, 0);
  stream->reset();
  EXPECT_TRUE(eventually([&] { return handler_.watches_ended == 1; }));
}

TEST_P(Http, DrainEndsWatchesAndFinishesReplies) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  ClientRequest r;
  r.target = "/watch";
  auto stream = run(c->open(r, false));
  ASSERT_TRUE(stream.has_value());
  ASSERT_TRUE(eventually([&] { return handler_.watches_open == 1; }));
  const auto began = std::chrono::steady_clock::now();
  run(server_->stop(std::chrono::seconds(8)));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  std::string all;
  for (;;) {
    auto piece = run((*stream)->read_some());
    ASSERT_TRUE(piece.has_value()) << piece.error().to_string();
    if (piece->empty()) break;
    all += *piece;
  }
  EXPECT_EQ(all, "firstbye");
  server_.reset();
  EXPECT_EQ(get(*c, "/hello").error().code, Code::kUnavailable);
}

TEST_P(Http, StopCancelsHandlersAfterItsGrace) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  ClientRequest r;
  r.target = "/stuck";
  auto reply = std::async(std::launch::async, [&] {
    std::optional<Result<ClientResponse>> out;
    block_on(pool_.executors().front(), keep(c->call(r, std::chrono::seconds(20)), &out));
    return std::move(*out);
  });
  ASSERT_TRUE(eventually([&] { return handler_.watches_open == 1; }));
  run(server_->stop(std::chrono::milliseconds(50)));
  EXPECT_EQ(handler_.cancelled, 1);
  EXPECT_FALSE(reply.get().has_value());
}

TEST_P(Http, CallTimesOut) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  ClientRequest r;
  r.target = "/watch";
  auto reply = run(c->call(r, std::chrono::milliseconds(100)));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code, Code::kDeadlineExceeded);
  EXPECT_TRUE(eventually([&] { return handler_.watches_ended == 1; }));
}

TEST_P(Http, ReconnectsAfterTheServerCameBack) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  EXPECT_EQ(get(*c, "/hello")->status, 200);
  const auto port = server_->port();
  run(server_->stop(std::chrono::milliseconds(100)));
  server_.reset();
  ServerOptions o = tls_options();
  o.port = port;
  serve(o);
  auto r = get(*c, "/hello");
  ASSERT_TRUE(r.has_value()) << r.error().to_string();
  EXPECT_EQ(r->status, 200);
}

TEST_P(Http, DuplexStreamsBothWays) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  ClientRequest r;
  r.method = "POST";
  r.target = "/duplex";
  auto stream = run(c->open(r, true));
  ASSERT_TRUE(stream.has_value()) << stream.error().to_string();
  std::size_t sent = 0;
  std::size_t received = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string piece(static_cast<std::size_t>(1 + i * 5000), static_cast<char>('a' + i));
    ASSERT_TRUE(run((*stream)->write(Bytes::copy(piece))).has_value());
    sent += piece.size();
    while (received < sent) {
      auto back = run((*stream)->read_some());
      ASSERT_TRUE(back.has_value()) << back.error().to_string();
      ASSERT_EQ(back->front(), 'a' + i);
      received += back->size();
    }
  }
  EXPECT_EQ((*stream)->status(), 200);
  ASSERT_TRUE(run((*stream)->finish_body()).has_value());
  EXPECT_EQ(*run((*stream)->read_some()), "");
}

TEST_P(Http, UpgradeHandsOverTheConnection) {
  serve(tls_options());
  auto c = client(tls_client(http1()));
  ClientRequest r;
  r.target = "/upgrade";
  r.headers = {{"connection", "Upgrade"}, {"upgrade", "echo"}};
  auto up = run(c->upgrade(r));
  ASSERT_TRUE(up.has_value()) << up.error().to_string();
  EXPECT_EQ(up->headers.get("upgrade"), "echo");
  ASSERT_TRUE(run(up->stream->write_all("ping")).has_value());
  char buf[16];
  EXPECT_EQ(*run(up->stream->read_some(buf, sizeof buf)), 4u);
  EXPECT_EQ(std::string_view(buf, 4), "ping");
  ASSERT_TRUE(run(up->stream->shutdown_write()).has_value());
  EXPECT_EQ(*run(up->stream->read_some(buf, sizeof buf)), 0u);

  r.target = "/none";
  auto refused = run(c->upgrade(r));
  ASSERT_FALSE(refused.has_value());
  const auto detail = std::dynamic_pointer_cast<const UpgradeRefused>(refused.error().detail);
  ASSERT_NE(detail, nullptr);
  EXPECT_EQ(detail->status, 404);
  EXPECT_EQ(detail->body, "what?");
}

class PlainHttp : public HttpFixture {
 protected:
  Task<Result<std::string>> raw(std::string text) {
    auto s = CO_TRY(
        co_await dial("127.0.0.1:" + std::to_string(server_->port()), std::chrono::seconds(5), clock_));
    CO_TRY(co_await s->write_all(text));
    std::string all;
    char buf[4096];
    for (;;) {
      const std::size_t n = CO_TRY(co_await s->read_some(buf, sizeof buf));
      if (n == 0) co_return all;
      all.append(buf, n);
    }
  }
};

TEST_F(PlainHttp, PipelinedRequestsAreAnsweredInOrder) {
  serve({});
  auto all =
      run(raw("GET /none HTTP/1.1\r\nhost: a\r\n\r\nPOST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: "
              "chunked\r\n\r\n"
              "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
  ASSERT_TRUE(all.has_value()) << all.error().to_string();
  const auto first = all->find("what?");
  const auto second = all->find("abcde");
  const auto third = all->find("hello nobody");
  EXPECT_NE(third, std::string::npos);
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST_F(PlainHttp, RefusesWhatIsNotHttp) {
  serve({});
  EXPECT_TRUE(run(raw("nonsense\r\n\r\n"))->starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(run(raw("GET / HTTP/1.1\r\n\r\n"))->starts_with("HTTP/1.1 400 ")) << "no host";
}

TEST_F(PlainHttp, ExpectContinue) {
  serve({});
  struct Script {
    static Task<Result<std::string>> talk(std::uint16_t port, Clock* clock) {
      auto s = CO_TRY(co_await dial("127.0.0.1:" + std::to_string(port), std::chrono::seconds(5), *clock));
      CO_TRY(
          co_await s->write_all("POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: "
                                "2\r\nconnection: close\r\n\r\n"));
      char buf[4096];
      const std::size_t n = CO_TRY(co_await s->read_some(buf, sizeof buf));
      std::string all(buf, n);
      CO_TRY(co_await s->write_all("ok"));
      for (;;) {
        const std::size_t more = CO_TRY(co_await s->read_some(buf, sizeof buf));
        if (more == 0) co_return all;
        all.append(buf, more);
      }
    }
  };
  auto all = run(Script::talk(server_->port(), &clock_));
  ASSERT_TRUE(all.has_value());
  EXPECT_TRUE(all->starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")) << *all;
  EXPECT_TRUE(all->ends_with("\r\n\r\nok")) << *all;
}

// gRFC A8: the fourth PING too soon is answered with GOAWAY ENHANCE_YOUR_CALM.
TEST_F(PlainHttp, SendsAwayWhoPingsTooOften) {
  const std::string preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 24 + 9);
  const std::string ping("\0\0\x08\6\0\0\0\0\0pingping", 17);
  const std::string goaway_eof(
      "\0\0\0\x0b"
      "too_many_pings",
      18);
  ServerOptions o;
  o.ping_interval_min = std::chrono::seconds(5);
  serve(o);
  const std::string answer = *run(raw(preface + ping + ping + ping + ping));
  EXPECT_NE(answer.find(goaway_eof), std::string::npos);
}

TEST_F(PlainHttp, PriorKnowledgeOverUnixSocket) {
  const std::string path = "/tmp/keelson_http_test." + std::to_string(::getpid());
  ServerOptions o;
  o.address = "unix:" + path;
  serve(o);
  ClientOptions h2;
  h2.origin = "unix:" + path;
  h2.h2c_prior_knowledge = true;
  auto c = client(h2);
  EXPECT_EQ(get(*c, "/hello")->body, "hello nobody");
  EXPECT_EQ(get(*c, "/hello")->headers.get("x-host"), "localhost");
  ClientOptions h1;
  h1.origin = "unix:" + path;
  EXPECT_EQ(get(*client(h1), "/hello")->body, "hello nobody");
}

TEST_F(PlainHttp, IdleAndHalfSentConnectionsTimeOut) {
  ServerOptions o;
  o.idle_timeout = std::chrono::milliseconds(300);
  o.header_timeout = std::chrono::milliseconds(300);
  serve(o);
  EXPECT_EQ(*run(raw("GET /hello HTTP/1.1\r\nhost: a\r\n")), "") << "the header never ends";
  EXPECT_TRUE(run(raw("GET /none HTTP/1.1\r\nhost: a\r\n\r\n"))->ends_with("what?"))
      << "idle after one request";
}

TEST_F(HttpFixture, Curl) {
  if (std::system("curl --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no curl";
  serve(tls_options());
  for (const char* version : {"--http1.1", "--http2"}) {
    const std::string command = std::string("curl -sk --max-time 10 ") + version +
                                " --data-binary hi -w '|%{http_version}|%{http_code}' https://127.0.0.1:" +
                                std::to_string(server_->port()) + "/echo";
    FILE* p = ::popen(command.c_str(), "r");
    ASSERT_NE(p, nullptr);
    char buf[256] = {};
    const std::size_t n = std::fread(buf, 1, sizeof buf - 1, p);
    EXPECT_EQ(::pclose(p), 0);
    EXPECT_EQ(std::string(buf, n),
              std::string("hi|") + (std::string_view(version) == "--http2" ? "2" : "1.1") + "|200");
  }
}

}  // namespace
}  // namespace keelson::net
