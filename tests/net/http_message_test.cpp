#include "net/http_message.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "net/http_target.h"

namespace lookback::net {
namespace {

struct Outcome {
  int status = 0;  // Of the refusal; 200 when the request is whole, 0 when more is awaited.
  HttpRequest request;
};

// What becomes of the text, whole and byte by byte.
Outcome Read(const std::string& text) {
  Outcome whole;
  for (const size_t piece : {text.size(), size_t{1}}) {
    HttpParser parser;
    for (size_t at = 0; at < text.size() && !parser.complete() && !parser.refused();) {
      at += parser.Feed(AsBytes(text).subspan(at, std::min(piece, text.size() - at)));
    }
    Outcome outcome;
    if (const auto refusal = parser.refused()) outcome.status = refusal->status;
    if (parser.complete()) outcome = {200, parser.TakeRequest()};
    if (piece == text.size()) whole = outcome;
    EXPECT_EQ(outcome.status, whole.status) << text;
    EXPECT_EQ(outcome.request.body, whole.request.body) << text;
    EXPECT_EQ(outcome.request.headers, whole.request.headers) << text;
  }
  return whole;
}

int StatusOf(const std::string& text) { return Read(text).status; }

Outcome ReadChunks(const std::string& body) {
  return Read("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
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
        "Host: b\r\n", "Bad Name: x\r\n"}) {
    EXPECT_GE(StatusOf(std::string("POST /a HTTP/1.1\r\nHost: h\r\n") + headers +
                       "\r\nGET /b HTTP/1.1\r\n\r\n"),
              400)
        << headers;
  }
}

TEST(HttpMessage, LimitsAreToldApart) {
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\nX: " + std::string(kMaxRequestHeaders, 'a')), 431);
  EXPECT_EQ(StatusOf("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n"), 414);
  EXPECT_EQ(StatusOf(post + "Content-Length: 1048577\r\n\r\n"), 413);
  EXPECT_EQ(StatusOf(post + "Transfer-Encoding: chunked\r\n\r\n200000\r\n" +
                     std::string(kMaxRequestBody + 1, 'a')),
            413);
  EXPECT_EQ(StatusOf("hello\r\n\r\n"), 400);
}

TEST(HttpMessage, AChunkedBodyIsWholeOnlyWithEachOfItsLineEnds) {
  const Outcome whole = ReadChunks("2;a=\"b\"\r\n{\"\r\n00B ;x\r\na\":\r\n 12345\r\n000\r\n\r\n");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.request.body, "{\"a\":\r\n 12345");
  for (const char* body :
       {"2\r\n{}XX0\r\n\r\n", "2\r\n{}\rX0\r\n\r\n", "2\r\n{}\n0\r\n\r\n", "2\r\n{}0\r\n\r\n",
        "2\r\n{}\r\n0\rX\r\n", "2\rX{}\r\n0\r\n\r\n", "2\n{}\r\n0\r\n\r\n",
        "2;a\nb\r\n{}\r\n0\r\n\r\n", "2 3\r\n{}\r\n0\r\n\r\n", "\r\n", ";a\r\n", "-2\r\n",
        "0x2\r\n", "2\r\n{}\r\n0\r\n\rX", "2\r\n{}\r\n0\r\nX: y\rZ\r\n\r\n",
        "00000000000000000000000002\r\n"}) {
    EXPECT_EQ(ReadChunks(body).status, 400) << body;
  }
}

TEST(HttpMessage, WhatStandsBesideTheDataOfChunksIsBounded) {
  const std::string much(kMaxRequestHeaders / 2, 'a');
  EXPECT_EQ(ReadChunks("1;" + much + "\r\na\r\n0\r\nX: y\r\n\r\n").status, 200);
  EXPECT_EQ(ReadChunks("1;" + much + "\r\na\r\n0;" + much + "\r\n\r\n").status, 431);
  EXPECT_EQ(ReadChunks("1\r\na\r\n0\r\nX: " + much + "\r\nY: " + much + "\r\n\r\n").status, 431);
}

TEST(HttpMessage, FieldsBehindABodyHaveNoEffect) {
  const Outcome outcome = ReadChunks(
      "2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\nHost: other\r\nContent-Length: 7\r\n"
      "X-Lookback-Request: 1\r\n\r\n");
  EXPECT_EQ(outcome.status, 200);
  const std::vector<std::pair<std::string, std::string>> head = {{"host", "h"},
                                                                 {"transfer-encoding", "chunked"}};
  EXPECT_EQ(outcome.request.headers, head);
}

TEST(HttpMessage, ChunksOfHttp10EndTheConnection) {
  for (const auto& [framing, kept] :
       {std::pair("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false),
        {"Content-Length: 0\r\n\r\n", true}}) {
    HttpParser parser;
    parser.Feed(AsBytes(std::string("POST / HTTP/1.0\r\nConnection: keep-alive\r\n") + framing));
    ASSERT_TRUE(parser.complete()) << framing;
    EXPECT_EQ(parser.keep_alive(), kept) << framing;
  }
}

TEST(HttpMessage, AHeadHasNoBareReturnAndNoFoldedLine) {
  for (const char* rest :
       {"X:\rY\r\n\r\n", "X: a\rY\r\n\r\n", "\rX", "X: a\r\n b\r\n\r\n", "X:\r\n\tb\r\n"}) {
    EXPECT_EQ(StatusOf(std::string("GET / HTTP/1.1\r\nHost: h\r\n") + rest), 400) << rest;
  }
}

TEST(HttpMessage, TheHostIsNamedOnceAndIsOne) {
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.0\r\n\r\n"), 200);
  for (const char* host : {"", "h", "h:", "nvr_1.example:8686", "192.0.2.7", "[2001:db8::7]:443",
                           "a%20b", "h \t", "\t h"}) {
    EXPECT_EQ(StatusOf(std::string("GET / HTTP/1.1\r\nHost:") + host + "\r\n\r\n"), 200) << host;
  }
  for (const char* host : {"a b/c@d", "u@h", "h/", "h:80:80", "h:x", "[::1", "[]", "::1", "a%2",
                           "[::1]x", "h?", "\xc3\xa4"}) {
    for (const char* version : {"1.0", "1.1"}) {
      EXPECT_EQ(StatusOf(std::string("GET / HTTP/") + version + "\r\nHost: " + host + "\r\n\r\n"),
                400)
          << host;
    }
  }
}

TEST(HttpMessage, AnAbsoluteTargetNamesTheHostItself) {
  const auto get = [](const std::string& target) {
    return Read("GET " + target + " HTTP/1.1\r\nHost: other\r\n\r\n");
  };
  const Outcome plain = get("http://x:8686/a%20b?c=http://d");
  ASSERT_EQ(plain.status, 200);
  EXPECT_EQ(plain.request.path, "/a b");
  EXPECT_EQ(*plain.request.Query("c"), "http://d");
  EXPECT_EQ(plain.request.Header("host"), "x:8686");
  EXPECT_EQ(get("HTTPS://[::1]?c").request.path, "/");
  EXPECT_NE(get("HTTPS://[::1]?c").request.Query("c"), nullptr);
  EXPECT_EQ(get("https://x").request.path, "/");
  const Outcome old = Read("GET http://x/a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.request.path, "/a");
  EXPECT_EQ(old.request.Header("host"), "x");
  for (const char* target : {"ftp://x/a", "http:///a", "http://:80/a", "http://u@x/a",
                             "http://x/../a", "http:/a", "http://", "x:80", "*"}) {
    EXPECT_EQ(get(target).status, 400) << target;
  }
}

TEST(HttpMessage, NobodyOfHttp10AwaitsAContinue) {
  for (const auto& [version, awaits] : {std::pair("1.0", false), {"1.1", true}}) {
    HttpParser parser;
    parser.Feed(AsBytes(std::string("POST / HTTP/") + version +
                        "\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT_TRUE(parser.head_complete());
    EXPECT_EQ(parser.wants_continue(), awaits) << version;
  }
}

TEST(HttpMessage, LinesOfOneNameAreOneList) {
  const Outcome outcome = Read("GET / HTTP/1.1\r\nHost: h\r\nA: 1 \r\nB: x\r\nA:\r\nA: 2\r\n\r\n");
  EXPECT_EQ(outcome.request.List("a"), "1, 2");
  EXPECT_EQ(outcome.request.List("c"), "");
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
