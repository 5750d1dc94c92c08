// gRPC calls between our own client and router, over h2c on a unix socket and over TLS.
#include "net/grpc.h"

#include <unistd.h>

#include "http_fixture.h"
#include "net/grpc_frame.h"

namespace keelson::net {
namespace {

class Grpc : public HttpFixture {
 protected:
  void SetUp() override {
    HttpFixture::SetUp();
    router_.unary("/test.S/Upper", upper);
    router_.unary("/test.S/Slow", slow);
    router_.stream("/test.S/Chat", chat);
    router_.stream("/test.S/Count", count);
    ServerOptions o;
    path_ = "/tmp/keelson_grpc_test." + std::to_string(::getpid());
    o.address = "unix:" + path_;
    serve(o, router_);
    ClientOptions c;
    c.origin = "unix:" + path_;
    c.h2c_prior_knowledge = true;
    http_ = client(c);
  }
  void TearDown() override {
    http_.reset();
    HttpFixture::TearDown();
  }

  static Task<Result<Bytes>> upper(GrpcCall& call, std::string request) {
    if (request == "bad") co_return fail(Code::kInvalidArgument, "100% bad\n");
    if (call.request().headers.get("x-tag"))
      call.add_trailer("x-tag", std::string(*call.request().headers.get("x-tag")));
    for (char& c : request) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    co_return Bytes(std::move(request));
  }
  static Task<Result<Bytes>> slow(GrpcCall& call, std::string) {
    co_await call.closed();
    co_return fail(Code::kCancelled, "the client left");
  }
  static Task<Result<void>> chat(GrpcCall& call) {
    for (;;) {
      auto message = CO_TRY(co_await call.receive());
      if (!message) co_return Result<void>();
      if (*message == "fail") co_return fail(Code::kOutOfRange, "compacted");
      CO_TRY(co_await call.send(Bytes("re: " + *message)));
    }
  }
  static Task<Result<void>> count(GrpcCall& call) {
    auto n = CO_TRY(co_await call.receive());
    for (int i = 0; i < std::stoi(*n); ++i) CO_TRY(co_await call.send(Bytes(std::to_string(i))));
    co_return Result<void>();
  }

  std::string path_;
  GrpcRouter router_{clock_};
  std::shared_ptr<HttpClient> http_;
};

TEST_F(Grpc, Unary) {
  GrpcClient grpc(http_);
  EXPECT_EQ(*run(grpc.unary("/test.S/Upper", Bytes::literal("abc"))), "ABC");
  EXPECT_EQ(*run(grpc.unary("/test.S/Upper", Bytes())), "");
  const std::string large(3'000'000, 'x');
  EXPECT_EQ(run(grpc.unary("/test.S/Upper", Bytes(large)))->size(), large.size());
  auto bad = run(grpc.unary("/test.S/Upper", Bytes::literal("bad"), {.timeout = std::chrono::seconds(5)}));
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, Code::kInvalidArgument);
  EXPECT_EQ(bad.error().message, "100% bad\n");
  EXPECT_EQ(run(grpc.unary("/test.S/None", Bytes())).error().code, Code::kUnimplemented);
  EXPECT_EQ(run(grpc.unary("/test.S/Slow", Bytes(), {.timeout = std::chrono::milliseconds(50)})).error().code,
            Code::kDeadlineExceeded);
}

TEST_F(Grpc, Streams) {
  GrpcClient grpc(http_);
  auto chat = run(grpc.stream("/test.S/Chat"));
  ASSERT_TRUE(chat.has_value());
  for (const std::string text : {"a", "bb", ""}) {
    ASSERT_TRUE(run((*chat)->send(Bytes(text))).has_value());
    EXPECT_EQ(*run((*chat)->receive()), "re: " + text);
  }
  ASSERT_TRUE(run((*chat)->half_close()).has_value());
  EXPECT_EQ(*run((*chat)->receive()), std::nullopt);

  auto failing = run(grpc.stream("/test.S/Chat"));
  ASSERT_TRUE(run((*failing)->send(Bytes::literal("fail"))).has_value());
  auto end = run((*failing)->receive());
  ASSERT_FALSE(end.has_value());
  EXPECT_EQ(end.error().code, Code::kOutOfRange);
  EXPECT_EQ(end.error().message, "compacted");

  auto counting = run(grpc.stream("/test.S/Count"));
  ASSERT_TRUE(run((*counting)->send(Bytes::literal("5000"))).has_value());
  ASSERT_TRUE(run((*counting)->half_close()).has_value());
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(*run((*counting)->receive()), std::to_string(i));
  EXPECT_EQ(*run((*counting)->receive()), std::nullopt);
}

TEST(GrpcFrame, TimeoutsRoundTrip) {
  using namespace std::chrono_literals;
  for (const Duration d : {Duration(1ns), Duration(1500ms), Duration(5s), Duration(48h)}) {
    EXPECT_EQ(parse_grpc_timeout(grpc_timeout(d)), d);
  }
  EXPECT_EQ(parse_grpc_timeout("100m"), Duration(100ms));
  EXPECT_EQ(parse_grpc_timeout("2H"), Duration(2h));
  for (const char* bad : {"", "S", "5", "123456789S", "-1S", "1x", "1 S"})
    EXPECT_EQ(parse_grpc_timeout(bad), std::nullopt) << bad;
}

TEST(GrpcFrame, ReaderCutsMessages) {
  const std::string bytes = grpc_frame("one") + grpc_frame("") + grpc_frame("three");
  GrpcReader reader(100);
  std::vector<std::string> got;
  for (const char c : bytes) {
    reader.append(std::string(1, c));
    while (auto m = *reader.next()) got.push_back(*m);
  }
  EXPECT_EQ(got, (std::vector<std::string>{"one", "", "three"}));
  EXPECT_TRUE(reader.empty());
  reader.append(grpc_frame(std::string(101, 'x')));
  EXPECT_EQ(reader.next().error().code, Code::kResourceExhausted);
}

}  // namespace
}  // namespace keelson::net
