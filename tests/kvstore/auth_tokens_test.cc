// JWTs and bcrypt hashes: what Go's libraries (etcd's) made is accepted, what was tampered with is not, and
// ours verify.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "kvstore/server/etcd/jwt.h"
#include "kvstore/server/etcd/password.h"

namespace keelson::kvstore::etcd {
namespace {

constexpr std::string_view kRsaPublic =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAx+UC9cgces6qD1wpVbK0\n"
    "ou1WWSFhzpVl2vwxDtl0PJi8kNRPjdGWri1xKRdhi6dtSTOX9G3ZqH3S30rG1noe\n"
    "UzrgvJUom4iwK4WglRDw58Ashy6S9TYHZtm9oPlZ9KpxfWlSAS01q7651inQ8t4x\n"
    "r2hBCbB7iKW5o6Cdw447qw0bf0CG0jiDmEG5rpWmFZ5HNTFF0i7Ep9SO/a7BNzA0\n"
    "XisBh79JvQBKiCZ2yaIYGuOmMimCpjVvJroNHZtPcXJxQLY8b4XTINFcKVOnK3Lm\n"
    "9xchbAwWKVssRRsHA1GEYyjYZGKxJTxnXPolzixeDpnTuNzOdb77F+xuRgCBbZWK\n"
    "dwIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
constexpr std::string_view kEc256Public =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEiWYerfpdUr8BLmYvWUgy7zb9Pqqz\n"
    "bVPgYBjKiYt6OP9v1DTSokNPBnOXJNIBRgFq7tnVbi8kSR+gyPkcNGAWBA==\n"
    "-----END PUBLIC KEY-----\n";
constexpr std::string_view kEc521Public =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAc6QZ+Xy88Qpo0XHqPQZEKsZAOYdT\n"
    "BCBVwPPy2IdlCX7rUV5J4kQ+6HaVdneIIp03+mPloH7mp4o5XmMpiOwowZUBA5hQ\n"
    "dk6VVA83hrsF9KWlO2EIM4kER1jGMTR+T77ZFOFxBYw91tnM+zhq2R8fUX5TfFcK\n"
    "gMVApKEwvc417Ho4svM=\n"
    "-----END PUBLIC KEY-----\n";
constexpr std::string_view kEdPublic =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAYOOdT4MaBJSYk8HtSubLe3RxDq2v9UwrV2YaNowMIso=\n"
    "-----END PUBLIC KEY-----\n";

struct Vector {
  std::string_view method;
  std::string_view public_key;
  std::string_view secret;
  std::string_view token;
};
// golang-jwt v5: username alice, revision 7, exp 4102444800.
constexpr Vector kVectors[] = {
    {"RS256", kRsaPublic, "",
     "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInJldmlzaW9uIjo3LCJ1c2VybmFtZ"
     "SI6ImFsaWNlIn0.H-bDDd7d0lv4dd98kI6pfWtyaIZGg-7iH_CkP6BsEujgXTf3zsZs8VlhTuiqsqRMw-Mkt9vZa6A"
     "iYCd63m9_aih43Ts0RschQS35GWLi7s5L7hwNmIjkVp7Orzg5dp-QD-67DzKMOrAl5Gl9oXrUX9D2EgesRxr5Ha_Vs"
     "a1EXCFJJ-9CXDLzvFUgjZ8yPfyu1j46gA5A7uItBIdS-cwJKUyCFG0z-HaSAuqdr6D5JPHrHh5dYk3FBYS-yCH3eZE"
     "_mI0uvlhhiuHAO6Zs36svbWIqx8RoQ-_xVLl0lfWNZUtYSiCf1uYSNa8NDSwKq3Q0uW0op5ki1IrsaCTX87E9lA"},
    {"PS384", kRsaPublic, "",
     "eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInJldmlzaW9uIjo3LCJ1c2VybmFtZ"
     "SI6ImFsaWNlIn0.uqNTX5_RYz8DFsoxtIY00xpzmANqCxyxCYjvW-J4VSUyror_tg-HkqMVFXBqq9hSOM9y2mJ3KGa"
     "KXVF5-vbfPM7X_QTW8lNbCCAJrLbcqSwef7EQ30PaeChHZ70TXAzr0kvTcYinV57o5s5pNGJxalU8dNexJT7DhJnSD"
     "wW9lqKjhZMVfJttT7yik-LgO5yjTLmLIyD7YvH4R8oYhkmyAUyJWx0SaCd9J_5b1yNJx3JIBK8HV2DlJj3Jv871ctT"
     "DmmzPx58kLZcAwb0Fh4KCUriFHlhXVzQx7MQFemqz_1eDzS0LVif_3S183ediQc0OB_2QCJpH__a5-AbGvudehQ"},
    {"ES256", kEc256Public, "",
     "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInJldmlzaW9uIjo3LCJ1c2VybmFtZ"
     "SI6ImFsaWNlIn0.2Okoau_OTZwfIYUrqdptwMZqgucX3uXOHjZumAdVn2gka75AbCd5b1oRIVPaZ-8e1I2FKDpJoto"
     "Tq_NMUcBHqA"},
    {"ES512", kEc521Public, "",
     "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInJldmlzaW9uIjo3LCJ1c2VybmFtZ"
     "SI6ImFsaWNlIn0.ARWQiJ_qTTqSV2WAlDIFC0SLZSyIwaLQYmnqwwQ-IWLg0gY5uHq9ffQEE6eET3XbDhSXY5zQq49"
     "uZQzJMy0olyn8AAA3VoLSr4lHY4OWUJUUg319YGmKZkDPafsa_nvSbD45aJFVTK3HCrTXuvxez8oe7OurZQc7UXfPl"
     "WsXnZHmgXa4"},
    {"EdDSA", kEdPublic, "",
     "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInJldmlzaW9uIjo3LCJ1c2VybmFtZ"
     "SI6ImFsaWNlIn0.Dd8HaDHRpITE6AjG0hG1pXO8rwgxX27sAl_ejMuSv6sL0V7Nr4wj6ss6f0vrg3ZEESd4FQ72-Xj"
     "WrhTqtVJ0BA"},
    {"HS256", "", "secret",
     "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInJldmlzaW9uIjo3LCJ1c2VybmFtZ"
     "SI6ImFsaWNlIn0.VnSkwiFBtVZp7-Fln-p2chaq81OAyDC0GV3V8dlBoJU"},
};

const WallTime kNow{std::chrono::seconds(1'800'000'000)};

Result<Jwt> make(const Vector& v) {
  return Jwt::make({.sign_method = std::string(v.method),
                    .public_key = std::string(v.public_key),
                    .private_key = std::string(v.secret)});
}

TEST(Jwt, AcceptsWhatGoSigned) {
  for (const Vector& v : kVectors) {
    const auto jwt = make(v);
    ASSERT_TRUE(jwt) << v.method << ": " << jwt.error().to_string();
    const auto claims = jwt->verify(v.token, kNow);
    ASSERT_TRUE(claims) << v.method;
    EXPECT_EQ(claims->user, "alice");
    EXPECT_EQ(claims->auth_revision, 7u);
    EXPECT_EQ(claims->expires, WallTime(std::chrono::seconds(4102444800)));
    EXPECT_FALSE(jwt->verify(v.token, WallTime(std::chrono::seconds(4102444800)))) << v.method;
    EXPECT_EQ(jwt->can_sign(), v.method == "HS256");
  }
}

TEST(Jwt, RefusesWhatWasTamperedWith) {
  for (const Vector& v : kVectors) {
    const auto jwt = make(v);
    ASSERT_TRUE(jwt);
    const std::string token(v.token);
    const auto dot1 = token.find('.');
    const auto dot2 = token.find('.', dot1 + 1);
    // Other claims under the same signature, another signature, an algorithm of the attacker's choice.
    const std::string root = base64url_encode(R"({"exp":4102444800,"revision":7,"username":"root"})");
    EXPECT_FALSE(jwt->verify(token.substr(0, dot1 + 1) + root + token.substr(dot2), kNow)) << v.method;
    std::string flipped = token;
    flipped[dot2 + 5] = flipped[dot2 + 5] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(jwt->verify(flipped, kNow)) << v.method;
    const std::string none = base64url_encode(R"({"alg":"none","typ":"JWT"})");
    EXPECT_FALSE(jwt->verify(none + token.substr(dot1, dot2 - dot1) + ".", kNow)) << v.method;
    EXPECT_FALSE(jwt->verify(token.substr(0, dot2), kNow));
    EXPECT_FALSE(jwt->verify(token + ".x", kNow));
    EXPECT_FALSE(jwt->verify("", kNow));
    for (const Vector& other : kVectors) {
      if (other.method != v.method) EXPECT_FALSE(jwt->verify(other.token, kNow)) << v.method;
    }
  }
}

std::string private_pem(EVP_PKEY* key) {
  BIO* bio = ::BIO_new(::BIO_s_mem());
  EXPECT_EQ(::PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  char* data = nullptr;
  const long n = ::BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(n));
  ::BIO_free_all(bio);
  ::EVP_PKEY_free(key);
  return out;
}

TEST(Jwt, SignsWhatItVerifies) {
  const std::string rsa = private_pem(::EVP_RSA_gen(2048));
  const std::string ec256 = private_pem(::EVP_EC_gen("P-256"));
  const std::string ec384 = private_pem(::EVP_EC_gen("P-384"));
  const std::string ed = private_pem(::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const std::pair<std::string, std::string> all[] = {{"RS256", rsa}, {"RS512", rsa},   {"PS256", rsa},
                                                     {"PS512", rsa}, {"ES256", ec256}, {"ES384", ec384},
                                                     {"EdDSA", ed},  {"HS384", "key"}};
  for (const auto& [method, key] : all) {
    const auto jwt = Jwt::make({.sign_method = method, .private_key = key, .ttl = std::chrono::minutes(5)});
    ASSERT_TRUE(jwt) << method << jwt.error().to_string();
    const auto token = jwt->sign("bob", 9, kNow);
    ASSERT_TRUE(token);
    const auto claims = jwt->verify(*token, kNow + std::chrono::minutes(4));
    ASSERT_TRUE(claims) << method;
    EXPECT_EQ(claims->user, "bob");
    EXPECT_EQ(claims->auth_revision, 9u);
    EXPECT_FALSE(jwt->verify(*token, kNow + std::chrono::minutes(6)));
  }
  const auto message = [](JwtOptions o) { return Jwt::make(std::move(o)).error().message; };
  EXPECT_EQ(message({.sign_method = "RS257", .private_key = rsa}), "auth: invalid auth signature method");
  EXPECT_EQ(message({.sign_method = "", .private_key = rsa}), "auth: invalid auth signature method");
  EXPECT_EQ(message({.sign_method = "RS256"}), "auth: missing key data");
  EXPECT_EQ(message({.sign_method = "HS256", .public_key = "x"}), "auth: missing key data");
  EXPECT_EQ(message({.sign_method = "RS256", .public_key = std::string(kRsaPublic), .private_key = rsa}),
            "auth: public and private keys don't match");
  EXPECT_FALSE(Jwt::make({.sign_method = "RS256", .private_key = ec256}));
  EXPECT_FALSE(Jwt::make({.sign_method = "ES384", .private_key = ec256}));
  EXPECT_FALSE(Jwt::make({.sign_method = "ES256", .private_key = "no pem"}));
  EXPECT_FALSE(make(kVectors[0])->sign("bob", 9, kNow));
}

TEST(Password, AcceptsWhatGoHashed) {
  EXPECT_TRUE(password_matches("secret", "$2a$04$PZmQetppI0eXJNpzDSbLceB61SEm67T0WhMcZcWB6mtNI0HJmPs2q"));
  EXPECT_FALSE(password_matches("Secret", "$2a$04$PZmQetppI0eXJNpzDSbLceB61SEm67T0WhMcZcWB6mtNI0HJmPs2q"));
  EXPECT_TRUE(password_matches("", "$2a$04$ecQkhIoc5NTiHd1XfRhFx.ASX6BYezYDYfqUmz7x5XUyqKPjzcFEG"));
  EXPECT_TRUE(
      password_matches("gr\xc3\xbcn\xff", "$2a$04$ZkXVvLPqExvfcgA7QMg1l.lhHam9oq9AtguLFh4jPWweNhUzwee/S"));
  EXPECT_FALSE(password_matches("", ""));
  EXPECT_FALSE(password_matches("x", std::string(60, '$')));
}

TEST(Password, HashesAreSaltedAndChecked) {
  const auto a = hash_password("p", kBcryptCostMin), b = hash_password("p", kBcryptCostMin);
  ASSERT_TRUE(a && b);
  EXPECT_NE(*a, *b);
  EXPECT_TRUE(a->starts_with("$2a$04$"));
  EXPECT_TRUE(password_matches("p", *a));
  EXPECT_FALSE(password_matches("q", *a));
  EXPECT_FALSE(password_matches(std::string_view("p\0x", 3), *a));
  EXPECT_EQ(hash_password(std::string(73, 'x'), kBcryptCostMin).error().message,
            "bcrypt: password length exceeds 72 bytes");
  EXPECT_FALSE(hash_password(std::string_view("p\0x", 3), kBcryptCostMin));
}

}  // namespace
}  // namespace keelson::kvstore::etcd
