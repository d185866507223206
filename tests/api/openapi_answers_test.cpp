// What the service answers, held against what docs/openapi.json says of it: a day in the life of a
// store, in which each operation is asked for once at least.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "media/fragment.h"
#include "storage/held_copies.h"
#include "storage/layout.h"
#include "storage/purger.h"
#include "storage/scrubber.h"
#include "storage/self_check.h"
#include "storage/snapshotter.h"
#include "tests/api/openapi_document.h"
#include "tests/api/service_fixture.h"
#include "tests/query/camera_clip.h"

namespace lookback::api {
namespace {

using ::testing::IsEmpty;

constexpr const char* kRange = "start=2026-05-04T22:00:00Z&end=2026-05-04T22:00:10Z";
const Json kRangeJson = {{"start", "2026-05-04T22:00:00Z"}, {"end", "2026-05-04T22:00:10Z"}};

class OpenApiAnswersTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    purger_ = storage::Purger::Start(*store_, clock_, {});
    scrubber_ = storage::Scrubber::Open(*store_, clock_, files_, {});
    check_ = storage::SelfCheck::Open(*store_, clock_, files_);
    snapshotter_ = storage::Snapshotter::Open(*store_, clock_, files_);
    copies_ = storage::HeldCopies::Open(*store_, clock_);
    service_->SetPurger(purger_.get());
    service_->SetScrubber(scrubber_.get());
    service_->SetSelfCheck(check_.get());
    service_->SetSnapshotter(snapshotter_.get());
    service_->SetHeldCopies(copies_.get());
  }
  void TearDown() override {
    service_.reset();
    copies_.reset();
    snapshotter_.reset();
    check_.reset();
    scrubber_.reset();
    purger_.reset();
    ServiceTest::TearDown();
  }

  // Asks, and holds the answer against what the document says of it. The JSON of it, or its text.
  Json Expect(int status, const std::string& method, const std::string& path,
              const Json& body = {}) {
    auto response = Ask(method, path, body);
    const std::string text = BodyOf(response);
    EXPECT_EQ(response.status, status) << method << " " << path << ": " << text;
    const Operation* operation = FindOperation(method, path.substr(0, path.find('?')));
    if (operation == nullptr) {
      ADD_FAILURE() << method << " " << path << " is not in the document";
      return {};
    }
    if (status < 400) asked_.insert(operation->id());
    const Json& answers = operation->said->at("responses");
    const std::string code = std::to_string(response.status);
    EXPECT_TRUE(status >= 400 || answers.contains(code))
        << operation->name() << " answers " << code;
    const Json& said = Resolve(answers.contains(code) ? answers[code] : answers.at("default"));
    if (!said.contains("content")) {
      EXPECT_EQ(text, "") << operation->name();
      return {};
    }
    const std::string header = HeaderOf(response, "Content-Type");
    const std::string type = header.substr(0, header.find(';'));
    if (!said["content"].contains(type)) {
      ADD_FAILURE() << operation->name() << " is of type " << type;
      return {};
    }
    if (!type.ends_with("json")) return text;
    const Json json = Json::parse(text, nullptr, false);
    EXPECT_THAT(FaultsOf(json, said["content"][type]["schema"], operation->id()), IsEmpty());
    return json;
  }

  // Ten seconds that can be decoded.
  void Record(const std::string& camera) {
    static const test::CameraClip clip = test::MakeCameraClip(
        "-f lavfi -i testsrc=size=160x90:rate=25:duration=10 -pix_fmt yuv420p -c:v libx264 "
        "-preset veryfast -g 25 -sc_threshold 0 -bf 2 -threads 1");
    storage::RunInfo info;
    info.stream = test::MakeStream(camera);
    info.run = Uuid::Random();
    info.init = media::BuildInitSection(clip.tracks);
    info.tracks = "avc1 160x90";
    auto recording = store_->archive().Begin(info);
    ASSERT_TRUE(recording) << recording.message();
    for (media::Fragment& fragment : test::Fragments(clip, test::kEvening)) {
      ASSERT_TRUE((*recording)->Append(std::move(fragment)));
    }
    recording->reset();
    ASSERT_TRUE(store_->archive().Drain());
  }

  void AskForCameras();
  void AskForFootage();
  void AskForPlayback();
  void AskForRecords();
  void AskForMarkers();
  void AskForRetention();
  void AskForImports();
  void AskForCare();
  void AskForVolumes();
  void AskForPeople();
  void AskForTheRest();

  std::unique_ptr<storage::Purger> purger_;
  std::unique_ptr<storage::Scrubber> scrubber_;
  std::unique_ptr<storage::SelfCheck> check_;
  std::unique_ptr<storage::Snapshotter> snapshotter_;
  std::unique_ptr<storage::HeldCopies> copies_;
  Names asked_;
};

std::string Id(const Json& json) { return TextOf(json, "id"); }

void OpenApiAnswersTest::AskForCameras() {
  const Json place = {{"latitude", 52.516275}, {"longitude", 13.377704}, {"bearing", 90}};
  Expect(201, "POST", "/api/v1/cameras",
         {{"id", "gate"},
          {"url", "rtsp://192.0.2.1/s"},
          {"sub_url", "rtsp://192.0.2.1/t"},
          {"group", "lane"},
          {"place", place},
          {"tags", {"crossing"}}});
  Expect(201, "POST", "/api/v1/cameras", {{"id", "shop"}, {"imported", true}});
  Expect(201, "POST", "/api/v1/cameras", {{"id", "old"}, {"url", "rtsp://192.0.2.3/s"}});
  Expect(409, "POST", "/api/v1/cameras", {{"id", "old"}, {"url", "rtsp://192.0.2.3/s"}});
  recorder_.camera_offset_us = 3'200'000;
  Expect(200, "PATCH", "/api/v1/cameras/gate", {{"name", "Gate"}, {"password", "p"}});
  Expect(204, "DELETE", "/api/v1/cameras/old?reason=gone");
  Expect(200, "GET", "/api/v1/cameras?removed=1&status=1");
  Expect(200, "GET", "/api/v1/cameras/gate");
  Expect(200, "GET", "/api/v1/cameras/shop/status");
  const Json gate = {{"id", "gate"},
                     {"url", "rtsp://192.0.2.9/s"},
                     {"sub_url", "rtsp://192.0.2.9/t"},
                     {"group", "lane"},
                     {"place", place},
                     {"tags", {"crossing"}},
                     {"policy", {{"max_days", 9}}}};
  const Json fleet = {{"cameras", {gate}}, {"groups", {{{"name", "lane"}, {"policy", nullptr}}}}};
  const Json plan = Expect(200, "POST", "/api/v1/fleet?dry_run=1", fleet);
  EXPECT_EQ(plan["changes"].size(), 2u) << plan;
  EXPECT_TRUE(plan["retention"].is_object());
  Expect(400, "POST", "/api/v1/fleet", {{"cameras", {{{"id", "gate"}}}}});
  Expect(200, "POST", "/api/v1/fleet", fleet);
  Expect(404, "GET", "/api/v1/cameras/nobody");
}

void OpenApiAnswersTest::AskForFootage() {
  const std::string gate = "/api/v1/cameras/gate/", range = kRange;
  const std::string longer = "start=2026-05-04T21:59:00Z&end=2026-05-04T22:01:00Z";
  EXPECT_EQ(Expect(200, "GET", gate + "timeline?" + longer)["gaps"].size(), 2u);
  Expect(200, "GET", "/api/v1/timeline?camera=gate&camera=shop&" + range);
  Expect(200, "GET", "/api/v1/timeline/summary?step=hour&" + longer);
  const Json clip = Expect(200, "GET", gate + "clip.json?gaps=close&" + longer);
  EXPECT_TRUE(clip["camera_clock"]["check_after"].is_object()) << clip["camera_clock"];
  Expect(200, "GET", gate + "clip.json?subtitles=1&tz=Asia/Shanghai&" + range);
  Expect(200, "GET", gate + "clip.mp4?" + range);
  Expect(404, "GET", gate + "clip.mp4?start=2026-05-04T20:00:00Z&end=2026-05-04T20:01:00Z");
  const Json segments = Expect(200, "GET", gate + "segments?" + range)["segments"];
  ASSERT_EQ(segments.size(), 1u);
  Expect(200, "GET", gate + "segments/" + TextOf(segments[0], "name"));
  Expect(200, "GET", "/api/v1/export.zip?camera=gate&" + range);
  const Json found = Expect(200, "GET", "/api/v1/footage?tag=crossing&marker=van&" + longer);
  EXPECT_EQ(found["windows"].at(0)["markers"].size(), 1u) << found;
  const Json points = {{{"latitude", 52.516275}, {"longitude", 13.377704}},
                       {{"latitude", 52.520815}, {"longitude", 13.409419}}};
  Json journey = {{"points", points}, {"buffer_m", 50}, {"min_kmh", 20}, {"max_kmh", 60}};
  journey.update(kRangeJson);
  EXPECT_EQ(Expect(200, "POST", "/api/v1/footage/route", journey)["windows"].size(), 1u);
  Json order = {{"cameras", {"gate"}}};
  order.update(kRangeJson);
  const Json hold = Expect(201, "POST", "/api/v1/exports", order)["hold"];
  Expect(204, "DELETE", "/api/v1/holds/" + Id(hold) + "?reason=over");
  order["hold_days"] = 0;
  EXPECT_TRUE(Expect(201, "POST", "/api/v1/exports", order)["hold"].is_null());
}

void OpenApiAnswersTest::AskForPlayback() {
  const std::string gate = "/api/v1/cameras/gate/", range = kRange;
  Expect(200, "GET", gate + "playlist.m3u8?" + range);
  Expect(200, "GET", gate + "iframes.m3u8?" + range);
  const std::string variant = Expect(200, "GET", gate + "variant.m3u8?" + range);
  const size_t media = variant.find("media/");
  ASSERT_NE(media, std::string::npos) << variant;
  Expect(200, "GET", gate + variant.substr(media, variant.find_first_of("\"\n", media) - media));
  Expect(200, "GET", gate + "picture?time=2026-05-04T22:00:05Z");
  Expect(200, "GET", gate + "sprites.vtt?" + range);
  Expect(200, "GET", gate + "sprite.jpg?" + range);
  // What is recorded now, and a moment later.
  clock_.Advance(test::kEvening + 10 * kUsPerSecond - clock_.NowUs());
  Expect(200, "GET", gate + "live.m3u8");
  clock_.Advance(kUsPerHour);
}

void OpenApiAnswersTest::AskForRecords() {
  const std::string gate = "/api/v1/cameras/gate/";
  Expect(201, "POST", gate + "notes", {{"kind", "repair"}, {"text", "lens cleaned"}});
  Expect(201, "POST", gate + "clock-checks",
         {{"shown", "2026-05-04T22:10:03.2Z"}, {"true", "2026-05-04T22:10:00Z"}});
  EXPECT_EQ(Expect(200, "GET", gate + "notes")["notes"].size(), 2u);
  EXPECT_EQ(Expect(200, "GET", gate + "clock-checks")["checks"].size(), 1u);
}

void OpenApiAnswersTest::AskForMarkers() {
  Json marker = {{"cameras", {"gate", "shop"}}, {"label", "white van"}};
  marker.update(kRangeJson);
  Expect(201, "POST", "/api/v1/markers", marker);
  const Json second = Expect(201, "POST", "/api/v1/markers", marker);
  EXPECT_TRUE(Expect(200, "GET", "/api/v1/markers?limit=1")["next"].is_string());
  Expect(204, "DELETE", "/api/v1/markers/" + Id(second));
  Json hold = {{"cameras", {"gate"}}, {"case", "2026-114"}, {"expires", "2027-01-01T00:00:00Z"}};
  hold.update(kRangeJson);
  const Json held = Expect(201, "POST", "/api/v1/holds", hold);
  copies_->RunOnce([](int64_t) { return true; });
  EXPECT_TRUE(Expect(200, "GET", "/api/v1/holds")["holds"].at(0)["copies"].is_object());
  Expect(204, "DELETE", "/api/v1/holds/" + Id(held) + "?reason=closed");
  Expect(400, "DELETE", "/api/v1/holds/" + Id(held));
}

void OpenApiAnswersTest::AskForRetention() {
  const std::string policies = "/api/v1/retention/policies";
  Expect(200, "PUT", policies + "/gate",
         {{"min_days", 1}, {"max_days", 9}, {"at_floor", "shorten"}});
  EXPECT_FALSE(Expect(200, "GET", policies)["policies"].empty());
  clock_.Advance(2 * kUsPerDay);
  const Json goes = Expect(200, "POST", "/api/v1/retention/preview",
                           {{"scope", "gate"}, {"min_days", 0}, {"max_days", 1}});
  EXPECT_EQ(goes["segments"], 1) << goes;
  Expect(200, "POST", "/api/v1/retention/preview");
  Expect(200, "GET", "/api/v1/retention/forecast?days=30");
  Expect(204, "DELETE", policies + "/gate");
  Expect(200, "POST", "/api/v1/retention/confirm");
}

void OpenApiAnswersTest::AskForImports() {
  const std::string imports = "/api/v1/imports";
  const Json ask = {{"camera", "shop"},
                    {"start", "2026-05-04T20:00:00Z"},
                    {"file", "DVR_0001.mp4"},
                    {"bytes", 4}};
  const std::string first = imports + "/" + Id(Expect(201, "POST", imports, ask));
  Expect(200, "PUT", first + "/parts?offset=0", "no");
  Expect(409, "PUT", first + "/parts?offset=0", "no");
  Expect(200, "GET", first);
  Expect(204, "DELETE", first);
  const Json ended = Expect(200, "GET", first);
  EXPECT_TRUE(ended["problem"].is_object()) << ended;
}

void OpenApiAnswersTest::AskForCare() {
  const auto rows = store_->catalog().Segments(test::MakeStream("gate"), {kTimeMinUs, kTimeMaxUs});
  ASSERT_TRUE(rows && rows->size() == 1);
  const std::string path = storage::SegmentPath(index::KeyOf(rows->front()));
  ASSERT_TRUE(std::filesystem::remove(store_->volumes().front()->root() + "/" + path));
  for (const char* care : {"/api/v1/scrub", "/api/v1/check", "/api/v1/snapshot"}) {
    Expect(200, "GET", care);
    Expect(202, "POST", care);
  }
  scrubber_->RunDue([this](int64_t us) {
    clock_.Advance(us);
    return true;
  });
  check_->RunDue();
  snapshotter_->RunDue();
  EXPECT_EQ(Expect(200, "GET", "/api/v1/scrub")["findings"].size(), 1u);
  EXPECT_EQ(Expect(200, "GET", "/api/v1/check")["last"]["faults"], 1);
  EXPECT_TRUE(Expect(200, "GET", "/api/v1/snapshot")["newest"].is_object());
  const Json doctor = Expect(200, "GET", "/api/v1/doctor");
  EXPECT_FALSE(doctor["checks"].empty());
  EXPECT_FALSE(doctor["findings"].empty()) << "gate is not recorded here";
}

void OpenApiAnswersTest::AskForVolumes() {
  const std::string root = dir_.Path("second"), volumes = "/api/v1/volumes";
  std::filesystem::create_directory(root);
  const std::string added = volumes + "/" + Id(Expect(201, "POST", volumes, {{"root", root}}));
  Expect(200, "POST", added + "/drain");
  Expect(200, "POST", added + "/undrain");
  Expect(200, "POST", added + "/drain");
  EXPECT_EQ(Expect(200, "GET", volumes)["volumes"].size(), 2u);
  Expect(204, "DELETE", added);
}

void OpenApiAnswersTest::AskForPeople() {
  Expect(201, "POST", "/api/v1/users", {{"name", "li.wei"}, {"display_name", "李伟"}});
  Expect(201, "POST", "/api/v1/users/li.wei/tokens");
  Expect(200, "GET", "/api/v1/users");
  Expect(204, "DELETE", "/api/v1/users/li.wei/tokens");
  Expect(201, "POST", "/api/v1/session");
  Expect(204, "DELETE", "/api/v1/session");
}

void OpenApiAnswersTest::AskForTheRest() {
  clock_.SetSynchronised(false);
  for (int i = 0; i < 2; ++i) {
    service_->LookAtAlarms();
    clock_.Advance(2 * kUsPerMinute);
  }
  service_->LookAtAlarms();
  const Json open = Expect(200, "GET", "/api/v1/events")["events"];
  ASSERT_FALSE(open.empty());
  EXPECT_TRUE(Expect(200, "GET", "/api/v1/status")["held_copies"].is_object());
  Expect(200, "POST", "/api/v1/events/" + Id(open[0]) + "/acknowledge", {{"note", "seen"}});
  Expect(200, "GET", "/api/v1/events?state=all&limit=1");
  Expect(200, "GET", "/api/v1/custody?limit=1000");
  Expect(200, "GET", "/api/v1/ledger");
  Expect(200, "GET", "/api/v1/ledger/inclusion?record=0");
  Expect(200, "GET", "/api/v1/ledger/consistency?from=1");
  Expect(200, "GET", "/api/v1/openapi.json");
  for (const char* path : {"/healthz", "/readyz", "/metrics"}) Expect(200, "GET", path);
}

TEST_F(OpenApiAnswersTest, EachOperationAnswersAsTheDocumentSays) {
  AskForCameras();
  Record("gate");
  AskForPlayback();
  AskForRecords();
  AskForMarkers();
  AskForFootage();
  AskForRetention();
  AskForImports();
  AskForVolumes();
  AskForPeople();
  AskForCare();
  AskForTheRest();
  for (const Operation& operation : Operations()) {
    EXPECT_TRUE(asked_.contains(operation.id())) << operation.name() << " was not asked";
  }
}

TEST_F(OpenApiAnswersTest, TheDocumentIsServedOnceToWhoKeepsIt) {
  const auto first = Ask("GET", "/api/v1/openapi.json");
  EXPECT_EQ(HeaderOf(first, "Content-Type"), "application/json");
  EXPECT_EQ(Json::parse(first.body)["openapi"], "3.0.3");
  const std::string etag = HeaderOf(first, "ETag");
  const auto again = Ask("GET", "/api/v1/openapi.json", {}, {{"if-none-match", etag}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  net::HttpRequest stranger;
  stranger.method = "GET";
  stranger.path = "/api/v1/openapi.json";
  EXPECT_EQ(ProblemIn(service_->Handle(stranger)), "unauthorized");
}

// A checker that finds nothing would let everything through.
TEST(OpenApiDocument, WhatIsNotAsItsSchemaSaysIsFound) {
  const Json schema = {{"$ref", "#/components/schemas/Gap"}};
  const Json gap = {{"start", "2026-05-04T22:00:00Z"},
                    {"end", "2026-05-04T22:00:10Z"},
                    {"cause", "network"},
                    {"detail", ""}};
  const auto faults = [&](const char* member, const Json& value) {
    Json wrong = gap;
    wrong[member] = value;
    return FaultsOf(wrong, schema, "gap").size();
  };
  EXPECT_THAT(FaultsOf(gap, schema, "gap"), IsEmpty());
  EXPECT_EQ(faults("start", "today"), 1u);
  EXPECT_EQ(faults("cause", "weather"), 1u);
  EXPECT_EQ(faults("detail", nullptr), 1u);
  EXPECT_EQ(faults("detail", 1), 1u);
  EXPECT_EQ(faults("colour", "red"), 1u);
  EXPECT_EQ(FaultsOf(Json::object(), schema, "gap").size(), 4u);
  EXPECT_EQ(FaultsOf({{"gaps", {{{"start", 1}}}}},
                     {{"type", "object"},
                      {"properties", {{"gaps", {{"type", "array"}, {"items", schema}}}}}},
                     "list")
                .size(),
            4u);
}

}  // namespace
}  // namespace lookback::api
