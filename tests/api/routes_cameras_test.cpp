// Settings of cameras: added, changed, refused in words, and never on record with a password.
#include <filesystem>
#include <set>

#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using RoutesTest = ServiceTest;

constexpr char kPassword[] = "s3cret-of-the-gate";

TEST_F(RoutesTest, ACameraIsAddedChangedAndRemovedForGood) {
  const Json camera = {{"id", "gate"},          {"url", "rtsp://192.0.2.7:8554/s"},
                       {"name", "市场"},        {"user", "u"},
                       {"password", kPassword}, {"audio", true}};
  auto response = Ask("POST", "/api/v1/cameras", camera);
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(HeaderOf(response, "Location"), "/api/v1/cameras/gate");
  const CameraId id = CameraId::Parse("gate").value();
  EXPECT_EQ(recorder_.sources[id].password, kPassword);
  EXPECT_TRUE(recorder_.sources[id].audio);
  EXPECT_EQ(Get("/api/v1/cameras")["cameras"].size(), 1u);
  EXPECT_EQ(Get("/api/v1/cameras/gate")["name"], "市场");
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/cameras", camera)), "camera-exists");

  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"enabled", false}}).status, 200);
  EXPECT_EQ(recorder_.sources.size(), 0u);
  EXPECT_EQ(Get("/api/v1/cameras/gate/status")["state"], "stopped");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"enabled", true}}).status, 200);
  EXPECT_EQ(recorder_.sources[id].password, kPassword);

  recorder_.sources.clear();
  Close();
  Open();
  Serve();
  EXPECT_EQ(recorder_.sources[id].password, kPassword);

  EXPECT_EQ(Ask("DELETE", "/api/v1/cameras/gate").status, 204);
  EXPECT_EQ(recorder_.sources.size(), 0u);
  EXPECT_EQ(Get("/api/v1/cameras")["cameras"].size(), 0u);
  EXPECT_EQ(Get("/api/v1/cameras?removed=1")["cameras"][0]["removed"], true);
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/cameras", camera)), "camera-id-used");
  EXPECT_EQ(ProblemIn(Ask("DELETE", "/api/v1/cameras/gate")), "unknown-camera");
}

TEST_F(RoutesTest, HowACameraIsReachedIsKeptAndHandedToTheRecorder) {
  const std::string pin = "pin:" + std::string(64, 'a');
  const auto response = Ask("POST", "/api/v1/cameras",
                            {{"id", "gate"}, {"url", "rtsps://192.0.2.7/s"}, {"tls", pin}});
  ASSERT_EQ(response.status, 201) << response.body;
  const CameraId id = CameraId::Parse("gate").value();
  EXPECT_EQ(recorder_.sources[id].tls.substr(0, 10), "pin:AA:AA:");
  EXPECT_EQ(Get("/api/v1/cameras/gate")["transport"], "auto");
  EXPECT_EQ(ProblemIn(Ask("PATCH", "/api/v1/cameras/gate", {{"transport", "udp"}})),
            "bad-transport");
  EXPECT_EQ(ProblemIn(Ask("PATCH", "/api/v1/cameras/gate", {{"transport", "carrier pigeon"}})),
            "bad-transport");
  EXPECT_EQ(ProblemIn(Ask("PATCH", "/api/v1/cameras/gate", {{"tls", "pin:12"}})), "bad-tls-policy");
  const Json open = {{"url", "rtsp://192.0.2.7/s"}, {"transport", "udp"}, {"tls", "verify"}};
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", open).status, 200);
  Close();
  Open();
  Serve();
  EXPECT_EQ(recorder_.sources[id].transport, index::Transport::kUdp);
  EXPECT_EQ(Get("/api/v1/cameras/gate")["transport"], "udp");
  EXPECT_EQ(Get("/api/v1/cameras/gate")["tls"], "verify");
}

TEST_F(RoutesTest, BadCamerasAreRefusedInWords) {
  const auto problem = [this](const Json& body) {
    return ProblemIn(Ask("POST", "/api/v1/cameras", body));
  };
  const std::string url = "rtsp://192.0.2.7/s";
  EXPECT_EQ(problem({{"id", "Gate"}, {"url", url}}), "bad-camera-id");
  EXPECT_EQ(problem({{"id", "default"}, {"url", url}}), "bad-camera-id");
  EXPECT_EQ(problem({{"id", "../gate"}, {"url", url}}), "bad-camera-id");
  EXPECT_EQ(problem({{"id", "gate"}}), "missing-field");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", "ftp://192.0.2.7"}}), "bad-camera-url");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", url}, {"colour", "red"}}), "unknown-field");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", url}, {"audio", 1}}), "bad-field");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", url}, {"name", std::string(257, 'a')}}), "bad-field");
  EXPECT_EQ(problem({{"id", "gate"}, {"url", url}, {"name", "a\nb"}}), "bad-field");
  EXPECT_EQ(problem("{\"id\": "), "bad-json");
  EXPECT_EQ(problem("[1]"), "bad-json");
  EXPECT_EQ(problem(std::string(100'000, '[')), "bad-json");
  EXPECT_EQ(problem("{\"id\": \"\xff\"}"), "bad-json");
  EXPECT_EQ(problem(R"({"id": "a", "url": "rtsp://h/", "id": "b"})"), "bad-json");
  EXPECT_EQ(problem(R"({"id": 1e999})"), "bad-json");
  EXPECT_EQ(problem(R"({"id": [-1e999]})"), "bad-json");
  const auto response =
      Ask("POST", "/api/v1/cameras",
          {{"id", "gate"}, {"url", std::string("rtsp://u:") + kPassword + "@192.0.2.7/s"}});
  EXPECT_EQ(ProblemIn(response), "bad-camera-url");
  EXPECT_EQ(response.body.find(kPassword), std::string::npos);
  EXPECT_EQ(Get("/api/v1/cameras")["cameras"].size(), 0u);
}

TEST_F(RoutesTest, AMediaTypeIsReadWithoutCaseAndSpaces) {
  const auto put = [this](const std::string& type, const std::string& id) {
    return Ask("POST", "/api/v1/cameras", {{"id", id}, {"url", "rtsp://192.0.2.7/s"}},
               {{"content-type", type}});
  };
  EXPECT_EQ(put("APPLICATION/JSON", "a").status, 201);
  EXPECT_EQ(put("application/json ; charset=utf-8", "b").status, 201);
  EXPECT_EQ(put("Application/Json;charset=utf-8", "c").status, 201);
  for (const char* other : {"application/jsonp", "text/json", "application/ json", ";"}) {
    EXPECT_EQ(ProblemIn(put(other, "d")), "bad-media-type") << other;
  }
}

TEST_F(RoutesTest, APasswordStandsInOneFileAndInNoAnswer) {
  const std::string answers =
      Ask("POST", "/api/v1/cameras",
          {{"id", "gate"}, {"url", "rtsp://192.0.2.7/s"}, {"user", "u"}, {"password", kPassword}})
          .body +
      Ask("GET", "/api/v1/cameras").body + Ask("GET", "/api/v1/cameras/gate").body +
      Ask("GET", "/api/v1/cameras/gate/status").body + Ask("GET", "/api/v1/status").body +
      Ask("GET", "/api/v1/custody").body + Ask("GET", "/metrics").body;
  EXPECT_EQ(answers.find(kPassword), std::string::npos);
  EXPECT_EQ(answers.find(token_), std::string::npos);
  Close();
  size_t searched = 0;
  std::set<std::string> holding;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.Path("data"))) {
    if (!entry.is_regular_file()) continue;
    const std::string text = ReadText(entry.path());
    ++searched;
    if (text.find(kPassword) != std::string::npos) holding.insert(entry.path().filename());
    EXPECT_EQ(text.find(token_), std::string::npos) << entry.path();
  }
  EXPECT_GT(searched, 3u);
  EXPECT_EQ(holding, std::set<std::string>{"cameras.json"});
  Open();
  Serve();
}

TEST_F(RoutesTest, ASettingThatIsNotOnRecordDidNotHappen) {
  AddCamera("gate");
  files_.FailNth(test::Op::kWrite, 2, Code::kDiskFull, /*and_all_later=*/true);
  const auto response = Ask("PATCH", "/api/v1/cameras/gate", {{"password", kPassword}});
  EXPECT_GE(response.status, 500);
  files_.StopFailing();
  EXPECT_EQ(recorder_.sources[CameraId::Parse("gate").value()].password, "");
}

TEST_F(RoutesTest, ASubStreamIsSetChangedAndTakenAway) {
  const Json camera = {
      {"id", "gate"}, {"url", "rtsp://192.0.2.7/1"}, {"sub_url", "rtsp://192.0.2.7/2"}};
  ASSERT_EQ(Ask("POST", "/api/v1/cameras", camera).status, 201);
  const CameraId id = CameraId::Parse("gate").value();
  EXPECT_EQ(recorder_.sources[id].sub_url, "rtsp://192.0.2.7/2");
  Close();
  Open();
  Serve();
  EXPECT_EQ(recorder_.sources[id].sub_url, "rtsp://192.0.2.7/2");
  EXPECT_EQ(Get("/api/v1/cameras/gate")["sub_url"], "rtsp://192.0.2.7/2");
  const Json both = Get("/api/v1/cameras/gate/status");
  Json main = both;
  EXPECT_EQ(main["camera"], "gate");
  main.erase("camera");
  main.erase("sub");
  for (const auto& field : main.items()) EXPECT_TRUE(both["sub"].contains(field.key()));
  EXPECT_EQ(both["sub"].size(), main.size());
  EXPECT_EQ(both["sub"]["state"], "recording");

  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"sub_url", "rtsp://192.0.2.7/3"}}).status, 200);
  EXPECT_EQ(recorder_.sources[id].sub_url, "rtsp://192.0.2.7/3");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"name", "Gate"}}).status, 200);
  EXPECT_EQ(recorder_.sources[id].sub_url, "rtsp://192.0.2.7/3");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"sub_url", ""}}).status, 200);
  EXPECT_EQ(recorder_.sources[id].sub_url, "");
  EXPECT_TRUE(Get("/api/v1/cameras/gate/status")["sub"].is_null());
}

TEST_F(RoutesTest, ASubStreamsUrlIsCheckedAsTheMainOnes) {
  ASSERT_NO_FATAL_FAILURE(AddCamera("gate"));
  const auto fault = [&](const Json& body) {
    const auto response = Ask("PATCH", "/api/v1/cameras/gate", body);
    const Json problem = Json::parse(response.body, nullptr, false);
    EXPECT_EQ(response.status, 400) << response.body;
    return ProblemIn(response) + " " + problem.value("field", "");
  };
  EXPECT_EQ(fault({{"sub_url", "ftp://192.0.2.1/s"}}), "bad-camera-url sub_url");
  EXPECT_EQ(fault({{"sub_url", "rtsp://u:p@192.0.2.1/2"}}), "bad-camera-url sub_url");
  EXPECT_EQ(fault({{"sub_url", 7}}), "bad-field sub_url");
  EXPECT_EQ(fault({{"sub_url", "rtsp://192.0.2.1:554/s"}}), "bad-camera-url sub_url");
  EXPECT_EQ(fault({{"sub_url", "rtsps://192.0.2.1/2"}, {"transport", "udp"}}),
            "bad-transport transport");
  EXPECT_EQ(Ask("PATCH", "/api/v1/cameras/gate", {{"sub_url", "rtsp://192.0.2.1/2"}}).status, 200);
  EXPECT_EQ(fault({{"url", "rtsp://192.0.2.1/2"}}), "bad-camera-url sub_url");
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/cameras",
                          {{"id", "shop"}, {"imported", true}, {"sub_url", "rtsp://192.0.2.1/2"}})),
            "bad-field");
}

}  // namespace
}  // namespace lookback::api
