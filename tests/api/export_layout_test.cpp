// What stands beside the clips of an export, whoever puts it together.
#include "api/export_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace lookback::api {
namespace {

using ::testing::HasSubstr;

Json Gap(const std::string& start, const std::string& end, const std::string& cause,
         const std::string& detail = "") {
  return {{"start", "2026-05-04T" + start + "Z"},
          {"end", "2026-05-04T" + end + "Z"},
          {"cause", cause},
          {"detail", detail}};
}

TEST(ExportLayout, AGapOverTheBorderOfTwoClipsIsOne) {
  Json all = Json::array();
  AppendMissing(Json::array({Gap("22:10:00", "23:00:00", "network")}), all);
  AppendMissing(
      Json::array({Gap("23:00:00", "23:05:00", "network"), Gap("23:05:00", "23:06:00", "corrupt")}),
      all);
  EXPECT_EQ(all,
            Json({Gap("22:10:00", "23:05:00", "network"), Gap("23:05:00", "23:06:00", "corrupt")}));
  EXPECT_EQ(MissingUs(all), 56 * kUsPerMinute);
}

// The timeline knows what is on record; only a clip knows what of it can be shown.
TEST(ExportLayout, WhatClipsLackIsMissingThoughTheTimelineHasIt) {
  ExportTables tables;
  tables.AddClip(
      {{"file", "clips/gate_20260504T220000Z.mp4"},
       {"camera", "gate"},
       {"stream", "main"},
       {"start", "2026-05-04T22:00:00Z"},
       {"end", "2026-05-04T22:01:00Z"},
       {"shown", {{"start", "2026-05-04T22:00:20Z"}, {"end", "2026-05-04T22:01:00Z"}}},
       {"missing", Json::array({Gap("22:00:00", "22:00:20", "unknown", "no sync sample")})}});
  tables.AddCamera({{"camera", "gate"},
                    {"name", "Market gate"},
                    {"stream", "main"},
                    {"start", "2026-05-04T22:00:00Z"},
                    {"end", "2026-05-04T22:01:00Z"},
                    {"covered_us", kUsPerMinute},
                    {"missing_us", 0}},
                   Json::array());
  std::map<std::string, std::string> files;
  for (ExportFile& file : std::move(tables).Finish(
           {{"cameras", Json::array({"gate"})}, {"case", "2026-114"}, {"person", "li"}})) {
    files[file.file] = std::move(file.text);
  }
  EXPECT_THAT(files["meta/gaps.csv"],
              HasSubstr("gate,main,2026-05-04T22:00:00Z,2026-05-04T22:00:20Z,20.000000,"
                        "unknown,no sync sample\r\n"));
  EXPECT_THAT(files["meta/clips.csv"],
              HasSubstr("clips/gate_20260504T220000Z.mp4,gate,main,2026-05-04T22:00:00Z,"
                        "2026-05-04T22:01:00Z,2026-05-04T22:00:20Z,2026-05-04T22:01:00Z\r\n"));
  EXPECT_THAT(files["README.txt"], HasSubstr("Case: 2026-114\nExported by: li\n"));
  EXPECT_THAT(
      files["README.txt"],
      HasSubstr("gate (Market gate): 40.0 s of footage, 20.0 s missing (no sync sample)\n"));
}

}  // namespace
}  // namespace lookback::api
