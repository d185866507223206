// tests/api/service_fixture.h: a service over a real store in a temporary directory, with an
// archive that footage can be put into, a recorder that only remembers, and disks that can fail.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/access.h"
#include "api/problem.h"
#include "api/service.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/synthetic_footage.h"
#include "tests/support/temp_dir.h"

namespace lookback::api {

class RememberingRecorder final : public recorder::Recorder {
 public:
  Status CanPut(const recorder::CameraSource& source) override {
    return recorder::CheckCameraSource(source);
  }
  Status Put(const recorder::CameraSource& source) override {
    sources[source.id] = source;
    return Ok();
  }
  void Remove(const CameraId& id, const std::string&) override { sources.erase(id); }
  Result<recorder::CameraStatus> StatusOf(const StreamId& stream) override {
    const auto found = sources.find(stream.camera);
    const bool sub = stream.stream == Stream::kSub;
    if (found == sources.end() || (sub && (lost_subs || found->second.sub_url.empty()))) {
      return Fail(Code::kNotFound, "not recorded");
    }
    recorder::CameraStatus status;
    status.state = recorder::CameraState::kRecording;
    status.has_camera_offset = camera_offset_us.has_value();
    status.camera_offset_us = camera_offset_us.value_or(0);
    return status;
  }
  size_t AtNextTick(const std::function<void()>&) override { return 0; }
  void Stop() override {}

  std::map<CameraId, recorder::CameraSource> sources;
  bool lost_subs = false;  // No sub stream is recorded.
  std::optional<int64_t> camera_offset_us;
};

class ServiceTest : public ::testing::Test {
 protected:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  void SetUp() override {
    Open();
    auto first = EnsureAdmin(*store_, clock_, files_, dir_.Path("token"));
    ASSERT_TRUE(first.has_value()) << first.message();
    ASSERT_TRUE(*first);
    token_ = ReadText(dir_.Path("token"));
    ASSERT_FALSE(token_.empty());
    token_.pop_back();  // The newline.
    Serve();
  }
  void TearDown() override { Close(); }

  void Open() {
    storage::StoreOptions options;
    options.data = dir_.Path("data");
    options.copy_ledger = copy_ledger_;
    options.volumes = volumes_;
    auto store = storage::Store::Open(options, clock_, files_);
    ASSERT_TRUE(store) << store.message();
    store_ = std::move(*store);
  }
  void Serve() {
    auto service = Service::Start({*store_, recorder_, clock_, files_});
    ASSERT_TRUE(service) << service.message();
    service_ = std::move(*service);
  }
  void Close() {
    service_.reset();
    if (store_) store_->Close();
    store_.reset();
  }

  std::string ReadText(const std::string& path) {
    auto bytes = ReadFile(*posix_, path, 64 << 20);
    return bytes ? std::string(AsText(*bytes)) : std::string();
  }

  // Asks as the admin, unless the headers name somebody else.
  net::HttpResponse Ask(const std::string& method, const std::string& path, const Json& body = {},
                        Headers headers = {}) {
    net::HttpRequest request;
    request.method = method;
    const size_t mark = path.find('?');
    request.path = path.substr(0, mark);
    for (size_t at = mark; at < path.size();) {
      const size_t end = std::min(path.find('&', at + 1), path.size());
      const std::string pair = path.substr(at + 1, end - at - 1);
      request.query.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
      at = end;
    }
    request.headers = std::move(headers);
    if (request.Header("authorization").empty()) {
      request.headers.emplace_back("authorization", "Bearer " + token_);
    }
    if (!body.is_null()) {
      request.body = body.is_string() ? body.get<std::string>() : body.dump();
      request.headers.emplace_back("content-type", "application/json");
    }
    request.client = "192.0.2.9:50000";
    return service_->Handle(request);
  }
  Json Get(const std::string& path) {
    const net::HttpResponse response = Ask("GET", path);
    EXPECT_EQ(response.status, 200) << path << ": " << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  // The problem's type, after checking that its status says the same.
  static std::string ProblemIn(const net::HttpResponse& response) {
    const Json problem = Json::parse(response.body, nullptr, false);
    if (!problem.is_object() || !problem.contains("type")) return "no problem: " + response.body;
    EXPECT_EQ(problem["status"], response.status);
    EXPECT_FALSE(problem["detail"].get<std::string>().empty());
    return problem["type"].get<std::string>().substr(std::string("/problems/").size());
  }
  static std::string HeaderOf(const net::HttpResponse& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return {};
  }
  static std::string BodyOf(net::HttpResponse& response) {
    std::string all = response.body;
    if (!response.stream) return all;
    Bytes piece(10'007);
    while (true) {
      const auto count = response.stream->Read(piece);
      EXPECT_TRUE(count) << (count ? "" : count.message());
      if (!count || *count == 0) return all;
      all.append(AsText(ByteSpan(piece).first(*count)));
    }
  }

  void AddCamera(const std::string& id) {
    const auto response =
        Ask("POST", "/api/v1/cameras", {{"id", id}, {"url", "rtsp://192.0.2.1/s"}});
    ASSERT_EQ(response.status, 201) << response.body;
  }
  std::string TokenOfPlainUser(const std::string& name) {
    EXPECT_EQ(Ask("POST", "/api/v1/users", {{"name", name}}).status, 201);
    const auto response = Ask("POST", "/api/v1/users/" + name + "/tokens");
    EXPECT_EQ(response.status, 201) << response.body;
    return Json::parse(response.body)["token"].get<std::string>();
  }
  // Puts footage of so many seconds into the archive; `open` keeps its segment open.
  void AddFootage(const std::string& camera, TimeUs start_us, int64_t seconds, bool open = false,
                  Stream stream = Stream::kMain) {
    test::SyntheticRun run(test::MakeStream(camera, stream), start_us);
    auto recording = store_->archive().Begin(run.info());
    ASSERT_TRUE(recording) << recording.message();
    for (media::Fragment& fragment : run.Until(seconds * kUsPerSecond)) {
      ASSERT_TRUE((*recording)->Append(std::move(fragment)));
    }
    if (open) {
      open_ = std::move(*recording);
    } else {
      recording->reset();
      ASSERT_TRUE(store_->archive().Drain());
    }
  }
  std::vector<index::Act> Acts() {
    std::vector<index::Act> acts;
    auto records = store_->catalog().Acts(0, 1'000);
    EXPECT_TRUE(records);
    for (const auto& record : *records) {
      if (const auto* act = std::get_if<index::Act>(&record.record)) acts.push_back(*act);
    }
    return acts;
  }

  test::TempDir dir_;
  std::unique_ptr<FileSystem> posix_ = MakePosixFileSystem();
  test::FaultFileSystem files_{*posix_, dir_.path()};
  ManualClock clock_{test::kEvening + kUsPerHour};
  RememberingRecorder recorder_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<storage::Recording> open_;
  std::vector<std::string> volumes_;  // Empty: one, as the store makes it.
  bool copy_ledger_ = false;  // Its threads would take the faults that a test means for others.
  std::string token_;
};

}  // namespace lookback::api
