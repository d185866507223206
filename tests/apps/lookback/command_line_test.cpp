#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "apps/lookback/command.h"
#include "tests/apps/lookback/test_server.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/temp_dir.h"

namespace lookback::app {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

struct Said {
  int exit_code = 0;
  std::string out;
  std::string err;
};

Said RunLine(std::vector<const char*> arguments, FileSystem& files) {
  arguments.insert(arguments.begin(), "lookback");
  ManualClock clock(kUsPerSecond);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Said said;
  said.exit_code =
      RunCommandLine(static_cast<int>(arguments.size()), arguments.data(), clock, files);
  said.out = testing::internal::GetCapturedStdout();
  said.err = testing::internal::GetCapturedStderr();
  return said;
}
Said RunLine(std::vector<const char*> arguments) {
  const auto files = MakePosixFileSystem();
  return RunLine(std::move(arguments), *files);
}

constexpr const char* kStoreFile =
    R"({"format": 2, "store": "6f1d3a52-7c1e-4a8e-9d53-2b8c9a4f7e10", "epoch": 1,
        "marked_epoch": 0, "ledger_mark": 0, "volumes": []})";

// One with the Debian package's directories, which are somewhere else in truth.
class PackagedMachine : public test::FaultFileSystem {
 public:
  PackagedMachine(FileSystem& below, const std::string& root)
      : FaultFileSystem(below, root), root_(root) {}

  void Put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    return FaultFileSystem::Open(Real(path), mode);
  }
  Result<FileInfo> Stat(const std::string& path) override {
    return FaultFileSystem::Stat(Real(path));
  }

 private:
  std::string Real(const std::string& path) const {
    const bool moved = path.starts_with("/etc/lookback") || path.starts_with("/var/lib/lookback");
    return moved ? root_ + path : path;
  }

  const std::string root_;
};

// Answers as a store in Shanghai with one camera would, and remembers what was asked.
class CommandLineTest : public testing::Test {
 protected:
  Said Ask(std::vector<const char*> arguments) {
    url_ = server_.url();
    arguments.insert(arguments.end(),
                     {"--server", url_.c_str(), "--token-file", token_file_.c_str()});
    return RunLine(std::move(arguments));
  }

  net::HttpResponse Handle(const net::HttpRequest& request) {
    if (request.path == "/api/v1/status") {
      return Answer(200, R"({"time_zone": "Asia/Shanghai", "clock_synchronised": true})");
    }
    asked_ = request;
    if (request.path == "/api/v1/cameras/gate/timeline") {
      return Answer(200, R"({"camera": "gate", "covered_us": 1, "missing_us": 0, "spans": []})");
    }
    if (request.path == "/api/v1/cameras/gate/clip.json") {
      return Answer(404, R"({"type": "/problems/no-footage", "detail": "no footage there",
                             "missing": []})");
    }
    if (request.path == "/api/v1/cameras/yard/clip.json") {
      return Answer(200, R"({"etag": "\"one\"", "size_bytes": 8, "duration_us": 59960000,
                             "missing_us": 0, "missing": [],
                             "shown": {"start": "2026-05-04T22:00:00Z",
                                       "end": "2026-05-04T22:00:59.96Z"}})");
    }
    if (request.path == "/api/v1/cameras/yard/clip.mp4") {
      net::HttpResponse clip = Answer(200, "the clip");
      clip.headers = {{"ETag", "\"one\""}};
      return clip;
    }
    if (request.path == "/api/v1/volumes") {
      if (request.method == "POST") {
        return Answer(201, R"({"id": "b", "root": "/data/v1", "warning": "is its disk mounted?"})");
      }
      return Answer(200, R"({"volumes": [{"id": "a", "root": "/data/v0", "state": "online",
                                          "trouble": "a write takes longer than 1 s",
                                          "draining": true, "bytes": 2000, "segments": 7,
                                          "held_bytes": 600, "held_segments": 2,
                                          "total_bytes": 1000, "free_bytes": 500}]})");
    }
    if (request.path.rfind("/api/v1/volumes/", 0) == 0 && request.method == "DELETE") {
      return Answer(409,
                    R"({"type": "/problems/volume-in-use", "detail": "it still holds footage"})");
    }
    if (request.path == "/api/v1/scrub") {
      // A pass that was asked for is under way at first, and done when it is looked at again.
      const char* const pass = request.method == "POST"
                                   ? R"({"began": "2026-05-04T22:00:00Z", "segments": 1, "bytes": 5,
                                         "of_segments": 2, "of_bytes": 10, "hindrance": null})"
                                   : "null";
      return Answer(200, std::string(R"({"bytes_per_second": 1, "damaged": 1, "findings": [
          {"camera": "gate", "stream": "sub", "start": "2026-05-04T22:00:05Z",
           "end": "2026-05-04T22:00:06Z", "cause": "corrupt", "sentence": "its checksum"}],
          "volumes": [{"root": "/data/v0", "last": null, "next": null, "pass": )") +
                             pass + "}]}");
    }
    if (request.path == "/api/v1/retention/preview") {
      return Answer(200, R"({"segments": 3, "bytes": 30, "duration_us": 180000000, "sentence": "",
                             "anyway": {"segments": 1, "bytes": 10}, "cameras": [
          {"camera": "gate", "segments": 3, "bytes": 30, "duration_us": 180000000,
           "oldest": "2026-05-04T22:00:00Z", "newest": "2026-05-04T22:03:00Z",
           "reason": "older than 1 days"}],
          "thinned": {"segments": 5, "bytes": 50, "duration_us": 300000000,
                      "anyway": {"segments": 0, "bytes": 0}, "cameras": [
          {"camera": "gate", "segments": 5, "bytes": 50, "duration_us": 300000000,
           "oldest": "2026-05-04T22:03:00Z", "newest": "2026-05-04T22:08:00Z",
           "reason": "older than 1 days"}]}})");
    }
    if (request.path == "/api/v1/fleet") {
      return Answer(400, R"({"type": "/problems/bad-fleet", "detail": "2 at fault", "faults": [
          {"camera": 0, "field": "url", "type": "/problems/bad-camera-url", "detail": "no such scheme"},
          {"camera": 2, "field": "url", "type": "/problems/missing-field", "detail": "url is needed"}]})");
    }
    if (request.path == "/api/v1/snapshot") {
      // One that was asked for is being written at first, and stands when it is looked at again.
      const bool asked = request.method == "POST";
      return Answer(asked ? 202 : 200,
                    std::string(R"({"ledger_records": 12, "trouble": null, "running": )") +
                        (asked ? "true" : "false") +
                        R"(, "newest": {"path": "/data/snapshots/0a.lks", "ledger_records": 10,
                                        "time": "2026-05-04T22:00:00Z"}})");
    }
    if (request.path == "/api/v1/markers") {
      const bool first = request.Query("after") == nullptr;
      return Answer(200, first ? R"({"markers": [{"id": "a"}], "next": "a"})"
                               : R"({"markers": [{"id": "b"}], "next": null})");
    }
    if (request.Query("status") != nullptr) {
      return Answer(200, R"({"cameras": [
          {"status": {"camera": "alley", "state": "recording", "camera_offset_us": -1000}},
          {"status": {"camera": "gate", "state": "waiting", "since": "2026-05-04T22:10:00Z",
                      "down_since": "2026-05-04T20:00:00Z", "last_error": "no route to host"}}]})");
    }
    return Answer(200, R"({"cameras": [{"id": "gate", "name": "北\u001b门"}]})");
  }

  void SetUp() override { std::ofstream(token_file_) << "lbk_x\n"; }

  const test::TempDir directory_;
  const std::string token_file_ = directory_.Path("token");
  net::HttpRequest asked_;
  TestServer server_{[this](const net::HttpRequest& request) { return Handle(request); }};
  std::string url_;
};

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

TEST(CommandLineUsageTest, AWrongLineIsOneSentenceAndExitCodeTwo) {
  for (const std::vector<const char*>& line : std::vector<std::vector<const char*>>{
           {},
           {"camera"},
           {"nonsense"},
           {"clip", "gate"},
           {"timeline", "gate", "--start", "x"},
           {"serve", "--listen", "nonsense"},
           {"serve", "--listen", "127.0.0.1:65536"},
           {"serve", "--listen", "::1:80"},
           {"camera", "add", "a", "rtsp://h/", "--password-file", "f"}}) {
    const Said said = RunLine(line);
    EXPECT_EQ(said.exit_code, 2) << said.err;
    EXPECT_THAT(said.err, testing::StartsWith("lookback: "));
    EXPECT_EQ(std::count(said.err.begin(), said.err.end(), '\n'), 1) << said.err;
    EXPECT_THAT(said.out, IsEmpty());
  }
}

TEST(CommandLineUsageTest, HelpNamesTheExitCodes) {
  const Said said = RunLine({"--help"});
  EXPECT_EQ(said.exit_code, 0);
  EXPECT_THAT(said.out, HasSubstr("Exit codes: 0 ok"));
}

TEST(CommandLineUsageTest, HelpIsACommandToo) {
  EXPECT_EQ(RunLine({"help"}).out, RunLine({"--help"}).out);
  EXPECT_EQ(RunLine({"help", "camera", "add"}).out, RunLine({"camera", "add", "--help"}).out);
}

TEST(CommandLineUsageTest, TheVersionIsAnOptionToo) {
  const Said option = RunLine({"--version"});
  EXPECT_EQ(option.exit_code, 0);
  EXPECT_EQ(option.out, RunLine({"version"}).out);
}

TEST(CommandLineUsageTest, TheManualHasEachCommandAndItsOptions) {
  const Said said = RunLine({"man"});
  EXPECT_EQ(said.exit_code, 0);
  EXPECT_THAT(said.out, testing::StartsWith(".TH LOOKBACK 1 "));
  for (const char* words :
       {"\n.SS lookback serve\n", "\n.SS lookback camera set\n", "\\fB\\-o, \\-\\-output\\fR",
        "\\fB\\-\\-force\\fR\n", "\n.SH EXIT STATUS\n"}) {
    EXPECT_THAT(said.out, HasSubstr(words));
  }
}

TEST(CommandLineUsageTest, AStoreThatMayNotBeReadIsDeniedAndNotCalledSomethingElse) {
  const test::TempDir directory;
  const std::string data = directory.Path("data");
  std::filesystem::create_directory(data);
  std::ofstream(data + "/store.json") << "{}";
  ASSERT_EQ(::chmod(data.c_str(), 0), 0);
  // Root may read everything; `nobody` may not, but has to reach the directory.
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  const bool root = ::geteuid() == 0;
  ASSERT_EQ(root ? ::seteuid(65'534) : 0, 0);
  std::vector<Said> all;
  for (const char* command : {"fsck", "rebuild"}) {
    all.push_back(RunLine({command, "--data", data.c_str()}));
  }
  const std::string file = data + "/token";
  all.push_back(RunLine({"camera", "list", "--token-file", file.c_str()}));
  EXPECT_EQ(root ? ::seteuid(0) : 0, 0);
  ASSERT_EQ(::chmod(data.c_str(), 0700), 0);
  for (const Said& said : all) {
    EXPECT_EQ(said.exit_code, 4) << said.err;
    EXPECT_THAT(said.err, HasSubstr("Permission denied"));
  }
}

TEST(CommandLineUsageTest, WhoMayNotReadAStoreIsToldWhoMay) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const test::TempDir directory;
  const std::string data = directory.Path("data");
  std::filesystem::create_directory(data);
  std::ofstream(data + "/store.json") << kStoreFile;
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(data.c_str(), 0700), 0);
  ASSERT_EQ(::chmod((data + "/store.json").c_str(), 0600), 0);
  const auto as_nobody = [&](uid_t owner) {
    EXPECT_EQ(::chown(data.c_str(), owner, 0), 0);
    EXPECT_EQ(::seteuid(65'534), 0);
    Said said = RunLine({"backup", directory.path().c_str(), "--data", data.c_str()});
    EXPECT_EQ(::seteuid(0), 0);
    EXPECT_EQ(said.exit_code, 4);
    return said.err;
  };
  EXPECT_THAT(as_nobody(1), HasSubstr("owns " + data + ": runuser -u daemon -- lookback"));
  EXPECT_THAT(as_nobody(65'534), HasSubstr("`chown -R nobody: " + data + "`"));
  EXPECT_THAT(as_nobody(0), HasSubstr("run this as root"));
}

TEST(CommandLineUsageTest, AnEmptyDataDirectoryIsNoDefault) {
  for (std::vector<const char*> line : std::vector<std::vector<const char*>>{
           {"fsck"}, {"rebuild"}, {"backup", "."}, {"restore", "."}, {"serve"}, {"doctor"}}) {
    line.insert(line.end(), {"--data", ""});
    const Said said = RunLine(line);
    EXPECT_EQ(said.exit_code, 2) << line[0];
    EXPECT_THAT(said.err, HasSubstr("--data: names a directory")) << line[0];
  }
}

TEST(CommandLineUsageTest, ABackupMakesNoPlaceForItself) {
  const test::TempDir directory;
  const std::string data = directory.Path("data"), into = directory.Path("mnt/backups");
  std::filesystem::create_directory(data);
  std::ofstream(data + "/store.json") << kStoreFile;
  const Said said = RunLine({"backup", into.c_str(), "--data", data.c_str()});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_THAT(said.err, HasSubstr("mkdir -p -m 0700 " + into));
  EXPECT_FALSE(std::filesystem::exists(directory.Path("mnt")));
}

TEST(CommandLineUsageTest, TheServicesStoreIsNamedToWhoNamedNone) {
  const test::TempDir home;
  for (const char* name : {"XDG_DATA_HOME", "STATE_DIRECTORY"}) ::unsetenv(name);
  const std::string before = std::getenv("HOME") == nullptr ? "/" : std::getenv("HOME");
  ::setenv("HOME", home.path().c_str(), 1);
  const auto posix = MakePosixFileSystem();
  PackagedMachine machine(*posix, home.path());
  const auto told = [&](std::vector<const char*> line, int exit_code) {
    const Said said = RunLine(std::move(line), machine);
    EXPECT_EQ(said.exit_code, exit_code);
    return said.err;
  };
  const auto no_hint = testing::Not(HasSubstr("did you mean"));
  EXPECT_THAT(told({"fsck"}, 3), no_hint);
  machine.Put("/var/lib/lookback/store.json", "");
  EXPECT_THAT(told({"fsck"}, 3), HasSubstr("did you mean --data /var/lib/lookback?"));
  EXPECT_THAT(told({"fsck", "--data", "/none"}, 3), no_hint);
  machine.Put("/etc/lookback/lookback.toml", "data = \"/srv/store\"\n");
  for (std::vector<const char*> line : std::vector<std::vector<const char*>>{
           {"fsck"}, {"rebuild"}, {"backup", home.path().c_str()}}) {
    EXPECT_THAT(told(line, 3), HasSubstr("did you mean --data /srv/store?")) << line[0];
  }
  if (::geteuid() == 0) {
    EXPECT_THAT(told({"restore", "."}, 2), HasSubstr("did you mean --data /srv/store?"));
    EXPECT_THAT(told({"rebuild", "--volume", "/none"}, 2), HasSubstr("by --data"));
    EXPECT_FALSE(std::filesystem::exists(home.Path(".local")));
    std::filesystem::create_directories(home.Path(".local/share/lookback"));
    std::ofstream(home.Path(".local/share/lookback/store.json")) << kStoreFile;
    EXPECT_THAT(told({"backup", "/none"}, 2),
                HasSubstr("warning: this is about the store in " +
                          home.Path(".local/share/lookback; did you mean --data /srv/store?")));
  }
  ::setenv("HOME", before.c_str(), 1);
}

TEST(CommandLineUsageTest, ALedgerIsSetApartOnlyWhereFilesAreToTakeItsPlace) {
  const test::TempDir directory;
  const Said said = RunLine({"rebuild", "--set-ledger-apart", "--data", directory.path().c_str()});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_THAT(said.err, HasSubstr("--from-files"));
}

TEST(CommandLineUsageTest, ADirectoryThatIsNoStoreHasAnExitCodeOfItsOwn) {
  const test::TempDir directory;
  std::ofstream(directory.Path("file")) << "x";
  for (const char* command : {"fsck", "rebuild"}) {
    const Said said = RunLine({command, "--data", directory.path().c_str()});
    EXPECT_EQ(said.exit_code, 8);
    EXPECT_THAT(said.err, HasSubstr("not a store"));
    EXPECT_EQ(RunLine({command, "--data", directory.Path("none").c_str()}).exit_code, 3);
  }
}

}  // namespace
}  // namespace lookback::app
