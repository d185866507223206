// What answers get on their way out; gzip is undone by the program of that name.
#include "net/http_finish.h"

#include <gtest/gtest.h>

#include "tests/support/shell.h"

namespace lookback::net {
namespace {

HttpResponse Json(size_t bytes) {
  HttpResponse response;
  response.headers = {{"Content-Type", "application/json"}, {"ETag", "\"v1\""}};
  response.body = "[" + std::string(bytes - 2, ' ') + "]";
  return response;
}

std::string HeaderOf(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

HttpResponse Finished(HttpResponse response, const std::string& accept_encoding,
                      const std::string& if_none_match = {}) {
  HttpRequest request;
  request.method = "GET";
  request.headers = {{"accept-encoding", accept_encoding}, {"if-none-match", if_none_match}};
  FinishResponse(request, response, nullptr);
  return response;
}

TEST(HttpFinish, AcceptEncodingIsReadWithItsWeights) {
  for (const char* yes : {"gzip", "GZIP", "x-gzip", "*", "br, gzip;q=0.5", "gzip;q=1.0, identity",
                          "identity;q=0.5, gzip;q=0.5", "deflate , gzip ; q=0.001", "*;q=0.1"}) {
    EXPECT_TRUE(AcceptsGzip(yes)) << yes;
  }
  for (const char* no : {"", "br", "identity", "gzip;q=0", "gzip;q=0.000", "gzip;q=0, *",
                         "gzip;q=0.2, identity;q=0.3", "*;q=0", "gzipped"}) {
    EXPECT_FALSE(AcceptsGzip(no)) << no;
  }
}

TEST(HttpFinish, ALongTextIsCompressedAndItsTagIsWeak) {
  const HttpResponse plain = Json(100'000);
  const HttpResponse packed = Finished(Json(100'000), "gzip");
  EXPECT_EQ(HeaderOf(packed, "Content-Encoding"), "gzip");
  EXPECT_EQ(HeaderOf(packed, "Vary"), "Accept-Encoding");
  EXPECT_EQ(HeaderOf(packed, "ETag"), "W/\"v1\"");
  EXPECT_LT(packed.body.size(), 1'000u);
  const test::TemporaryDirectory directory;
  const std::string path = directory.Write("body.gz", AsBytes(packed.body));
  EXPECT_EQ(test::Shell("gzip -dc " + path), plain.body);
}

TEST(HttpFinish, WhoDoesNotAskForItGetsThePlainTextAndTheSameVary) {
  const HttpResponse answer = Finished(Json(100'000), "br");
  EXPECT_EQ(HeaderOf(answer, "Content-Encoding"), "");
  EXPECT_EQ(HeaderOf(answer, "Vary"), "Accept-Encoding");
  EXPECT_EQ(HeaderOf(answer, "ETag"), "\"v1\"");
  EXPECT_EQ(answer.body, Json(100'000).body);
}

TEST(HttpFinish, ShortTextsMediaAndRangesStayAsTheyAre) {
  EXPECT_EQ(HeaderOf(Finished(Json(kMinCompressedBytes - 1), "gzip"), "Content-Encoding"), "");
  EXPECT_EQ(HeaderOf(Finished(Json(kMinCompressedBytes), "gzip"), "Content-Encoding"), "gzip");
  HttpResponse media = Json(100'000);
  media.headers = {{"Content-Type", "video/mp4"}};
  EXPECT_EQ(HeaderOf(Finished(std::move(media), "gzip"), "Content-Encoding"), "");
  HttpResponse part = Json(100'000);
  part.status = 206;
  EXPECT_EQ(HeaderOf(Finished(std::move(part), "gzip"), "Content-Encoding"), "");
}

TEST(HttpFinish, A304NamesTheTagThatTheClientHas) {
  const auto unchanged = [] {
    HttpResponse response;
    response.status = 304;
    response.headers = {{"ETag", "\"v1\""}};
    return response;
  };
  EXPECT_EQ(HeaderOf(Finished(unchanged(), "gzip", "W/\"v1\""), "ETag"), "W/\"v1\"");
  EXPECT_EQ(HeaderOf(Finished(unchanged(), "gzip", "\"v1\""), "ETag"), "\"v1\"");
}

TEST(HttpFinish, TheTagMayStandInAnyLineOfTheList) {
  HttpRequest request;
  request.headers = {{"if-none-match", "\"v0\""}, {"if-none-match", "W/\"v1\""}};
  HttpResponse unchanged;
  unchanged.status = 304;
  unchanged.headers = {{"ETag", "\"v1\""}};
  FinishResponse(request, unchanged, nullptr);
  EXPECT_EQ(HeaderOf(unchanged, "ETag"), "W/\"v1\"");
}

TEST(HttpFinish, A304OfATextSaysVaryAsItsTextDoes) {
  HttpResponse text;
  text.status = 304;
  text.headers = {{"Content-Type", "text/css; charset=utf-8"}, {"ETag", "\"v1\""}};
  EXPECT_EQ(HeaderOf(Finished(std::move(text), "gzip", "\"v1\""), "Vary"), "Accept-Encoding");
  HttpResponse media;
  media.status = 304;
  media.headers = {{"Content-Type", "video/mp4"}, {"ETag", "\"v1\""}};
  EXPECT_EQ(HeaderOf(Finished(std::move(media), "gzip", "\"v1\""), "Vary"), "");
}

TEST(HttpFinish, LinesOfAcceptEncodingAreOneList) {
  HttpRequest request;
  request.headers = {{"accept-encoding", "br"}, {"accept-encoding", "gzip"}};
  HttpResponse answer = Json(100'000);
  FinishResponse(request, answer, nullptr);
  EXPECT_EQ(HeaderOf(answer, "Content-Encoding"), "gzip");
}

TEST(HttpFinish, EveryAnswerHasItsGuards) {
  ManualClock clock(1'777'939'200 * kUsPerSecond);  // 2026-05-05 00:00:00 UTC
  HttpResponse answer;
  answer.headers = {{"Content-Type", "text/html; charset=utf-8"}};
  AddStandingHeaders(answer, /*secure=*/true, &clock);
  EXPECT_EQ(HeaderOf(answer, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(HeaderOf(answer, "Referrer-Policy"), "no-referrer");
  EXPECT_EQ(HeaderOf(answer, "X-Frame-Options"), "DENY");
  EXPECT_NE(HeaderOf(answer, "Content-Security-Policy").find("frame-ancestors 'none'"),
            std::string::npos);
  EXPECT_TRUE(HeaderOf(answer, "Strict-Transport-Security").starts_with("max-age="));
  EXPECT_EQ(HeaderOf(answer, "Date"), "Tue, 05 May 2026 00:00:00 GMT");
  HttpResponse plain = Json(10);
  AddStandingHeaders(plain, /*secure=*/false, &clock);
  EXPECT_EQ(HeaderOf(plain, "Strict-Transport-Security"), "");
  EXPECT_EQ(HeaderOf(plain, "Content-Security-Policy"), "");
}

TEST(HttpFinish, AHandlersOwnHeaderStays) {
  HttpResponse answer;
  answer.headers = {{"content-type", "text/html"}, {"content-security-policy", "default-src a"}};
  AddStandingHeaders(answer, /*secure=*/false, nullptr);
  EXPECT_EQ(HeaderOf(answer, "content-security-policy"), "default-src a");
  EXPECT_EQ(HeaderOf(answer, "Content-Security-Policy"), "");
}

}  // namespace
}  // namespace lookback::net
