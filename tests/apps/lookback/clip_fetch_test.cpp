#include "apps/lookback/clip_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/checksum.h"
#include "tests/apps/lookback/test_server.h"
#include "tests/support/temp_dir.h"

namespace lookback::app {
namespace {

// A body that ends before its announced length.
class Cut : public net::HttpBody {
 public:
  explicit Cut(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> Read(std::span<uint8_t> into) override {
    if (bytes_.empty()) return Fail(Code::kCorrupt, "a bad checksum");
    const size_t count = std::min(into.size(), bytes_.size());
    std::copy_n(bytes_.begin(), count, into.begin());
    bytes_.erase(0, count);
    return count;
  }

 private:
  std::string bytes_;
};

std::string Bytes(size_t count, char first) {
  std::string text(count, '\0');
  for (size_t i = 0; i < count; ++i) text[i] = static_cast<char>(first + static_cast<char>(i % 61));
  return text;
}

// A server with one clip, that may change and be cut.
struct Source {
  std::string clip = Bytes(1'000'000, 'a');
  std::string etag = "\"one\"";
  int64_t missing_us = 0;
  size_t cut_at = SIZE_MAX;         // No byte from there on is sent,
  std::string healed;               // until somebody asks anew: then this is the clip.
  std::vector<std::string> ranges;  // Of each request for clip.mp4.
  int described = 0;
  std::function<void()> before_clip;

  net::HttpResponse Handle(const net::HttpRequest& request) {
    if (request.path == "/api/v1/cameras/gate/clip.json") return Describe();
    if (request.path != "/api/v1/cameras/gate/clip.mp4") return Answer(404, "{}");
    if (before_clip) before_clip();
    const std::string range(request.Header("range"));
    ranges.push_back(range);
    const std::string_view match = request.Header("if-match");
    if (!match.empty() && match != etag) {
      return Answer(412, R"({"type": "/problems/precondition-failed"})");
    }
    size_t from = 0;
    if (!range.empty() && request.Header("if-range") == etag) from = std::stoul(range.substr(6));
    net::HttpResponse response;
    response.headers = {{"ETag", etag}};
    if (from > 0) {
      response.status = 206;
      response.headers.emplace_back("Content-Range", "bytes " + std::to_string(from) + "-" +
                                                         std::to_string(clip.size() - 1) + "/" +
                                                         std::to_string(clip.size()));
    }
    response.stream_bytes = static_cast<int64_t>(clip.size() - from);
    const size_t until = std::min(cut_at, clip.size());
    response.stream = std::make_unique<Cut>(clip.substr(from, until > from ? until - from : 0));
    return response;
  }

  net::HttpResponse Describe() {
    if (described++ > 0 && !healed.empty()) {
      clip = healed;
      etag = "\"healed\"";
      cut_at = SIZE_MAX;
    }
    if (clip.empty()) {
      return Answer(404, R"({"type": "/problems/no-footage", "detail": "none",
                             "missing": [{"cause": "camera off"}]})");
    }
    return Answer(200, Json{{"etag", etag},
                            {"size_bytes", clip.size()},
                            {"missing_us", missing_us},
                            {"duration_us", 1'000'000}}
                           .dump());
  }
};

class ClipFetchTest : public testing::Test {
 protected:
  ClipFetchTest() {
    order_.camera = "gate";
    order_.query = {{"start", "2026-05-04T22:00:00Z"}};
    order_.file = directory_.Path("clip.mp4");
  }

  Result<ClipReceipt> Run() {
    const auto client = ApiClient::Open(server_.url(), "lbk_x");
    EXPECT_TRUE(client);
    return FetchClip(**client, *files_, order_, {});
  }
  // Into `streamed_`.
  Result<ClipReceipt> Stream() {
    const auto client = ApiClient::Open(server_.url(), "lbk_x");
    EXPECT_TRUE(client);
    const auto sink = [this](ByteSpan piece) -> Status {
      streamed_ += AsText(piece);
      return Ok();
    };
    return StreamClip(**client, order_, sink, {});
  }
  std::string Content(const std::string& name) const {
    std::ifstream file(directory_.Path(name), std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  // What a run that ended in the middle left behind.
  void LeavePart(size_t bytes, const std::string& etag, const std::string& start) {
    std::ofstream(directory_.Path("clip.mp4.part"), std::ios::binary)
        << source_.clip.substr(0, bytes);
    const std::string request = WithQuery("/api/v1/cameras/gate/clip.mp4", {{"start", start}});
    std::ofstream(directory_.Path("clip.mp4.part.etag"))
        << Json{{"request", request},
                {"etag", etag},
                {"size_bytes", source_.clip.size()},
                {"missing_us", 0}};
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  const test::TempDir directory_;
  const std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  Source source_;
  ClipOrder order_;
  std::string streamed_;
  TestServer server_{[this](const net::HttpRequest& request) { return source_.Handle(request); }};
};

TEST_F(ClipFetchTest, AWholeClipStandsUnderItsNameAlone) {
  const auto receipt = Run();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_TRUE(receipt->fetched);
  EXPECT_EQ(receipt->sha256, HexEncode(Sha256(AsBytes(source_.clip))));
  EXPECT_EQ(Content("clip.mp4"), source_.clip);
  EXPECT_THAT(Names(), testing::ElementsAre("clip.mp4"));
}

TEST_F(ClipFetchTest, APartIsGoneOnWithWhereItStopped) {
  LeavePart(400'000, "\"one\"", "2026-05-04T22:00:00Z");
  const auto receipt = Run();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_EQ(receipt->sha256, HexEncode(Sha256(AsBytes(source_.clip))));
  EXPECT_EQ(Content("clip.mp4"), source_.clip);
  EXPECT_THAT(source_.ranges, testing::ElementsAre("bytes=400000-"));
  EXPECT_EQ(source_.described, 0);
  EXPECT_THAT(Names(), testing::ElementsAre("clip.mp4"));
}

TEST_F(ClipFetchTest, APartOfAClipThatChangedIsBegunAnew) {
  LeavePart(400'000, "\"one\"", "2026-05-04T22:00:00Z");
  source_.clip = Bytes(900'000, '0');
  source_.etag = "\"two\"";
  const auto receipt = Run();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_EQ(Content("clip.mp4"), source_.clip);
  EXPECT_THAT(source_.ranges, testing::ElementsAre("bytes=400000-", ""));
}

TEST_F(ClipFetchTest, APartOfAnotherRequestIsNotGoneOnWith) {
  LeavePart(400'000, "\"one\"", "2026-05-04T23:00:00Z");
  const auto receipt = Run();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_EQ(Content("clip.mp4"), source_.clip);
  EXPECT_THAT(source_.ranges, testing::ElementsAre(""));
}

TEST_F(ClipFetchTest, APartThatWasWholeOnlyGetsItsName) {
  LeavePart(source_.clip.size(), "\"one\"", "2026-05-04T22:00:00Z");
  const auto receipt = Run();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_EQ(Content("clip.mp4"), source_.clip);
  EXPECT_THAT(source_.ranges, testing::IsEmpty());
}

TEST_F(ClipFetchTest, AClipThatChangesAfterItsDescriptionIsDescribedAgain) {
  source_.before_clip = [this] {
    if (source_.described == 1) source_.etag = "\"two\"";
  };
  const auto receipt = Run();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_EQ(TextOf(receipt->description, "etag"), "\"two\"");
  EXPECT_EQ(Content("clip.mp4"), source_.clip);
}

TEST_F(ClipFetchTest, ATransferThatCannotGoOnIsPlannedAnew) {
  // As with a segment that turns out damaged: the same plan stops at the same byte each time.
  source_.cut_at = 500'000;
  source_.healed = Bytes(600'000, 'A');
  const auto receipt = Run();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_EQ(Content("clip.mp4"), source_.healed);
  EXPECT_THAT(Names(), testing::ElementsAre("clip.mp4"));
}

TEST_F(ClipFetchTest, ATransferThatAlwaysBreaksOffEndsAsUnavailable) {
  source_.cut_at = 500'000;
  const auto receipt = Run();
  ASSERT_FALSE(receipt);
  EXPECT_EQ(receipt.code(), Code::kUnavailable);
  EXPECT_EQ(source_.ranges.size(), size_t{kMaxClipTries});
  EXPECT_FALSE(std::filesystem::exists(order_.file));
}

TEST_F(ClipFetchTest, AnIncompleteClipLeavesNoFileWhenAllIsRequired) {
  order_.require_complete = true;
  source_.missing_us = 1;
  auto receipt = Run();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_FALSE(receipt->fetched);
  source_.clip.clear();
  receipt = Run();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_FALSE(receipt->fetched);
  EXPECT_EQ(ListOf(receipt->description, "missing").size(), 1U);
  EXPECT_THAT(source_.ranges, testing::IsEmpty());
  EXPECT_THAT(Names(), testing::IsEmpty());
}

TEST_F(ClipFetchTest, ARangeWithoutFootageIsNotFound) {
  source_.clip.clear();
  const auto receipt = Run();
  ASSERT_FALSE(receipt);
  EXPECT_EQ(receipt.code(), Code::kNotFound);
  EXPECT_THAT(Names(), testing::IsEmpty());
}

TEST_F(ClipFetchTest, AStreamHasTheSameBytesAndLeavesNoFile) {
  const auto receipt = Stream();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_EQ(streamed_, source_.clip);
  EXPECT_EQ(receipt->sha256, HexEncode(Sha256(AsBytes(source_.clip))));
  EXPECT_THAT(Names(), testing::IsEmpty());
}

TEST_F(ClipFetchTest, AStreamThatWasCutGoesOnWhereItStopped) {
  source_.cut_at = 400'000;
  source_.before_clip = [this] {
    if (!source_.ranges.empty()) source_.cut_at = SIZE_MAX;
  };
  const auto receipt = Stream();
  ASSERT_TRUE(receipt) << receipt.message();
  EXPECT_EQ(streamed_, source_.clip);
  EXPECT_THAT(source_.ranges, testing::ElementsAre("", "bytes=400000-"));
}

TEST_F(ClipFetchTest, AStreamIsNeverPiecedTogetherFromTwoClips) {
  source_.cut_at = 400'000;
  source_.before_clip = [this] {
    if (!source_.ranges.empty()) source_.etag = "\"two\"";
  };
  const auto receipt = Stream();
  ASSERT_FALSE(receipt);
  EXPECT_EQ(receipt.code(), Code::kUnavailable);
  EXPECT_EQ(streamed_, source_.clip.substr(0, 400'000));
}

TEST_F(ClipFetchTest, AStreamStopsWithTheErrorOfWhatTakesIt) {
  const auto client = ApiClient::Open(server_.url(), "lbk_x");
  const auto receipt =
      StreamClip(**client, order_, [](ByteSpan) { return Fail(Code::kDiskFull, "no space"); }, {});
  ASSERT_FALSE(receipt);
  EXPECT_EQ(receipt.code(), Code::kDiskFull);
  EXPECT_EQ(source_.ranges.size(), 1U);
}

TEST_F(ClipFetchTest, WhatIsNoRegularFileIsNeverReplaced) {
  const std::string fifo = directory_.Path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::ofstream(directory_.Path("file")) << "x";
  const struct {
    std::string file;
    Code code;
    const char* words;
  } cases[] = {{"", Code::kInvalid, "standard output"},
               {"/dev/null", Code::kConflict, "-o - > /dev/null"},
               {fifo, Code::kConflict, "pipe"},
               {directory_.path(), Code::kConflict, "is a directory"},
               {directory_.Path("none/x.mp4"), Code::kNotFound, "none does not exist"},
               {directory_.Path("none/"), Code::kNotFound, "none does not exist"},
               {directory_.Path("file/x.mp4"), Code::kConflict, "file is not a directory"}};
  for (const auto& each : cases) {
    for (const bool force : {false, true}) {
      const Status status = CheckClipFile(*files_, each.file, force);
      ASSERT_FALSE(status) << each.file;
      EXPECT_EQ(status.code(), each.code) << each.file;
      EXPECT_THAT(status.message(), testing::HasSubstr(each.words));
    }
  }
  EXPECT_EQ(CheckClipFile(*files_, directory_.Path("file"), false).code(), Code::kConflict);
  EXPECT_TRUE(CheckClipFile(*files_, directory_.Path("file"), true));
  EXPECT_TRUE(CheckClipFile(*files_, directory_.Path("new"), false));
}

}  // namespace
}  // namespace lookback::app
