// tests/apps/lookback/command_line_fixture.h: runs a command line, and is the server that it asks.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "apps/lookback/command.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "tests/apps/lookback/test_server.h"
#include "tests/support/temp_dir.h"

namespace lookback::app {

struct Said {
  int exit_code = 0;
  std::string out;
  std::string err;
};

inline Said RunLine(std::vector<const char*> arguments, FileSystem& files) {
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
inline Said RunLine(std::vector<const char*> arguments) {
  const auto files = MakePosixFileSystem();
  return RunLine(std::move(arguments), *files);
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

}  // namespace lookback::app
