#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "apps/lookback/command.h"
#include "tests/apps/lookback/test_server.h"
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

Said RunLine(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "lookback");
  ManualClock clock(kUsPerSecond);
  const auto files = MakePosixFileSystem();
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Said said;
  said.exit_code =
      RunCommandLine(static_cast<int>(arguments.size()), arguments.data(), clock, *files);
  said.out = testing::internal::GetCapturedStdout();
  said.err = testing::internal::GetCapturedStderr();
  return said;
}

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
    if (request.path == "/api/v1/status") return Answer(200, R"({"time_zone": "Asia/Shanghai"})");
    asked_ = request;
    if (request.path == "/api/v1/cameras/gate/timeline") {
      return Answer(200, R"({"camera": "gate", "covered_us": 1, "missing_us": 0, "spans": []})");
    }
    if (request.path == "/api/v1/cameras/gate/clip.json") {
      return Answer(404, R"({"type": "/problems/no-footage", "detail": "no footage there",
                             "missing": []})");
    }
    if (request.path == "/api/v1/markers") {
      const bool first = request.Query("after") == nullptr;
      return Answer(200, first ? R"({"markers": [{"id": "a"}], "next": "a"})"
                               : R"({"markers": [{"id": "b"}], "next": null})");
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

TEST_F(CommandLineTest, JsonIsOneDocumentAndNothingElse) {
  const Said said = Ask({"camera", "list", "--json"});
  EXPECT_EQ(said.exit_code, 0);
  EXPECT_EQ(Json::parse(said.out)["cameras"][0]["id"], "gate");
  EXPECT_THAT(said.err, IsEmpty());
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
  EXPECT_THAT(said.err, HasSubstr("60 s of 60 s are missing"));
  const Json json = Json::parse(said.out);
  EXPECT_EQ(json["complete"], false);
  EXPECT_EQ(json["missing_us"], 60'000'000);
  EXPECT_TRUE(json["file"].is_null());
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(CommandLineTest, AFileThatIsThereIsNotReplacedUnasked) {
  const Said said = Ask({"clip", "gate", "--start", "2026-05-04T22:00:00Z", "--end",
                         "2026-05-04T22:01:00Z", "-o", token_file_.c_str()});
  EXPECT_EQ(said.exit_code, 4);
  EXPECT_THAT(said.err, HasSubstr("--force"));
  EXPECT_THAT(asked_.path, IsEmpty());
}

TEST_F(CommandLineTest, AFloorWithoutItsAtFloorIsRefusedBeforeAnybodyIsAsked) {
  for (const char* command : {"set", "preview"}) {
    const Said said = Ask({"retention", command, "--min-days", "30"});
    EXPECT_EQ(said.exit_code, 2);
    EXPECT_THAT(said.err, HasSubstr("--at-floor"));
  }
  EXPECT_THAT(asked_.path, IsEmpty());
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
