// Command lines that ask a server: what is sent, what is said of the answer, and the exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "tests/apps/lookback/command_line_fixture.h"

namespace lookback::app {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(CommandLineTest, AVolumeIsNamedByItsPathOrItsId) {
  const Said list = Ask({"volume", "list"});
  EXPECT_EQ(list.exit_code, 0);
  EXPECT_THAT(list.out, HasSubstr("online, draining"));
  EXPECT_THAT(list.out, testing::EndsWith("\n/data/v0: a write takes longer than 1 s\n"));
  const Said added = Ask({"volume", "add", "/data/v1"});
  EXPECT_EQ(added.exit_code, 0);
  EXPECT_EQ(Json::parse(asked_.body), Json::parse(R"({"root": "/data/v1"})"));
  EXPECT_THAT(added.err, HasSubstr("is its disk mounted?"));
  for (const char* const name : {"/data/v0", "a"}) {
    EXPECT_EQ(Ask({"volume", "undrain", name}).exit_code, 0);
    EXPECT_EQ(asked_.path, "/api/v1/volumes/a/undrain");
  }
  const Said again = Ask({"volume", "drain", "a"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_EQ(again.out, "/data/v0 is being drained, as it was\n");
  EXPECT_EQ(asked_.method, "GET");
  const Said held = Ask({"volume", "remove", "/data/v0"});
  EXPECT_EQ(held.exit_code, 4);
  EXPECT_THAT(held.err, HasSubstr("it still holds footage"));
  EXPECT_EQ(Ask({"volume", "drain", "/data/v9"}).exit_code, 3);
  EXPECT_EQ(Ask({"volume", "add"}).exit_code, 2);
}

TEST_F(CommandLineTest, AVolumeIsNotGivenUpAsLostWhereNobodyCanBeAsked) {
  const Said said = Ask({"volume", "remove", "a", "--lost"});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_THAT(said.err, HasSubstr("7 segments"));
  EXPECT_EQ(asked_.method, "GET");
  Ask({"volume", "remove", "a", "--lost", "--yes"});
  EXPECT_EQ(asked_.method, "DELETE");
  EXPECT_EQ(*asked_.Query("lost"), "1");
}

TEST_F(CommandLineTest, WhatDeletesIsShownBeforeAndNotDoneWhereNobodyCanBeAsked) {
  for (const std::vector<const char*>& line :
       std::vector<std::vector<const char*>>{{"retention", "clear", "group:lane"},
                                             {"retention", "set", "group:lane", "--max-days", "1"},
                                             {"camera", "set", "gate", "--group", "lane"}}) {
    const Said said = Ask(line);
    EXPECT_EQ(said.exit_code, 2) << line[1];
    EXPECT_EQ(asked_.path, "/api/v1/retention/preview");
    EXPECT_THAT(said.err, HasSubstr("would delete 3 segments"));
    EXPECT_THAT(said.err, HasSubstr("1 of them, 10 B, without this change too"));
    EXPECT_THAT(said.err, HasSubstr("would thin 5 segments, 5 min 00.000 s"));
  }
  EXPECT_EQ(Json::parse(asked_.body), Json::parse(R"({"camera": "gate", "group": "lane"})"));
  const Said sure = Ask({"camera", "set", "gate", "--group", "", "--yes"});
  EXPECT_EQ(sure.exit_code, 0);
  EXPECT_THAT(sure.err, HasSubstr("would delete 3 segments"));
  EXPECT_EQ(asked_.method, "PATCH");
  EXPECT_EQ(Json::parse(asked_.body), Json::parse(R"({"group": ""})"));
}

TEST_F(CommandLineTest, AMistypedWordIsToldWithWhatItWasMeantToBe) {
  const auto err = [](std::vector<const char*> line) {
    const Said said = RunLine(std::move(line));
    EXPECT_EQ(said.exit_code, 2);
    return said.err;
  };
  EXPECT_THAT(err({"timelin", "gate"}), HasSubstr("did you mean timeline?"));
  EXPECT_THAT(err({"camera", "lst"}), HasSubstr("did you mean list?"));
  EXPECT_THAT(err({"clip", "gate", "--gasp=keep"}), HasSubstr("did you mean --gaps?"));
  EXPECT_THAT(err({"elephant"}), testing::Not(HasSubstr("did you mean")));
  EXPECT_THAT(err({"clip", "--gaps", "keep"}), testing::Not(HasSubstr("did you mean")));
}

TEST_F(CommandLineTest, WhatIsWrongWithALineIsASentence) {
  const std::pair<std::vector<const char*>, const char*> lines[] = {
      {{"volume"}, "`lookback volume` needs a command: list, add, drain, undrain, remove\n"},
      {{"volume", "elephant"},
       "`lookback volume` has no command \"elephant\"; it has list, add, drain, undrain, remove\n"},
      {{"camera", "add"}, "`lookback camera add` needs ID; `lookback camera add --help` says"},
      {{"clip", "gate", "-o", "f"}, "`lookback clip` needs --start;"},
      {{"events", "--limit", "x"}, "--limit is a number from 1 to 1000, and not \"x\"; `lookback"},
      {{"fsck", "now"}, "`lookback fsck` does not take \"now\";"},
      {{"fsck", "--zebra"}, "`lookback fsck` has no option --zebra;"},
      {{"timeline", "gate", "--start"}, "--start needs a value;"},
      {{"--token-file", "/x", "status"}, "--token-file stands behind `lookback status`;"},
      {{"timeline", "gate", "--stream", "third", "--start", "1", "--end", "2"},
       "--stream is one of main, sub, and not \"third\";"},
      {{"retention", "set", "--class", "9"}, "--class is a number from 0 to 3, and not \"9\";"},
      {{"retention", "set", "--min-days", "x"}, "--min-days is a whole number, and \"x\" is none;"},
      {{"retention", "set", "--quota", "12XB"}, "--quota takes bytes, as 500GB or 2TB"},
      {{"scrub", "--wait=maybe"}, "--wait takes no value;"},
      {{"timeline", "--group", "lane", "--start", "1", "--end", "2"},
       "--group goes only with --step;"},
      {{"timeline", "gate", "--from", "2026-05-04"}, "--from goes only with --to;"},
      {{"apply", "f", "--yes", "--dry-run"}, "--yes and --dry-run do not go together;"},
      {{"rebuild", "--set-ledger-apart"}, "--set-ledger-apart goes only with --from-files;"}};
  for (const auto& [line, sentence] : lines) {
    const Said said = RunLine(line);
    EXPECT_EQ(said.exit_code, 2) << sentence;
    EXPECT_THAT(said.err, HasSubstr("lookback: " + std::string(sentence)));
  }
}

TEST_F(CommandLineTest, AllFaultsOfAFleetAreToldAtOnceByLine) {
  const std::string file = directory_.Path("fleet.toml");
  std::ofstream(file) << "[[camera]]\n"
                         "id = \"gate\"\n"
                         "url = \"ftp://x/\"\n"
                         "[[camera]]\n"
                         "id = \"yard\"\n"
                         "url = \"rtsp://x/\"\n"
                         "colour = \"red\"\n"
                         "[[camera]]\n"
                         "id = \"hall\"\n";
  const Said said = Ask({"apply", file.c_str(), "--yes"});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_EQ(said.err, "lookback: " + file + ":3:7: no such scheme\n" +  //
                          "lookback: " + file + ":7:1: \"colour\" is no setting of this\n" +
                          "lookback: " + file + ":8:1: the camera has no url\n");
  EXPECT_EQ(*asked_.Query("dry_run"), "1");
}

TEST_F(CommandLineTest, JsonIsOneDocumentAndNothingElse) {
  const Said said = Ask({"camera", "list", "--json"});
  EXPECT_EQ(said.exit_code, 0);
  EXPECT_EQ(Json::parse(said.out)["cameras"][0]["id"], "gate");
  EXPECT_THAT(said.err, IsEmpty());
}

TEST_F(CommandLineTest, AScrubNamesWhatIsDamagedInSentencesAndSaysNo) {
  const Said said = Ask({"scrub"});
  EXPECT_EQ(said.exit_code, 1) << said.err;
  EXPECT_EQ(asked_.method, "GET");
  EXPECT_THAT(said.out, HasSubstr("gate (sub stream) from 2026-05-05T06:00:05.000+08:00 to "
                                  "2026-05-05T06:00:06.000+08:00 is damaged: its checksum\n"));
}

TEST_F(CommandLineTest, AScrubBeginsAPassAndShowsHowFarItIs) {
  const Said said = Ask({"scrub", "--now"});
  EXPECT_EQ(asked_.method, "POST");
  EXPECT_THAT(said.out, HasSubstr("1 of 2 segments, "));
  const Said json = Ask({"scrub", "--now", "--wait", "--json"});
  EXPECT_EQ(asked_.method, "GET");
  EXPECT_TRUE(Json::parse(json.out)["volumes"][0]["pass"].is_null());
}

TEST_F(CommandLineTest, ASnapshotThatIsAskedForIsWaitedFor) {
  const Said said = Ask({"snapshot", "--now"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_EQ(asked_.method, "GET");
  EXPECT_THAT(said.out, HasSubstr("/data/snapshots/0a.lks, of 2026-05-05T06:00:00"));
  EXPECT_THAT(said.out, HasSubstr("and 2 ledger records after it"));
}

TEST_F(CommandLineTest, AHostileNameIsPrintedTame) {
  EXPECT_THAT(Ask({"camera", "list"}).out, HasSubstr("北 门"));
}

TEST_F(CommandLineTest, LocalTimesAreOfTheStoresZoneAndEchoedWithOffset) {
  const Said said = Ask(
      {"timeline", "gate", "--date", "2026-05-04", "--start", "22:00", "--end", "01:00", "--json"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_EQ(*asked_.Query("start"), "2026-05-04T14:00:00Z");
  EXPECT_EQ(*asked_.Query("end"), "2026-05-04T17:00:00Z");
  const Json asked = Json::parse(said.out)["asked"];
  EXPECT_EQ(asked["start"], "2026-05-04T22:00:00+08:00");
  EXPECT_EQ(asked["end"], "2026-05-05T01:00:00+08:00");
}

TEST_F(CommandLineTest, AZoneThatIsNamedBeatsTheStores) {
  EXPECT_EQ(Ask({"timeline", "gate", "--date", "2026-05-04", "--start", "22:00", "--end", "23:00",
                 "--tz", "UTC"})
                .exit_code,
            0);
  EXPECT_EQ(*asked_.Query("start"), "2026-05-04T22:00:00Z");
}

TEST_F(CommandLineTest, ListsFollowTheirPagesToTheEnd) {
  const Said said = Ask({"marker", "list", "--json"});
  EXPECT_EQ(Json::parse(said.out), Json::parse(R"({"markers": [{"id": "a"}, {"id": "b"}]})"));
}

TEST_F(CommandLineTest, NoFootageIsNotFoundAndIncompleteWhereAllIsRequired) {
  const std::string file = directory_.Path("clip.mp4");
  const std::vector<const char*> clip = {
      "clip", "gate",      "--start", "2026-05-04T22:00:00Z", "--end", "2026-05-04T22:01:00Z",
      "-o",   file.c_str()};
  const Said plain = Ask(clip);
  EXPECT_EQ(plain.exit_code, 3);
  EXPECT_THAT(plain.err, testing::StartsWith("lookback: no footage there"));
  auto strict = clip;
  strict.insert(strict.end(), {"--require-complete", "--json"});
  const Said said = Ask(strict);
  EXPECT_EQ(said.exit_code, 1);
  EXPECT_THAT(said.err, HasSubstr("1 min 00.000 s of 1 min 00.000 s are missing"));
  const Json json = Json::parse(said.out);
  EXPECT_EQ(json["complete"], false);
  EXPECT_EQ(json["missing_us"], 60'000'000);
  EXPECT_TRUE(json["file"].is_null());
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(CommandLineTest, SubtitlesAreAskedInTheZoneThatTimesAreReadIn) {
  const std::string file = directory_.Path("clip.mp4");
  std::vector<const char*> clip = {
      "clip",    "yard", "--start",   "2026-05-04T22:00:00Z", "--end", "2026-05-04T22:01:00Z",
      "--force", "-o",   file.c_str()};
  EXPECT_EQ(Ask(clip).exit_code, 0);
  EXPECT_EQ(asked_.Query("subtitles"), nullptr);
  EXPECT_EQ(asked_.Query("tz"), nullptr);
  clip.push_back("--subtitles");
  EXPECT_EQ(Ask(clip).exit_code, 0);
  ASSERT_NE(asked_.Query("subtitles"), nullptr);
  EXPECT_EQ(*asked_.Query("subtitles"), "1");
  EXPECT_EQ(*asked_.Query("tz"), "Asia/Shanghai");
  clip.insert(clip.end(), {"--tz", "Europe/Berlin"});
  EXPECT_EQ(Ask(clip).exit_code, 0);
  EXPECT_EQ(*asked_.Query("tz"), "Europe/Berlin");
}

TEST_F(CommandLineTest, AFileThatIsThereIsNotReplacedUnasked) {
  const Said said = Ask({"clip", "gate", "--start", "2026-05-04T22:00:00Z", "--end",
                         "2026-05-04T22:01:00Z", "-o", token_file_.c_str()});
  EXPECT_EQ(said.exit_code, 4);
  EXPECT_THAT(said.err, HasSubstr("--force"));
  EXPECT_THAT(asked_.path, IsEmpty());
}

TEST_F(CommandLineTest, AnOutputThatCannotBeIsRefusedBeforeAnybodyIsAsked) {
  const std::string below_nothing = directory_.Path("none/x.mp4");
  const struct {
    std::string file;
    int exit_code;
  } cases[] = {{"", 2}, {directory_.path(), 4}, {below_nothing, 3}, {"/dev/null", 4}};
  for (const auto& each : cases) {
    for (const char* more : {"--force", "--no-audio"}) {
      const Said said = Ask({"clip", "gate", "--start", "2026-05-04T22:00:00Z", "--end",
                             "2026-05-04T22:01:00Z", "-o", each.file.c_str(), more});
      EXPECT_EQ(said.exit_code, each.exit_code) << said.err;
    }
  }
  const Said both = Ask({"clip", "gate", "--start", "2026-05-04T22:00:00Z", "--end",
                         "2026-05-04T22:01:00Z", "-o", "-", "--json"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.out, IsEmpty());
  EXPECT_THAT(asked_.path, IsEmpty());
}

TEST_F(CommandLineTest, AClipOnStandardOutputHasNothingElseBesideIt) {
  const Said said = Ask({"clip", "yard", "--start", "2026-05-04T22:00:00Z", "--end",
                         "2026-05-04T22:01:00Z", "-o", "-"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_EQ(said.out, "the clip");
  EXPECT_THAT(said.err, HasSubstr("nothing is missing"));
  // Of printf 'the clip' | sha256sum.
  EXPECT_THAT(said.err,
              HasSubstr("7c0e5de0983261ac64439a164d25703589e98aa260c87c60802fa6feaca1e4d0"));
  EXPECT_FALSE(std::filesystem::exists("-"));
}

TEST_F(CommandLineTest, ARangeThatIsNotTheAskedOneIsShownBesideIt) {
  const std::string file = directory_.Path("clip.mp4");
  const Said said = Ask({"clip", "yard", "--start", "2026-05-04T22:00:00Z", "--end",
                         "2026-05-04T22:01:00Z", "-o", file.c_str()});
  EXPECT_THAT(said.out, HasSubstr("asked  2026-05-05T06:00:00.000+08:00 to "
                                  "2026-05-05T06:01:00.000+08:00\n"
                                  "shows  2026-05-05T06:00:00.000+08:00 to "
                                  "2026-05-05T06:00:59.960+08:00, in whole pictures\n"));
  const Said json = Ask({"clip", "yard", "--start", "2026-05-04T22:00:00Z", "--end",
                         "2026-05-04T22:01:00Z", "-o", file.c_str(), "--force", "--json"});
  EXPECT_EQ(Json::parse(json.out)["sha256"],
            "7c0e5de0983261ac64439a164d25703589e98aa260c87c60802fa6feaca1e4d0");
}

TEST_F(CommandLineTest, ACameraIsChangedInWhatIsSaidAlone) {
  const std::string file = directory_.Path("password");
  std::ofstream(file) << "correct horse\n";
  const Said said = Ask({"camera", "set", "gate", "--name", "", "--audio", "off", "--password-file",
                         file.c_str(), "--disable", "--json"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_EQ(asked_.method, "PATCH");
  EXPECT_EQ(asked_.path, "/api/v1/cameras/gate");
  EXPECT_EQ(Json::parse(asked_.body),
            Json::parse(
                R"({"name": "", "password": "correct horse", "audio": false, "enabled": false})"));
  EXPECT_EQ(Ask({"camera", "set", "gate"}).exit_code, 2);
  EXPECT_EQ(Ask({"camera", "set", "gate", "--enable", "--disable"}).exit_code, 2);
}

TEST_F(CommandLineTest, RemovedCamerasAreListedWhenAskedFor) {
  EXPECT_EQ(Ask({"camera", "list"}).exit_code, 0);
  EXPECT_EQ(asked_.Query("removed"), nullptr);
  EXPECT_EQ(Ask({"camera", "list", "--removed"}).exit_code, 0);
  ASSERT_NE(asked_.Query("removed"), nullptr);
  EXPECT_EQ(*asked_.Query("removed"), "1");
}

TEST_F(CommandLineTest, CamerasThatAreDownComeFirstWithTheTimeOfTheirLastPicture) {
  const Said said = Ask({"camera", "status", "--tz", "UTC"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_LT(said.out.find("gate"), said.out.find("alley"));
  EXPECT_THAT(said.out, testing::ContainsRegex("gate +waiting +2026-05-04T20:00:00.000\\+00:00"));
  EXPECT_THAT(said.out, HasSubstr("+0.00 s"));
}

TEST_F(CommandLineTest, TheStatusHasVolumesAndAlarms) {
  const Said said = Ask({"status"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_THAT(said.out, HasSubstr("Nothing is wrong."));
  EXPECT_THAT(said.out, testing::ContainsRegex("/data/v0 +online, draining +500 B +1.0 kB"));
  const Json json = Json::parse(Ask({"status", "--json"}).out);
  EXPECT_EQ(json["time_zone"], "Asia/Shanghai");
  EXPECT_EQ(json["volumes"][0]["root"], "/data/v0");
}

TEST_F(CommandLineTest, ANameThatIsNotUtf8IsRefusedAndNotMended) {
  const Said said = Ask({"camera", "add", "gate", "rtsp://h/", "--name", "caf\xE9"});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_THAT(said.err, HasSubstr("name is not UTF-8"));
  EXPECT_THAT(asked_.path, IsEmpty());
}

// The server alone knows whether the policy says already what gives when the disk is full.
TEST_F(CommandLineTest, AFloorIsAskedAboutAsItWasSaid) {
  const Said said = Ask({"retention", "preview", "--min-days", "30"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_EQ(asked_.path, "/api/v1/retention/preview");
  EXPECT_EQ(Json::parse(asked_.body), Json::parse(R"({"min_days": 30, "scope": "default"})"));
}

TEST_F(CommandLineTest, AClockCheckNeedsBothTimesAndTakesLocalOnesOfOneDay) {
  const Said half = Ask({"camera", "clock", "gate", "--shown", "2026-05-04T22:00:00Z"});
  EXPECT_EQ(half.exit_code, 2);
  EXPECT_THAT(half.err, HasSubstr("--true"));
  const Said days = Ask({"camera", "clock", "gate", "--date", "2026-05-04", "--shown", "00:00:02",
                         "--true", "23:59:58"});
  EXPECT_EQ(days.exit_code, 2);
  EXPECT_THAT(days.err, HasSubstr("two days"));
  EXPECT_THAT(asked_.path, IsEmpty());
  const Said said = Ask({"camera", "clock", "gate", "--date", "2026-05-04", "--shown", "22:00:03",
                         "--true", "22:00:00", "--note", "radio clock"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_EQ(asked_.path, "/api/v1/cameras/gate/clock-checks");
  EXPECT_EQ(Json::parse(asked_.body), Json::parse(R"({"shown": "2026-05-04T14:00:03Z",
                "true": "2026-05-04T14:00:00Z", "note": "radio clock"})"));
}

TEST_F(CommandLineTest, ANoteIsSentAsItIsSaid) {
  EXPECT_EQ(Ask({"camera", "note", "gate", "--kind", "rumour", "--text", "x"}).exit_code, 2);
  EXPECT_THAT(asked_.path, IsEmpty());
  const Said said = Ask({"camera", "note", "gate", "--kind", "repair", "--text", "lens cleaned",
                         "--date", "2026-05-04", "--at", "22:00"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_EQ(asked_.path, "/api/v1/cameras/gate/notes");
  EXPECT_EQ(Json::parse(asked_.body), Json::parse(R"({"kind": "repair", "text": "lens cleaned",
                "at": "2026-05-04T14:00:00Z"})"));
}

TEST_F(CommandLineTest, APasswordIsTheFirstLineOfItsFileAndIsNotPrinted) {
  const std::string file = directory_.Path("password");
  std::ofstream(file) << "correct horse\r\n";
  const Said said =
      Ask({"camera", "add", "gate", "rtsp://h/", "--user", "u", "--password-file", file.c_str()});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_EQ(Json::parse(asked_.body)["password"], "correct horse");
  EXPECT_THAT(said.out + said.err, testing::Not(HasSubstr("horse")));
}

}  // namespace
}  // namespace lookback::app
