#include "recorder/rtsp_auth.h"

#include <gmock/gmock.h>

namespace lookback::recorder {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

RtspAuth Auth(const std::string& user, const std::string& password, const std::string& cnonce) {
  return RtspAuth(user, password, [cnonce] { return cnonce; });
}

TEST(RtspAuth, AnswersTheExampleOfRfc2617) {
  RtspAuth auth = Auth("Mufasa", "Circle Of Life", "0a4f113b");
  ASSERT_TRUE(
      auth.Challenge({"Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
                      "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
                      "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""}));
  const std::string value = auth.Authorize("GET", "/dir/index.html");
  EXPECT_THAT(value, HasSubstr("response=\"6629fae49393a05397450978507c4ef1\""));
  EXPECT_THAT(value, HasSubstr("nc=00000001"));
  EXPECT_THAT(value, HasSubstr("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
}

TEST(RtspAuth, AnswersTheSha256ExampleOfRfc7616AndPrefersItToMd5) {
  RtspAuth auth = Auth("Mufasa", "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
  const std::string common =
      "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", "
      "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
      "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", algorithm=";
  const std::string md5 = common + "MD5";
  const std::string sha256 = common + "SHA-256";
  ASSERT_TRUE(auth.Challenge({md5}));
  EXPECT_THAT(auth.Authorize("GET", "/dir/index.html"),
              HasSubstr("response=\"8ca523f5e9506fed4657c9700eebdbec\""));
  ASSERT_TRUE(auth.Challenge({md5, sha256, "Basic realm=\"x\""}));
  EXPECT_THAT(
      auth.Authorize("GET", "/dir/index.html"),
      HasSubstr("response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""));
}

TEST(RtspAuth, AnswersWithoutQopAsRfc2069Did) {
  RtspAuth auth = Auth("admin", "12345", "unused");
  ASSERT_TRUE(auth.Challenge({"Digest realm=\"IP Camera\", nonce=\"abcdef\", stale=\"FALSE\""}));
  // printf 'admin:IP Camera:12345' | md5sum, and so on.
  const std::string value = auth.Authorize("DESCRIBE", "rtsp://10.0.0.5/live");
  EXPECT_THAT(value, HasSubstr("response=\"a909d00d67db8fdafa08e57f43ada18d\""));
  EXPECT_THAT(value, Not(HasSubstr("qop")));
}

TEST(RtspAuth, CountsUpForANonceAndAnewForTheNext) {
  RtspAuth auth = Auth("u", "p", "c");
  ASSERT_TRUE(auth.Challenge({"Digest realm=\"r\", nonce=\"1\", qop=\"auth\""}));
  auth.Authorize("OPTIONS", "*");
  EXPECT_THAT(auth.Authorize("OPTIONS", "*"), HasSubstr("nc=00000002"));
  ASSERT_TRUE(auth.Challenge({"Digest realm=\"r\", nonce=\"2\", qop=\"auth\", stale=true"}));
  EXPECT_THAT(auth.Authorize("OPTIONS", "*"), HasSubstr("nonce=\"2\""));
  EXPECT_THAT(auth.Authorize("OPTIONS", "*"), HasSubstr("nc=00000002"));
}

TEST(RtspAuth, BasicIsTheLastResort) {
  RtspAuth auth = Auth("Aladdin", "open sesame", "c");
  EXPECT_EQ(auth.Authorize("OPTIONS", "*"), "");
  ASSERT_TRUE(auth.Challenge({"Basic realm=\"WallyWorld\""}));
  EXPECT_EQ(auth.Authorize("OPTIONS", "*"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  ASSERT_TRUE(auth.Challenge({"Basic realm=\"a\", Digest realm=\"a\", nonce=\"n\""}));
  EXPECT_THAT(auth.Authorize("OPTIONS", "*"), StartsWith("Digest "));
}

TEST(RtspAuth, SaysWhatItCannotAnswer) {
  EXPECT_EQ(Auth("", "", "c").Challenge({"Basic realm=\"x\""}).code(), Code::kDenied);
  RtspAuth auth = Auth("u", "p", "c");
  EXPECT_EQ(auth.Challenge({}).code(), Code::kUnsupported);
  EXPECT_EQ(auth.Challenge({"Negotiate"}).code(), Code::kUnsupported);
  EXPECT_EQ(auth.Challenge({"Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512"}).code(),
            Code::kUnsupported);
  EXPECT_EQ(auth.Challenge({"Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""}).code(),
            Code::kUnsupported);
}

TEST(ParseChallenges, QuotesAndCommasAreKeptApart) {
  const auto challenges =
      ParseChallenges("Digest realm=\"a, \\\"b\\\"\" , nonce = x, Basic realm=\"c\"");
  ASSERT_EQ(challenges.size(), 2u);
  EXPECT_EQ(challenges[0].Find("REALM"), "a, \"b\"");
  EXPECT_EQ(challenges[0].Find("nonce"), "x");
  EXPECT_EQ(challenges[1].Find("realm"), "c");
  EXPECT_TRUE(ParseChallenges("").empty());
  EXPECT_TRUE(ParseChallenges("\"=,==,\"").empty());
}

}  // namespace
}  // namespace lookback::recorder
