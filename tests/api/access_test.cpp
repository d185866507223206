#include "api/access.h"

#include <sys/stat.h>

#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using AccessTest = ServiceTest;

TEST_F(AccessTest, TheFirstStartWritesOneTokenThatOnlyItsOwnerCanRead) {
  EXPECT_EQ(token_.size(), kTokenPrefix.size() + 64);
  struct stat info {};
  ASSERT_EQ(stat(dir_.Path("token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(dir_.Path("data/secrets/tokens.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(dir_.Path("data/secrets").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  const auto again = EnsureAdmin(*store_, clock_, files_, dir_.Path("token2"));
  ASSERT_TRUE(again.has_value());
  EXPECT_FALSE(*again);
  EXPECT_FALSE(Exists(*posix_, dir_.Path("token2")));
}

TEST_F(AccessTest, ATokenIsStoredAsItsHashAlone) {
  const std::string stored = ReadText(dir_.Path("data/secrets/tokens.json"));
  EXPECT_EQ(stored.find(token_), std::string::npos);
  EXPECT_EQ(stored.find(token_.substr(kTokenPrefix.size())), std::string::npos);
  EXPECT_NE(stored.find(HexEncode(Sha256(AsBytes(token_)))), std::string::npos);
}

TEST_F(AccessTest, AMissingOrTornTokenFileIsAStartErrorAndNoOpenDoor) {
  Close();
  const std::string path = dir_.Path("data/secrets/tokens.json");
  const std::string whole = ReadText(path);
  Open();
  const auto start = [this] { return Service::Start({*store_, recorder_, clock_, files_}); };
  for (const std::string& torn :
       {whole.substr(0, whole.size() / 2), std::string(), std::string("{}"), std::string("null"),
        std::string(R"({"version": 1, "tokens": [{"person": "admin"}]})"),
        std::string(R"({"version": 1, "tokens": [7]})"),
        std::string(R"({"version": 2, "tokens": []})")}) {
    ASSERT_TRUE(WriteFileDurably(*posix_, path, AsBytes(torn)));
    const auto service = start();
    ASSERT_FALSE(service) << torn;
    EXPECT_EQ(service.code(), Code::kCorrupt);
    EXPECT_NE(service.message().find(path), std::string::npos);
  }
  ASSERT_TRUE(posix_->Remove(path));
  const auto service = start();
  ASSERT_FALSE(service);
  EXPECT_EQ(service.code(), Code::kNotFound);
  const auto ensured = EnsureAdmin(*store_, clock_, files_, dir_.Path("token3"));
  EXPECT_FALSE(ensured.value_or(false));
  ASSERT_TRUE(WriteFileDurably(*posix_, path, AsBytes(whole)));
  Serve();
  EXPECT_EQ(Ask("GET", "/api/v1/cameras").status, 200);
}

TEST_F(AccessTest, WhereAllTokensAreLostAdminGetsANewOneWhenAsked) {
  Close();
  ASSERT_TRUE(posix_->Remove(dir_.Path("data/secrets/tokens.json")));
  Open();
  const auto made = EnsureAdmin(*store_, clock_, files_, dir_.Path("token2"), /*anew=*/true);
  ASSERT_TRUE(made.has_value()) << made.message();
  EXPECT_TRUE(*made);
  Serve();
  std::string fresh = ReadText(dir_.Path("token2"));
  fresh.pop_back();
  EXPECT_EQ(Ask("GET", "/api/v1/cameras", {}, {{"authorization", "Bearer " + fresh}}).status, 200);
  EXPECT_EQ(Ask("GET", "/api/v1/cameras").status, 401) << "the one of before is no more";
}

TEST_F(AccessTest, AFirstStartThatWasCutOffIsAFirstStartAgain) {
  test::TempDir other;
  test::FaultFileSystem files(*posix_, other.path());
  storage::StoreOptions options;
  options.data = other.Path("data");
  auto store = storage::Store::Open(options, clock_, files);
  ASSERT_TRUE(store) << store.message();
  files.FailNth(test::Op::kSync, 3, Code::kDiskFailed);  // Of the token file or the ledger.
  EXPECT_FALSE(EnsureAdmin(**store, clock_, files, other.Path("token")).has_value());
  (*store)->Close();
  store->reset();
  files.StopFailing();
  store = storage::Store::Open(options, clock_, files);
  ASSERT_TRUE(store) << store.message();
  const auto first = EnsureAdmin(**store, clock_, files, other.Path("token"));
  ASSERT_TRUE(first.has_value()) << first.message();
  EXPECT_TRUE(*first);
  (*store)->Close();
}

TEST_F(AccessTest, OnlyARightTokenOpensTheDoor) {
  const auto status = [this](const std::string& header) {
    return Ask("GET", "/api/v1/cameras", {}, {{"authorization", header}}).status;
  };
  EXPECT_EQ(status("Bearer " + token_), 200);
  EXPECT_EQ(status("bearer " + token_), 200);
  for (const std::string& wrong :
       {std::string(" "), std::string("Bearer"), std::string("Bearer "), "Bearer " + token_ + "0",
        "Bearer " + token_.substr(0, token_.size() - 1), "Basic " + token_, token_,
        "Bearer  " + token_, std::string("Bearer ") + HexEncode(Sha256(AsBytes(token_)))}) {
    const auto response = Ask("GET", "/api/v1/cameras", {}, {{"authorization", wrong}});
    EXPECT_EQ(ProblemIn(response), "unauthorized") << wrong;
    EXPECT_EQ(HeaderOf(response, "WWW-Authenticate"), "Bearer");
  }
  EXPECT_EQ(ProblemIn(Ask("GET", "/nowhere", {}, {{"authorization", "x"}})), "unauthorized");
  EXPECT_EQ(Ask("GET", "/healthz", {}, {{"authorization", "x"}}).status, 200);
}

TEST_F(AccessTest, AWrongTokenIsToldFromNone) {
  net::HttpRequest request;
  request.method = "GET";
  request.path = "/api/v1/status";
  request.client = "192.0.2.9:50000";
  const auto detail = [&] { return Json::parse(service_->Handle(request).body)["detail"]; };
  EXPECT_EQ(detail().get<std::string>().substr(0, 17), "a token is needed");
  EXPECT_EQ(Acts().front().what, "no token");
  request.headers = {{"authorization", "Bearer lbk_0000"}};
  EXPECT_EQ(detail().get<std::string>().substr(0, 30), "the token that came is wrong, ");
  EXPECT_EQ(Acts().front().what, "a wrong token");
}

TEST_F(AccessTest, MetricsAndReadinessAreOpenToThisMachineAlone) {
  const auto ask = [this](const std::string& path, const std::string& client,
                          const std::string& forwarded) {
    net::HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.client = client;
    if (!forwarded.empty()) request.headers = {{"x-forwarded-for", forwarded}};
    return service_->Handle(request).status;
  };
  EXPECT_EQ(ask("/metrics", "127.0.0.1:1", ""), 200);
  EXPECT_EQ(ask("/readyz", "[::1]:1", ""), 200);
  EXPECT_EQ(ask("/metrics", "192.0.2.1:1", ""), 401);
  EXPECT_EQ(ask("/metrics", "127.0.0.1:1", "192.0.2.1"), 401);
  EXPECT_EQ(ask("/api/v1/status", "127.0.0.1:1", ""), 401);
}

TEST_F(AccessTest, WhoIsNoAdminIsToldWhichRightIsMissingAndItGoesOnRecord) {
  AddCamera("gate");
  const Headers li = {{"authorization", "Bearer " + TokenOfPlainUser("li.wei")}};
  EXPECT_EQ(Ask("GET", "/api/v1/cameras", {}, li).status, 200);
  const auto refused = [&](const std::string& method, const std::string& path, const Json& body) {
    const auto response = Ask(method, path, body, li);
    EXPECT_EQ(ProblemIn(response), "forbidden") << path;
    return Json::parse(response.body).value("right", "");
  };
  EXPECT_EQ(refused("DELETE", "/api/v1/cameras/gate", {}), "cameras");
  EXPECT_EQ(refused("POST", "/api/v1/users", {{"name", "x"}}), "users");
  EXPECT_EQ(refused("POST", "/api/v1/users/li.wei/tokens", {}), "users");
  EXPECT_EQ(refused("PUT", "/api/v1/retention/policies/default", {{"max_days", 1}}), "retention");
  EXPECT_EQ(refused("GET", "/api/v1/custody", {}), "audit");
  EXPECT_EQ(refused("DELETE", "/api/v1/holds/x?reason=y", {}), "holds");
  const index::Act last = Acts().front();
  EXPECT_TRUE(last.refused);
  EXPECT_EQ(last.person, "li.wei");
  EXPECT_EQ(last.what, "DELETE /api/v1/holds/x");
}

TEST_F(AccessTest, ARevokedTokenIsWorthNothingAndOthersStay) {
  const std::string token = TokenOfPlainUser("li.wei");
  Close();
  Open();
  Serve();
  const Headers li = {{"authorization", "Bearer " + token}};
  EXPECT_EQ(Ask("GET", "/api/v1/cameras", {}, li).status, 200);
  EXPECT_EQ(Ask("DELETE", "/api/v1/users/li.wei/tokens").status, 204);
  EXPECT_EQ(Ask("GET", "/api/v1/cameras", {}, li).status, 401);
  EXPECT_EQ(Ask("GET", "/api/v1/cameras").status, 200);
}

TEST_F(AccessTest, APersonHasSixteenTokensAtMost) {
  (void)TokenOfPlainUser("li.wei");
  for (size_t i = 1; i < kMaxTokensAPerson; ++i) {
    EXPECT_EQ(Ask("POST", "/api/v1/users/li.wei/tokens").status, 201);
  }
  EXPECT_EQ(Ask("POST", "/api/v1/users/li.wei/tokens").status, 409);
  EXPECT_EQ(Get("/api/v1/users")["users"][1]["tokens"], kMaxTokensAPerson);
}

}  // namespace
}  // namespace lookback::api
