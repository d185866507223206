#include "apps/lookback/api_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/apps/lookback/test_server.h"
#include "tests/support/temp_dir.h"

namespace lookback::app {
namespace {

using testing::HasSubstr;
using testing::Not;

std::unique_ptr<ApiClient> ClientOf(const std::string& url, const std::string& token = "lbk_x") {
  auto client = ApiClient::Open(url, token);
  EXPECT_TRUE(client) << client.message();
  return std::move(*client);
}

std::string ProblemBody(const std::string& type, const std::string& detail) {
  return Json{{"type", "/problems/" + type}, {"detail", detail}}.dump();
}

TEST(ApiClientTest, ARequestCarriesTokenQueryAndBodyAsMeant) {
  net::HttpRequest seen;
  TestServer server([&seen](const net::HttpRequest& request) {
    seen = request;
    return Answer(200, R"({"ok": true})");
  });
  const auto client = ClientOf(server.url() + "/");
  const std::string path =
      WithQuery("/p", {{"start", "2026-05-04T22:00:00+08:00"}, {"none", ""}, {"r", "北 & 1/2"}});
  const auto answer = client->Call("PUT", path, {{"a", "ü"}});
  ASSERT_TRUE(answer) << answer.message();
  EXPECT_TRUE(FlagOf(*answer, "ok"));
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.path, "/p");
  EXPECT_EQ(seen.Header("authorization"), "Bearer lbk_x");
  EXPECT_EQ(seen.Header("content-type"), "application/json");
  EXPECT_EQ(seen.body, "{\"a\":\"ü\"}");
  ASSERT_EQ(seen.query.size(), 2U);
  EXPECT_EQ(seen.query[0].second, "2026-05-04T22:00:00+08:00");
  EXPECT_EQ(seen.query[1].second, "北 & 1/2");
}

TEST(ApiClientTest, ARequestWithoutABodyNamesNoTypeOfOne) {
  net::HttpRequest seen;
  TestServer server([&seen](const net::HttpRequest& request) {
    seen = request;
    return Answer(204, "");
  });
  const auto client = ClientOf(server.url(), "");
  for (const char* method : {"POST", "DELETE", "GET"}) {
    const auto answer = client->Call(method, "/p");
    ASSERT_TRUE(answer) << answer.message();
    EXPECT_TRUE(answer->is_null());
    EXPECT_EQ(seen.method, method);
    EXPECT_EQ(seen.Header("content-type"), "");
    EXPECT_EQ(seen.Header("authorization"), "");
    EXPECT_EQ(seen.body, "");
  }
}

TEST(ApiClientTest, AProblemBecomesItsDetailUnderTheCodeOfItsStatus) {
  std::pair<int, std::string> next;
  TestServer server([&next](const net::HttpRequest&) {
    return Answer(next.first, ProblemBody(next.second, "because of this"));
  });
  const auto client = ClientOf(server.url());
  const struct {
    int status;
    const char* type;
    Code code;
  } cases[] = {{400, "bad-time", Code::kInvalid},          {401, "unauthorized", Code::kDenied},
               {403, "forbidden", Code::kDenied},          {404, "unknown-camera", Code::kNotFound},
               {409, "camera-exists", Code::kConflict},    {422, "unsupported", Code::kUnsupported},
               {500, "disk-failed", Code::kDiskFailed},    {500, "corrupt", Code::kCorrupt},
               {503, "not-on-record", Code::kUnavailable}, {507, "disk-full", Code::kDiskFull}};
  for (const auto& each : cases) {
    next = {each.status, each.type};
    const auto answer = client->Get("/p");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.code(), each.code) << each.type;
    EXPECT_THAT(answer.message(), testing::StartsWith("because of this"));
  }
  next = {401, "unauthorized"};
  EXPECT_THAT(client->Get("/p").message(), HasSubstr("--token-file"));
}

TEST(ApiClientTest, AnAnswerThatIsNoProblemAndNoJsonIsNamedAsSuch) {
  int status = 502;
  TestServer server([&status](const net::HttpRequest&) { return Answer(status, "<html>"); });
  const auto client = ClientOf(server.url());
  EXPECT_THAT(client->Get("/p").message(), HasSubstr("is it a Lookback server?"));
  status = 200;
  EXPECT_EQ(client->Get("/p").code(), Code::kUnsupported);
}

TEST(ApiClientTest, NobodyThereIsUnavailableAndSaysWhatToDo) {
  std::string url;
  {
    TestServer server([](const net::HttpRequest&) { return Answer(200, ""); });
    url = server.url();
  }
  const auto answer = ClientOf(url)->Get("/p");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.code(), Code::kUnavailable);
  EXPECT_THAT(answer.message(), HasSubstr("--server"));
}

TEST(ApiClientTest, TheTokenDoesNotFollowARedirect) {
  int elsewhere = 0;
  TestServer other([&elsewhere](const net::HttpRequest&) {
    ++elsewhere;
    return Answer(200, "{}");
  });
  TestServer server([&other](const net::HttpRequest&) {
    net::HttpResponse response = Answer(302, "");
    response.headers = {{"Location", other.url() + "/p"}};
    return response;
  });
  EXPECT_FALSE(ClientOf(server.url())->Get("/p"));
  EXPECT_EQ(elsewhere, 0);
}

TEST(ApiClientTest, NoErrorShowsTheToken) {
  TestServer server([](const net::HttpRequest&) { return Answer(401, "{}"); });
  EXPECT_THAT(ClientOf(server.url(), "lbk_secret")->Get("/p").message(), Not(HasSubstr("secret")));
  const auto bad = ApiClient::Open(server.url(), "lbk_secret\r\nX-Evil: 1");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.message(), Not(HasSubstr("secret")));
}

TEST(ApiClientTest, AServerThatIsNoUrlIsRefused) {
  for (const char* url :
       {"", "127.0.0.1:8686", "ftp://h", "http://", "http://u:p@h", "http://h?a"}) {
    const auto client = ApiClient::Open(url, "");
    ASSERT_FALSE(client) << url;
    EXPECT_EQ(client.code(), Code::kInvalid);
  }
}

TEST(ApiClientTest, ATokenFileMayEndInALineEnd) {
  const test::TempDir directory;
  std::ofstream(directory.Path("token")) << "lbk_abc\r\n";
  const auto files = MakePosixFileSystem();
  const auto token = ReadTokenFile(*files, directory.Path("token"));
  ASSERT_TRUE(token) << token.message();
  EXPECT_EQ(*token, "lbk_abc");
  EXPECT_EQ(ReadTokenFile(*files, directory.Path("none")).code(), Code::kNotFound);
}

}  // namespace
}  // namespace lookback::app
