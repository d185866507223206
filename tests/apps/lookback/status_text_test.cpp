#include "apps/lookback/status_text.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>

#include "api/alarms.h"
#include "apps/lookback/alarm_advice.h"
#include "tests/support/shell.h"

namespace lookback::app {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Json Alarm(std::string_view kind, index::Severity severity, const std::string& sentence) {
  return {{"kind", kind},
          {"severity", index::SeverityName(severity)},
          {"since", "2026-05-04T22:00:00Z"},
          {"until", nullptr},
          {"acknowledged", nullptr},
          {"sentence", sentence}};
}

Json Camera(const char* state, bool enabled = true) {
  return {{"enabled", enabled}, {"imported", false}, {"status", {{"state", state}}}};
}

Json Volume(const std::string& root, const char* state) {
  return {{"root", root}, {"state", state}, {"draining", false}, {"free_bytes", 5'000'000'000u}};
}

std::string Text(const Json& alarms, const Json& cameras, const Json& volumes,
                 bool clock_is_set = true) {
  const Json status = {{"version", "1.2.3"},
                       {"uptime_us", 7},
                       {"started", "2026-05-04T22:00:00Z"},
                       {"alarms", alarms},
                       {"volumes", volumes},
                       {"person", "li"},
                       {"clock_synchronised", clock_is_set},
                       {"store", "0e3c4f8a-6c0e-4a53-9d5b-5d0f3a8f7a11"}};
  return StatusText(status, cameras, "http://127.0.0.1:8686", *TimeZone::Find("UTC"));
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(StatusText, WhenAllIsWellTwoLinesSaySo) {
  const auto lines = Lines(Text(Json::array(), {Camera("recording"), Camera("recording")},
                                Json::array({Volume("/footage/1", "online")})));
  EXPECT_EQ(lines[0], "2 cameras: 2 recorded");
  EXPECT_EQ(lines[1], "Nothing is wrong.");
}

TEST(StatusText, AClockThatNobodySetsIsNotNothing) {
  const auto lines = Lines(Text(Json::array(), {Camera("recording")},
                                Json::array({Volume("/footage/1", "online")}), false));
  EXPECT_EQ(lines[1], "No alarm stands, but no time server sets this machine's clock.");
}

TEST(StatusText, ACameraThatIsNotRecordedYetIsNotCalledWell) {
  const auto lines = Lines(Text(Json::array(), Json::array({Camera("connecting")}), Json::array()));
  EXPECT_EQ(lines[0], "1 camera: 1 NOT RECORDED, 0 recorded");
  EXPECT_EQ(lines[1], "No alarm stands; `lookback camera status` says what is amiss.");
}

TEST(StatusText, FitsAScreenWhateverIsWrongAndCountsWhatItLeavesOut) {
  Json alarms = Json::array();
  for (int i = 0; i < 400; ++i) {
    alarms.push_back(Alarm("camera-down", index::Severity::kCritical,
                           "gate" + std::to_string(i) + " is not recorded: connection refused"));
  }
  for (const api::AlarmKind& kind : api::kAlarmKinds) {
    if (kind.name == "camera-down") continue;
    const std::string sentence(kind.name);
    alarms.push_back(Alarm(kind.name, kind.severity,
                           sentence + " is the case, " + sentence +
                               ", and that is told in more words than "
                               "eighty columns have room for"));
  }
  Json volumes = Json::array();
  for (int i = 0; i < 63; ++i) volumes.push_back(Volume("/footage/" + std::to_string(i), "online"));
  volumes.push_back(Volume("/footage/63", "failed"));
  const std::string text = Text(alarms, Json(400, Camera("waiting")), volumes);
  const auto lines = Lines(text);
  EXPECT_LT(lines.size(), kStatusLines) << text;
  for (const std::string& line : lines) EXPECT_LE(DisplayWidth(line), kStatusColumns) << line;
  EXPECT_EQ(lines[0], "400 cameras: 400 NOT RECORDED, 0 recorded");
  EXPECT_EQ(lines[1], "CRITICAL camera-down, 400 of them, since 2026-05-04T22:00:00.000+00:00");
  EXPECT_THAT(text, HasSubstr("  and 398 more\n"));
  const auto volume = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.starts_with("VOLUME ");
  });
  ASSERT_NE(volume, lines.end()) << text;
  EXPECT_THAT(*(volume + 1), StartsWith("/footage/63  failed  5.0 GB"));
  EXPECT_THAT(text, HasSubstr("and 58 more: `lookback volume list`\n"));
  // What is shown and what is counted are all there is.
  size_t told = 0;
  for (const std::string& line : lines) {
    if (line.starts_with("CRITICAL ") || line.starts_with("warning ")) {
      told += line.find(", 400 of them") != std::string::npos ? 400 : 1;
    }
    if (line.starts_with("And ")) told += std::stoul(line.substr(4));
  }
  EXPECT_EQ(told, alarms.size());
}

TEST(StatusText, AFewOfAKindAreAllNamed) {
  Json alarms = Json::array();
  for (const char* camera : {"gate", "yard", "hall"}) {
    alarms.push_back(Alarm("camera-down", index::Severity::kCritical,
                           std::string(camera) + " is not recorded: no answer"));
  }
  alarms[1]["acknowledged"] = {{"person", "li"}};
  const std::string text =
      Text(alarms, {Camera("waiting"), Camera("stopped", false), Camera("recording")}, {});
  EXPECT_THAT(text, StartsWith("3 cameras: 1 NOT RECORDED, 1 recorded, 1 switched off\n"
                               "CRITICAL camera-down, 3 of them, 1 acknowledged, since"));
  for (const char* camera : {"gate", "yard", "hall"}) EXPECT_THAT(text, HasSubstr(camera));
  EXPECT_THAT(text, Not(HasSubstr("more")));
}

// docs/alarms.md says what to do about each kind, and this is what it says.
TEST(AlarmAdvice, IsThatOfTheDocumentForEveryKindThereIs) {
  const Bytes bytes = test::ReadAll(LOOKBACK_SOURCE_DIR "/docs/alarms.md");
  const std::string document(AsText(ByteSpan(bytes)));
  for (const api::AlarmKind& kind : api::kAlarmKinds) {
    EXPECT_NE(AdviceOn(kind.name), "") << kind.name;
    EXPECT_THAT(document, HasSubstr("\n| `" + std::string(kind.name) + "` | " +
                                    std::string(AdviceOn(kind.name)) + " |\n"));
  }
  EXPECT_EQ(AdviceOn("fan-stopped"), "");
}

}  // namespace
}  // namespace lookback::app
