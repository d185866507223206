#include "apps/lookback/fleet_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace lookback::app {
namespace {

class FleetFileTest : public testing::Test {
 protected:
  FleetFile Read(const std::string& text) {
    std::ofstream(directory_.Path("fleet.toml")) << text;
    auto file = ReadFleetFile(*files_, directory_.Path("fleet.toml"));
    EXPECT_TRUE(file) << file.message();
    return file ? *std::move(file) : FleetFile{};
  }
  // "LINE:COLUMN" of each.
  static std::vector<std::string> Places(const FleetFile& file) {
    std::vector<std::string> places;
    for (const FileFault& fault : file.faults) {
      EXPECT_FALSE(fault.text.empty());
      places.push_back(std::to_string(fault.at.line) + ":" + std::to_string(fault.at.column));
    }
    return places;
  }

  const test::TempDir directory_;
  const std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
};

TEST_F(FleetFileTest, AFileBecomesTheBodyOfTheRequest) {
  std::ofstream(directory_.Path("gate.pw")) << "secret\n";
  setenv("LOOKBACK_TEST_YARD", "word", 1);
  const FleetFile file = Read(R"(
[policy]
min_days = 30
max_days = 90
at_floor = "shorten"

[[camera]]
id = "gate"
name = "市场路口东"
url = "rtsp://10.0.0.7/1"
user = "viewer"
password_file = "gate.pw"
audio = true
policy = { max_days = 7 }

[[camera]]
id = "yard"
url = "rtsps://10.0.0.8/1"
sub_url = "rtsps://10.0.0.8/2"
password_env = "LOOKBACK_TEST_YARD"
policy = "default"
)");
  EXPECT_THAT(Places(file), testing::IsEmpty());
  EXPECT_EQ(nlohmann::json(file.body), nlohmann::json::parse(R"({
    "cameras": [
      {"id": "gate", "name": "市场路口东", "url": "rtsp://10.0.0.7/1", "user": "viewer",
       "password": "secret", "audio": true, "policy": {"max_days": 7}},
      {"id": "yard", "url": "rtsps://10.0.0.8/1", "sub_url": "rtsps://10.0.0.8/2",
       "password": "word", "policy": null}],
    "policy": {"min_days": 30, "max_days": 90, "at_floor": "shorten"}})"));
  EXPECT_EQ(file.PositionOf(0, "audio"), (FilePosition{13, 9}));
  EXPECT_EQ(file.PositionOf(1, "transport").line, 16u);  // Not said: the table's own.
  EXPECT_EQ(file.PositionOf(-1, "min_days").line, 3u);
  unsetenv("LOOKBACK_TEST_YARD");
}

TEST_F(FleetFileTest, EveryFaultIsFoundWithItsPlace) {
  const FleetFile file = Read(R"(colour = "red"
[policy]
max_days = -1
days = 3
[[camera]]
id = 7
url = "rtsp://10.0.0.7/1"
audio = "yes"
password = "a"
password_file = "b"
[[camera]]
id = "yard"
password_file = "absent"
policy = "own"
)");
  EXPECT_THAT(Places(file), testing::ElementsAre("1:1", "3:12", "4:1", "6:6", "8:9", "10:1", "11:1",
                                                 "13:17", "14:10"));
}

TEST_F(FleetFileTest, APlaceIsATableOfDegreesAndTagsAreAList) {
  const FleetFile file = Read(R"([[camera]]
id = "gate"
url = "rtsp://10.0.0.7/1"
place = { latitude = 52.5, longitude = 13, bearing = 90 }
tags = ["crossing", "路口"]
)");
  EXPECT_THAT(Places(file), testing::IsEmpty());
  EXPECT_EQ(nlohmann::json(file.body)["cameras"][0], nlohmann::json::parse(R"({
    "id": "gate", "url": "rtsp://10.0.0.7/1", "tags": ["crossing", "路口"],
    "place": {"latitude": 52.5, "longitude": 13.0, "bearing": 90.0}})"));
  EXPECT_THAT(Places(Read(R"([[camera]]
id = "gate"
url = "rtsp://10.0.0.7/1"
place = { latitude = "north", longitude = true }
tags = ["crossing", 7]
[[camera]]
id = "yard"
url = "rtsp://10.0.0.8/1"
place = "here"
tags = "crossing"
)")),
              testing::ElementsAre("4:22", "4:43", "5:8", "9:9", "10:8"));
}

TEST_F(FleetFileTest, GroupsHaveNamesAndPolicies) {
  const FleetFile file = Read(R"([[group]]
name = "lane"
policy = { max_days = 7 }
[[group]]
policy = "default"
colour = "red"
[[camera]]
id = "gate"
url = "rtsp://10.0.0.7/1"
group = "lane"
)");
  EXPECT_THAT(Places(file), testing::ElementsAre("4:1", "6:1"));
  EXPECT_EQ(file.body["groups"][0], Json::parse(R"({"name": "lane", "policy": {"max_days": 7}})"));
  EXPECT_EQ(file.body["groups"][1], Json::parse(R"({"policy": null})"));
  EXPECT_EQ(file.body["cameras"][0]["group"], "lane");
  EXPECT_EQ(file.PositionOf(FleetFile::PlaceOfGroup(0), "name").line, 2u);
}

TEST_F(FleetFileTest, WhatIsNoTomlSaysWhere) {
  const FleetFile file = Read("[policy]\nmin_days = 30\nmax_days 90\n");
  ASSERT_EQ(file.faults.size(), 1u);
  EXPECT_EQ(file.faults[0].at.line, 3u);
  EXPECT_EQ(ReadFleetFile(*files_, directory_.Path("absent")).code(), Code::kNotFound);
}

}  // namespace
}  // namespace lookback::app
