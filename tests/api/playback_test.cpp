// Playback over HTTP: who saw what is on record once, and who cannot send a token has a session.
#include "storage/layout.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

constexpr char kVariant[] =
    "/api/v1/cameras/gate/variant.m3u8?start=2026-05-04T22:00:02Z&end=2026-05-04T22:00:12Z";
constexpr char kPlaylist[] =
    "/api/v1/cameras/gate/playlist.m3u8?start=2026-05-04T22:00:02Z&end=2026-05-04T22:00:12Z";

class PlaybackTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddFootage("gate", test::kEvening, 20);
  }
  // URLs of a playlist's media.
  static std::vector<std::string> UrlsIn(const std::string& playlist) {
    std::vector<std::string> urls;
    for (size_t at = playlist.find("\nmedia/"); at != std::string::npos;
         at = playlist.find("\nmedia/", at + 1)) {
      urls.push_back("/api/v1/cameras/gate/" +
                     playlist.substr(at + 1, playlist.find('\n', at + 1) - at - 1));
    }
    return urls;
  }
  std::vector<index::Act> Views() {
    std::vector<index::Act> views;
    for (index::Act& act : Acts()) {
      if (act.kind == index::ActKind::kView) views.push_back(std::move(act));
    }
    return views;
  }
};

TEST_F(PlaybackTest, AWholePlaybackIsOneViewWithItsRangeAndReason) {
  const auto playlist = Ask("GET", std::string(kPlaylist) + "&reason=case 7");
  ASSERT_EQ(playlist.status, 200) << playlist.body;
  EXPECT_EQ(HeaderOf(playlist, "Content-Type"), "application/vnd.apple.mpegurl");
  EXPECT_EQ(HeaderOf(playlist, "Cache-Control"), "private, no-cache");
  ASSERT_EQ(Views().size(), 1u);
  const auto variant = Ask("GET", kVariant);
  ASSERT_EQ(variant.status, 200) << variant.body;
  const auto urls = UrlsIn(variant.body);
  ASSERT_GE(urls.size(), 3u);
  for (const std::string& url : urls) {
    auto media = Ask("GET", url);
    ASSERT_EQ(media.status, 200) << url << media.body;
    EXPECT_EQ(static_cast<int64_t>(BodyOf(media).size()), media.stream_bytes);
    EXPECT_EQ(HeaderOf(media, "Cache-Control"), "private, max-age=3600, immutable");
  }
  ASSERT_EQ(Views().size(), 1u);
  EXPECT_EQ(Views()[0].what, "playback");
  EXPECT_EQ(Views()[0].reason, "case 7");
  EXPECT_EQ(Views()[0].range,
            (TimeRange{test::kEvening + 2 * kUsPerSecond, test::kEvening + 12 * kUsPerSecond}));

  // A quarter of an hour later the same goes on record again, once.
  clock_.Advance(15 * kUsPerMinute);
  for (const std::string& url : urls) (void)Ask("GET", url);
  ASSERT_EQ(Views().size(), 2u);
  EXPECT_EQ(Views()[0].range, Views()[1].range);
  EXPECT_EQ(Views()[0].reason, "case 7");
}

TEST_F(PlaybackTest, WhoHasTheUrlAloneIsPutOnRecordToo) {
  const auto urls = UrlsIn(Ask("GET", kVariant).body);
  const std::string token = TokenOfPlainUser("li");
  ASSERT_EQ(Views().size(), 1u);
  for (const std::string& url : urls) {
    EXPECT_EQ(Ask("GET", url, {}, {{"authorization", "Bearer " + token}}).status, 200);
  }
  // One record for each file, not for each request.
  ASSERT_EQ(Views().size(), 2u);
  EXPECT_EQ(Views()[0].person, "li");
  EXPECT_EQ(Views()[0].range.start_us, test::kEvening);
}

TEST_F(PlaybackTest, AReasonThatComesWithMediaStandsInItsAct) {
  const auto urls = UrlsIn(Ask("GET", kVariant).body);
  const std::string token = TokenOfPlainUser("li");
  const Headers theirs = {{"authorization", "Bearer " + token}};
  ASSERT_EQ(Ask("GET", urls.at(0) + "&reason=case 8", {}, theirs).status, 200) << urls.at(0);
  ASSERT_EQ(Views().size(), 2u);
  EXPECT_EQ(Views()[0].person, "li");
  EXPECT_EQ(Views()[0].reason, "case 8");
}

TEST_F(PlaybackTest, WithoutARecordNeitherPlaylistNorMediaLeaves) {
  const auto urls = UrlsIn(Ask("GET", kVariant).body);
  clock_.Advance(15 * kUsPerMinute);
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  for (const std::string& path : {std::string(kPlaylist), std::string(kVariant), urls[0],
                                  std::string("/api/v1/cameras/gate/live.m3u8")}) {
    const auto response = Ask("GET", path);
    EXPECT_EQ(ProblemIn(response), "not-on-record") << path;
    EXPECT_EQ(response.stream, nullptr);
  }
  files_.StopFailing();
}

TEST_F(PlaybackTest, MediaThatIsNotOnRecordIsNotFound) {
  const std::string media = "/api/v1/cameras/gate/media/";
  for (const char* rest : {"main/1777932000000_1_0/1-99.m4s", "main/1777932000000_1_7/init.mp4",
                           "main/x/init.mp4", "main/1777932000000_1_0/a.m4s",
                           "other/1777932000000_1_0/init.mp4", "sub/1777932000000_1_0/init.mp4"}) {
    EXPECT_EQ(ProblemIn(Ask("GET", media + rest)), "unknown-media") << rest;
  }
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/nobody/media/main/1_1_0/init.mp4")),
            "unknown-camera");
}

TEST_F(PlaybackTest, DeletedFootageIsGoneFromPlaylistAndMedia) {
  const auto urls = UrlsIn(Ask("GET", kVariant).body);
  const auto rows = store_->catalog().Segments(test::MakeStream("gate"),
                                               {test::kEvening, test::kEvening + kUsPerHour});
  ASSERT_TRUE(rows);
  for (const index::Seal& row : *rows) {
    ASSERT_TRUE(store_->DeleteSegment(row, "default", "test"));
  }
  for (const std::string& url : urls) EXPECT_EQ(ProblemIn(Ask("GET", url)), "unknown-media");
  EXPECT_EQ(ProblemIn(Ask("GET", kVariant)), "no-footage");
  EXPECT_EQ(ProblemIn(Ask("GET", kPlaylist)), "no-footage");
}

TEST_F(PlaybackTest, RangesAreChecked) {
  const std::string playlist = "/api/v1/cameras/gate/playlist.m3u8?start=2026-05-04T22:00:02Z&end=";
  EXPECT_EQ(ProblemIn(Ask("GET", playlist + "2026-05-05T04:00:03Z")), "range-too-long");
  EXPECT_EQ(ProblemIn(Ask("GET", playlist + "2026-05-04T22:00:02Z")), "empty-range");
  EXPECT_EQ(ProblemIn(Ask("GET",
                          "/api/v1/cameras/gate/variant.m3u8?start=2027-05-04T22:00:02Z&"
                          "end=2027-05-04T22:00:03Z")),
            "future-range");
}

TEST_F(PlaybackTest, LiveIsOneViewForTenMinutes) {
  clock_.Step(21 * kUsPerSecond - kUsPerHour);
  for (int i = 0; i < 5; ++i) {
    const auto live = Ask("GET", "/api/v1/cameras/gate/live.m3u8?reason=tour");
    ASSERT_EQ(live.status, 200) << live.body;
    (void)Ask("GET", UrlsIn(live.body).back());
  }
  ASSERT_EQ(Views().size(), 1u);
  EXPECT_EQ(Views()[0].reason, "tour");
}

class SessionTest : public PlaybackTest {
 protected:
  // Asks with the cookie alone.
  net::HttpResponse AskBy(const std::string& cookie, const std::string& method,
                          const std::string& path, bool marked = false) {
    net::HttpRequest request;
    request.method = method;
    request.path = path;
    request.headers = {{"cookie", "theme=dark; lookback_session=" + cookie}};
    if (marked) request.headers.emplace_back("x-lookback-request", "1");
    request.client = "192.0.2.9:50000";
    return service_->Handle(request);
  }
  static std::string CookieOf(const net::HttpResponse& response) {
    const std::string header = HeaderOf(response, "Set-Cookie");
    const std::string name = "lookback_session=";
    EXPECT_TRUE(header.starts_with(name)) << header;
    EXPECT_NE(header.find("; HttpOnly; SameSite=Strict"), std::string::npos) << header;
    EXPECT_NE(header.find("; Path=/;"), std::string::npos) << header;
    return header.substr(name.size(), header.find(';') - name.size());
  }
  std::string Begin() {
    const auto response = Ask("POST", "/api/v1/session");
    EXPECT_EQ(response.status, 201) << response.body;
    return CookieOf(response);
  }
};

TEST_F(SessionTest, ATokenInTheBodyOpensASessionThatPlays) {
  net::HttpRequest login;
  login.method = "POST";
  login.path = "/api/v1/session";
  login.headers = {{"content-type", "application/json"}};
  login.body = Json{{"token", token_}}.dump();
  login.client = "192.0.2.9:50000";
  const auto response = service_->Handle(login);
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(Json::parse(response.body)["name"], "admin");
  EXPECT_EQ(response.body.find(token_), std::string::npos);
  EXPECT_EQ(Acts().front().kind, index::ActKind::kLogin);
  EXPECT_EQ(Acts().front().what, "session");
  EXPECT_FALSE(Acts().front().refused);
  const std::string cookie = CookieOf(response);
  EXPECT_EQ(AskBy(cookie, "GET", "/api/v1/cameras").status, 200);
  EXPECT_EQ(AskBy(cookie + "x", "GET", "/api/v1/cameras").status, 401);
  EXPECT_EQ(AskBy("", "GET", "/api/v1/cameras").status, 401);

  login.secure = true;
  EXPECT_NE(HeaderOf(service_->Handle(login), "Set-Cookie").find("; Secure"), std::string::npos);
  login.body = Json{{"token", token_ + "0"}}.dump();
  EXPECT_EQ(service_->Handle(login).status, 401);
  EXPECT_TRUE(Acts().front().refused);
}

TEST_F(SessionTest, AnotherSiteChangesNothingByTheCookie) {
  const std::string cookie = Begin();
  for (const auto& [method, path] :
       {std::pair("DELETE", "/api/v1/cameras/gate"), std::pair("POST", "/api/v1/scrub"),
        std::pair("DELETE", "/api/v1/session")}) {
    EXPECT_EQ(ProblemIn(AskBy(cookie, method, path)), "cross-site") << path;
  }
  EXPECT_EQ(AskBy(cookie, "DELETE", "/api/v1/cameras/gate", true).status, 204);
}

TEST_F(SessionTest, ASessionEndsByItselfByHandAndWithItsToken) {
  const std::string ended = Begin();
  const std::string other = Begin();
  EXPECT_EQ(AskBy(ended, "DELETE", "/api/v1/session", true).status, 204);
  EXPECT_EQ(AskBy(ended, "GET", "/api/v1/cameras").status, 401);
  EXPECT_EQ(AskBy(other, "GET", "/api/v1/cameras").status, 200);
  clock_.Advance(kSessionUs - 1);
  EXPECT_EQ(AskBy(other, "GET", "/api/v1/cameras").status, 200);
  clock_.Advance(1);
  EXPECT_EQ(AskBy(other, "GET", "/api/v1/cameras").status, 401);

  const std::string token = TokenOfPlainUser("li");
  const std::string theirs =
      CookieOf(Ask("POST", "/api/v1/session", {}, {{"authorization", "Bearer " + token}}));
  EXPECT_EQ(AskBy(theirs, "GET", "/api/v1/cameras").status, 200);
  EXPECT_EQ(Ask("DELETE", "/api/v1/users/li/tokens").status, 204);
  EXPECT_EQ(AskBy(theirs, "GET", "/api/v1/cameras").status, 401);
}

TEST_F(SessionTest, OneSessionTooManyEndsTheOldest) {
  std::vector<std::string> cookies;
  for (size_t i = 0; i <= kMaxSessionsAPerson; ++i) cookies.push_back(Begin());
  EXPECT_EQ(AskBy(cookies[0], "GET", "/api/v1/cameras").status, 401);
  EXPECT_EQ(AskBy(cookies[1], "GET", "/api/v1/cameras").status, 200);
  EXPECT_EQ(AskBy(cookies.back(), "GET", "/api/v1/cameras").status, 200);
}

}  // namespace
}  // namespace lookback::api
