#include "base/wire.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/crc32c.h"
#include "base/rng.h"

namespace keelson {
namespace {

TEST(Wire, RoundTrip) {
  std::string out;
  wire::Writer w(out);
  w.uint(1, 300);
  w.sint(2, -1);
  auto sub = w.begin(3);
  w.bytes(1, std::string(200, 'x'));
  w.end(sub);
  w.fixed64(4, std::numeric_limits<std::uint64_t>::max());
  w.fixed32(536870911, 7);
  EXPECT_EQ(out.substr(0, 3), "\x08\xac\x02");
  wire::Reader r(out);
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.uint(), 300u);
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.sint(), -1);
  ASSERT_TRUE(r.next());
  wire::Reader inner(r.bytes());
  ASSERT_TRUE(inner.next());
  EXPECT_EQ(inner.bytes(), std::string(200, 'x'));
  EXPECT_FALSE(inner.next());
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.fixed64(), std::numeric_limits<std::uint64_t>::max());
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.field(), 536870911u);
  EXPECT_EQ(r.fixed32(), 7u);
  EXPECT_FALSE(r.next());
  EXPECT_TRUE(r.ok());
}

TEST(Wire, EveryCutOfAMessageIsRefusedOrShorter) {
  std::string out;
  wire::Writer w(out);
  w.bytes(1, "abc");
  w.fixed64(2, 1);
  for (std::size_t n = 1; n < out.size(); ++n) {
    if (n == 5) continue;  // exactly the first field
    wire::Reader r(std::string_view(out).substr(0, n));
    while (r.next()) {
    }
    EXPECT_FALSE(r.ok()) << n;
  }
}

TEST(Wire, WrongTypeIsNotOk) {
  std::string out;
  wire::Writer(out).uint(1, 1);
  wire::Reader r(out);
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.bytes(), "");
  EXPECT_FALSE(r.ok());
}

TEST(Crc32c, KnownValuesAndBothVersionsAgree) {
  EXPECT_EQ(crc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  Rng rng(1);
  for (int i = 0; i < 200; ++i) {
    std::string s(rng.below(300), '\0');
    for (auto& c : s) c = static_cast<char>(rng.next());
    const auto cut = rng.below(s.size() + 1);
    const auto whole = crc32c(0, s);
    EXPECT_EQ(whole, detail::crc32c_portable(0, s));
    EXPECT_EQ(whole, crc32c(crc32c(0, s.substr(0, cut)), s.substr(cut)));
  }
}

}  // namespace
}  // namespace keelson
