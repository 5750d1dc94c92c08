// An HTTP/2 client notices that a server has fallen silent; time is given by hand.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "net/client_connection.h"

namespace keelson::net {
namespace {

constexpr char kPingType = 6;

// True when the frames in `bytes`, after the client's preface, have one of that type.
bool has_frame(std::string_view bytes, char type) {
  bytes.remove_prefix(24);
  while (bytes.size() >= 9) {
    const auto at = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i]));
    };
    if (bytes[3] == type) return true;
    const std::size_t n = 9 + (at(0) << 16 | at(1) << 8 | at(2));
    if (bytes.size() < n) return false;
    bytes.remove_prefix(n);
  }
  return false;
}

class ClientHealth : public ::testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    server_ = fds[1];
    connection_ = make_h2_client(
        std::make_shared<Wire>(io_.get_executor(), fds[0], nullptr, Wire::Side::kClient), "a", false, true);
    connection_->run({});
    call_ = std::make_shared<ClientCall>();
  }
  void TearDown() override {
    connection_->close();
    io_.poll();
    ::close(server_);
  }
  void check(std::chrono::seconds at) {
    connection_->check_health(MonoTime(at));
    io_.restart();
    io_.poll();
  }
  std::string sent() {
    char buf[4096];
    for (ssize_t n = 0; (n = ::read(server_, buf, sizeof buf)) > 0;)
      all_.append(buf, static_cast<std::size_t>(n));
    return all_;
  }

  boost::asio::io_context io_;
  int server_ = -1;
  std::string all_;
  std::shared_ptr<ClientConnection> connection_;
  std::shared_ptr<ClientCall> call_;
};

using std::chrono::seconds;

TEST_F(ClientHealth, SilenceEndsCalls) {
  connection_->begin(call_, {}, false);
  check(seconds(100));
  check(seconds(110));
  EXPECT_FALSE(has_frame(sent(), kPingType));
  check(seconds(116));
  EXPECT_TRUE(has_frame(sent(), kPingType));
  check(seconds(129));
  EXPECT_FALSE(call_->over());
  check(seconds(131));
  ASSERT_TRUE(call_->error.has_value());
  EXPECT_EQ(call_->error->code, Code::kUnavailable);
  EXPECT_TRUE(connection_->gone());
}

TEST_F(ClientHealth, AnySignOfLifeCounts) {
  connection_->begin(call_, {}, false);
  check(seconds(100));
  check(seconds(116));
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  ASSERT_EQ(::write(server_, settings.data(), settings.size()), 9);
  check(seconds(120));  // reads it
  check(seconds(125));
  check(seconds(139));
  EXPECT_FALSE(call_->over());
  EXPECT_FALSE(connection_->gone());
}

TEST_F(ClientHealth, NobodyWaitsNobodyAsks) {
  for (int s = 100; s < 300; s += 5) check(seconds(s));
  EXPECT_FALSE(has_frame(sent(), kPingType));
  EXPECT_FALSE(connection_->gone());
}

}  // namespace
}  // namespace keelson::net
