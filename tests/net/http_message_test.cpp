#include "net/http_message.h"

#include <gtest/gtest.h>

#include "net/http_target.h"

namespace lookback::net {
namespace {

std::optional<Refusal> RefusalOf(const std::string& text) {
  HttpParser parser;
  parser.Feed(AsBytes(text));
  return parser.refused();
}

TEST(HttpMessage, OneRequestIsTakenAndTheNextIsLeft) {
  const std::string two =
      "POST /a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
      "GET /b HTTP/1.1\r\nHost: h\r\n\r\n";
  HttpParser parser;
  const size_t used = parser.Feed(AsBytes(two));
  ASSERT_TRUE(parser.complete());
  EXPECT_EQ(two.substr(used, 6), "GET /b");
  const HttpRequest first = parser.TakeRequest();
  EXPECT_EQ(first.method, "POST");
  EXPECT_EQ(first.body, "abc");
  EXPECT_FALSE(parser.started());
  EXPECT_EQ(parser.Feed(AsBytes(two).subspan(used)), two.size() - used);
  ASSERT_TRUE(parser.complete());
  EXPECT_EQ(parser.TakeRequest().path, "/b");
}

TEST(HttpMessage, BytesMayComeOneByOne) {
  const std::string text =
      "PUT /p HTTP/1.1\r\nHost: h\r\nX-One: a\r\nX-Empty:\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
  HttpParser parser;
  for (const char c : text) EXPECT_EQ(parser.Feed(AsBytes(std::string_view(&c, 1))), 1u);
  ASSERT_TRUE(parser.complete());
  const HttpRequest request = parser.TakeRequest();
  EXPECT_EQ(request.body, "abc");
  EXPECT_EQ(request.Header("x-one"), "a");
  EXPECT_EQ(request.headers.size(), 4u);
}

TEST(HttpMessage, AmbiguousFramingIsRefused) {
  for (const char* headers :
       {"Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Host: a\r\nHost: b\r\n", "Bad Name: x\r\n"}) {
    const auto refusal =
        RefusalOf(std::string("POST /a HTTP/1.1\r\n") + headers + "\r\nGET /b HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(refusal) << headers;
    EXPECT_GE(refusal->status, 400) << headers;
  }
}

TEST(HttpMessage, LimitsAreToldApart) {
  EXPECT_EQ(RefusalOf("GET / HTTP/1.1\r\nX: " + std::string(kMaxRequestHeaders, 'a'))->status, 431);
  EXPECT_EQ(RefusalOf("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n")->status, 414);
  EXPECT_EQ(RefusalOf("POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n")->status, 413);
  EXPECT_EQ(RefusalOf("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" +
                      std::string(kMaxRequestBody + 1, 'a'))
                ->status,
            413);
  EXPECT_EQ(RefusalOf("hello\r\n\r\n")->status, 400);
}

TEST(HttpMessage, PathTricksAreRefused) {
  for (const char* target : {"/a/../b", "/..", "/a/%2e%2e/b", "/a/.%2E/b", "/./a", "/a\\b",
                             "/a%00b", "/a%0d%0aX", "/a%zz", "/a%4", "*", "http://h/a"}) {
    HttpRequest request;
    EXPECT_TRUE(ParseTarget(target, request)) << target;
  }
  HttpRequest request;
  ASSERT_FALSE(ParseTarget("/a%20b/..c?start=2026-05-04T22:00:00+08:00&x&y=%E5%B8%82&=", request));
  EXPECT_EQ(request.path, "/a b/..c");
  EXPECT_EQ(*request.Query("start"), "2026-05-04T22:00:00+08:00");
  EXPECT_EQ(*request.Query("x"), "");
  EXPECT_EQ(*request.Query("y"), "市");
  EXPECT_EQ(request.Query("z"), nullptr);
}

TEST(HttpMessage, AValueCannotAddAHeader) {
  HttpResponse response;
  response.headers = {{"Location", "/a\r\nSet-Cookie: x"}};
  EXPECT_EQ(FormatHead(response, Framing::kLength, 0, true),
            "HTTP/1.1 200 OK\r\nLocation: /aSet-Cookie: x\r\nContent-Length: 0\r\n"
            "Connection: keep-alive\r\n\r\n");
}

}  // namespace
}  // namespace lookback::net
