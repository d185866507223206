// What an export takes over the API: the act with its hold, and stored segments as they are.
#include <gmock/gmock.h>

#include <cstdio>

#include "storage/layout.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

using ::testing::EndsWith;

class ExportTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddFootage("gate", test::kEvening, 10);
    AddFootage("gate", test::kEvening + kUsPerMinute, 10);
    AddFootage("gate", test::kEvening + 2 * kUsPerMinute, 10);
  }
  static std::string Range(int64_t seconds) {
    return "start=" + FormatTime(test::kEvening) +
           "&end=" + FormatTime(test::kEvening + seconds * kUsPerSecond);
  }
  Json Segments(const std::string& more = "") {
    return Get("/api/v1/cameras/gate/segments?" + Range(300) + more);
  }
  static std::string PathOf(const Json& segment) {
    return "/api/v1/cameras/gate/segments/" + segment["name"].get<std::string>();
  }
  // Where its file is.
  std::string FileOf(const Json& segment) {
    const std::string name = segment["name"];
    return dir_.Path("data/volume/v1/gate/main/" + FormatDay(test::kEvening) + "/" + name);
  }
  Json Export(Json more = Json::object()) {
    more["cameras"] = {"gate"};
    more["start"] = FormatTime(test::kEvening);
    more["end"] = FormatTime(test::kEvening + kUsPerMinute);
    const auto response = Ask("POST", "/api/v1/exports", more);
    EXPECT_EQ(response.status, 201) << response.body;
    return Json::parse(response.body, nullptr, false);
  }
};

TEST_F(ExportTest, WhatIsExportedIsHeldForThirtyDaysByTheSameGroupOfRecords) {
  const Json hold = Export({{"case", "2026-114"}, {"reason", "the van"}})["hold"];
  EXPECT_EQ(hold["expires"], FormatTime(clock_.NowUs() + 30 * kUsPerDay));
  EXPECT_EQ(hold["reason"], "the van");
  EXPECT_EQ(Get("/api/v1/holds")["holds"][0]["id"], hold["id"]);
  const index::Act act = Acts().front();
  EXPECT_EQ(act.kind, index::ActKind::kExport);
  EXPECT_EQ(act.reason, "2026-114: the van");
  EXPECT_EQ(act.range, (TimeRange{test::kEvening, test::kEvening + kUsPerMinute}));
  const auto segments = store_->catalog().Segments(test::MakeStream("gate"), act.range);
  ASSERT_TRUE(segments);
  const Status deleted = store_->DeleteSegment(segments->front(), "default/1", "test");
  EXPECT_EQ(deleted.code(), Code::kDenied);
}

TEST_F(ExportTest, NoHoldIsPutWhereNoneIsAskedForAndTheActIsOnRecordAllTheSame) {
  EXPECT_TRUE(Export({{"hold_days", 0}})["hold"].is_null());
  EXPECT_TRUE(Get("/api/v1/holds")["holds"].empty());
  EXPECT_EQ(Acts().front().kind, index::ActKind::kExport);
  EXPECT_EQ(ProblemIn(Ask("POST", "/api/v1/exports",
                          {{"cameras", {"gate"}},
                           {"start", FormatTime(test::kEvening)},
                           {"end", FormatTime(test::kEvening + 1)},
                           {"hold_days", 3'651}})),
            "bad-field");
}

TEST_F(ExportTest, SegmentsAreListedPageByPageEachOnce) {
  const Json all = Segments()["segments"];
  ASSERT_EQ(all.size(), 3U);
  Json paged = Json::array();
  std::string after;
  do {
    const Json page = Segments("&limit=1" + (after.empty() ? "" : "&after=" + after));
    for (const Json& segment : page["segments"]) paged.push_back(segment);
    after = page["next"].is_null() ? "" : page["next"].get<std::string>();
  } while (!after.empty() && paged.size() < 10);
  EXPECT_EQ(paged, all);
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/gate/segments?" + Range(9) + "&after=x")),
            "bad-parameter");
}

TEST_F(ExportTest, ASegmentIsTheFileByteForByteAndItsDigestIsSha256sums) {
  const Json segment = Segments()["segments"][1];
  auto response = Ask("GET", PathOf(segment));
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(BodyOf(response), ReadText(FileOf(segment)));
  EXPECT_EQ(HeaderOf(response, "ETag"), "\"" + segment["sha256"].get<std::string>() + "\"");
  FILE* sums = popen(("sha256sum " + FileOf(segment)).c_str(), "r");
  ASSERT_NE(sums, nullptr);
  char digest[65] = "";
  ASSERT_EQ(std::fscanf(sums, "%64s", digest), 1);
  ASSERT_EQ(pclose(sums), 0);
  EXPECT_EQ(segment["sha256"], digest);
  const index::Act act = Acts().front();
  EXPECT_EQ(act.kind, index::ActKind::kExport);
  EXPECT_THAT(act.what, EndsWith(segment["name"].get<std::string>()));
}

TEST_F(ExportTest, APieceIsThatOfTheFileAndStandsUnderOneRecord) {
  const Json segment = Segments()["segments"][0];
  const std::string whole = ReadText(FileOf(segment));
  auto response = Ask("GET", PathOf(segment), {}, {{"range", "bytes=100-"}});
  const size_t acts = Acts().size();
  ASSERT_EQ(response.status, 206);
  EXPECT_EQ(BodyOf(response), whole.substr(100));
  response = Ask("GET", PathOf(segment), {}, {{"range", "bytes=5-9"}});
  EXPECT_EQ(BodyOf(response), whole.substr(5, 5));
  EXPECT_EQ(Acts().size(), acts);
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf(segment), {}, {{"range", "bytes=99999999-"}})),
            "range-not-satisfiable");
}

TEST_F(ExportTest, NotABitThatWasNotSealedLeaves) {
  const Json segment = Segments()["segments"][0];
  std::string bytes = ReadText(FileOf(segment));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  FILE* file = std::fopen(FileOf(segment).c_str(), "r+b");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
  std::fclose(file);
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf(segment))), "corrupt");
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf(segment), {}, {{"range", "bytes=0-9"}})), "corrupt");
}

TEST_F(ExportTest, ANameThatNoSegmentHasIsNotFound) {
  for (const char* name : {"1_1_1.mp4", "..mp4", "x", "1777932000000_7_12.mp4", "-1_1_1.mp4",
                           "99999999999999999999_1_1.mp4", "01777932000000_7_12.mp4"}) {
    EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/cameras/gate/segments/" + std::string(name))),
              "unknown-segment")
        << name;
  }
}

TEST_F(ExportTest, WhatCannotBePutOnRecordDoesNotLeave) {
  const Json segment = Segments()["segments"][0];
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  auto response = Ask("GET", PathOf(segment));
  EXPECT_EQ(ProblemIn(response), "not-on-record");
  EXPECT_EQ(response.stream, nullptr);
}

}  // namespace
}  // namespace lookback::api
