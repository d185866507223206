// An export as one ZIP: whole, of what was asked, and checked by programs that know nothing of us.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "api/zip_stream.h"
#include "tests/api/service_fixture.h"
#include "tests/support/shell.h"

namespace lookback::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ExportPackageTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddCamera("yard");
    // Two runs and a hole between them; of the yard nothing.
    AddFootage("gate", test::kEvening, 20);
    AddFootage("gate", test::kEvening + 40 * kUsPerSecond, 20);
  }
  static std::string PathOf(const std::string& cameras, int64_t seconds,
                            const std::string& more = "") {
    return "/api/v1/export.zip?" + cameras + "&start=" + FormatTime(test::kEvening) +
           "&end=" + FormatTime(test::kEvening + seconds * kUsPerSecond) + more;
  }
  // Unpacks it into a directory, and says what a shell command prints there.
  std::string Unpacked(net::HttpResponse& response, const std::string& command) {
    EXPECT_EQ(response.status, 200) << response.body;
    const std::string body = BodyOf(response);
    const std::string zip = out_.Write("export.zip", AsBytes(body));
    return test::Shell("cd " + out_.Path("") +
                       " && rm -rf x && unzip -q export.zip -d x && cd x && " + command);
  }

  test::TemporaryDirectory out_;
};

TEST_F(ExportPackageTest, Sha256sumAcceptsItsManifestWhichNamesEveryOtherFile) {
  auto response = Ask("GET", PathOf("camera=gate&camera=yard&camera=gate", 60));
  EXPECT_EQ(HeaderOf(response, "Content-Disposition"),
            "attachment; filename=\"export_20260504T220000Z.zip\"");
  EXPECT_EQ(Unpacked(response, "sha256sum -c --quiet --strict MANIFEST.sha256 && echo good"),
            "good\n");
  EXPECT_EQ(
      test::Shell("cd " + out_.Path("x") +
                  " && find . -type f ! -name MANIFEST.sha256 | cut -c3- | sort"),
      "README.txt\nclips/gate_20260504T220000Z.mp4\nmeta/clips.csv\nmeta/clock.csv\nmeta/gaps.csv\n"
      "meta/imports.csv\nmeta/markers.csv\nmeta/request.json\n");
  EXPECT_EQ(
      test::Shell("cd " + out_.Path("x") + " && cut -c67- MANIFEST.sha256 | sort"),
      "README.txt\nclips/gate_20260504T220000Z.mp4\nmeta/clips.csv\nmeta/clock.csv\nmeta/gaps.csv\n"
      "meta/imports.csv\nmeta/markers.csv\nmeta/request.json\n");
}

TEST_F(ExportPackageTest, AClipInItIsTheOneThatClipMp4Gives) {
  auto response = Ask("GET", PathOf("camera=gate", 60));
  const std::string clip = Unpacked(response, "cat clips/gate_20260504T220000Z.mp4");
  auto alone = Ask("GET", "/api/v1/cameras/gate/clip.mp4?start=" + FormatTime(test::kEvening) +
                              "&end=" + FormatTime(test::kEvening + kUsPerMinute));
  EXPECT_EQ(clip, BodyOf(alone));
}

TEST_F(ExportPackageTest, ClipsHaveSubtitlesWhereTheyAreAskedFor) {
  auto response = Ask("GET", PathOf("camera=gate", 60, "&subtitles=1&tz=Asia/Shanghai"));
  EXPECT_THAT(Unpacked(response, "ffmpeg -v quiet -i clips/gate_20260504T220000Z.mp4 -f srt -"),
              HasSubstr("2026-05-05 06:00:00"));
  EXPECT_THAT(test::Shell("cat " + out_.Path("x/meta/request.json")),
              HasSubstr("\"subtitles\": \"Asia/Shanghai\""));
  response = Ask("GET", PathOf("camera=gate", 60));
  EXPECT_EQ(Unpacked(response,
                     "ffprobe -v quiet -select_streams s -show_entries stream=index "
                     "-of csv=p=0 clips/gate_20260504T220000Z.mp4"),
            "");
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf("camera=gate", 60, "&tz=UTC"))), "bad-parameter");
}

TEST_F(ExportPackageTest, WhatIsMissingIsInItWithItsCauseAndSoIsWhatWasMarkedAndAsked) {
  ASSERT_EQ(Ask("POST", "/api/v1/exports",
                {{"cameras", {"gate"}},
                 {"start", FormatTime(test::kEvening)},
                 {"end", FormatTime(test::kEvening + kUsPerMinute)},
                 {"case", "2026-114"}})
                .status,
            201);
  auto response =
      Ask("GET", PathOf("camera=gate&camera=yard", 60, "&case=2026-114&reason=the van"));
  EXPECT_THAT(Unpacked(response, "cat meta/gaps.csv"),
              HasSubstr("gate,main,2026-05-04T22:00:20Z,2026-05-04T22:00:40Z,20.000000,"));
  EXPECT_THAT(test::Shell("cat " + out_.Path("x/meta/gaps.csv")),
              HasSubstr("yard,main,2026-05-04T22:00:00Z,2026-05-04T22:01:00Z,60.000000,unknown"));
  EXPECT_THAT(test::Shell("cat " + out_.Path("x/meta/markers.csv")),
              HasSubstr(",hold,gate,2026-05-04T22:00:00Z,2026-05-04T22:01:00Z,export,"));
  const Json request =
      Json::parse(test::Shell("cat " + out_.Path("x/meta/request.json")), nullptr, false);
  EXPECT_EQ(request["cameras"], Json({"gate", "yard"}));
  EXPECT_EQ(request["case"], "2026-114");
  EXPECT_EQ(request["person"], "admin");
  const index::Act act = Acts().front();
  EXPECT_EQ(act.kind, index::ActKind::kExport);
  EXPECT_EQ(act.reason, "2026-114: the van");
  EXPECT_EQ(act.cameras.size(), 2U);
}

TEST_F(ExportPackageTest, ItsTextIsUtf8WhateverACameraSaid) {
  store_->archive().RecordGap(
      {test::MakeStream("gate"),
       {test::kEvening + 20 * kUsPerSecond, test::kEvening + 40 * kUsPerSecond},
       index::GapCause::kCameraFault,
       "oops \xff\xfe"});
  ASSERT_TRUE(store_->archive().Drain());
  auto response = Ask("GET", PathOf("camera=gate", 60));
  EXPECT_THAT(Unpacked(response, "cat meta/gaps.csv"),
              HasSubstr(",oops \xEF\xBF\xBD\xEF\xBF\xBD\r\n"));
  EXPECT_EQ(test::Shell("cd " + out_.Path("x") + " && iconv -f utf-8 -t utf-8 README.txt " +
                        "meta/*.csv > /dev/null && echo valid"),
            "valid\n");
}

TEST_F(ExportPackageTest, EachHourIsAClipAndWhatHasNotHappenedIsLeftOut) {
  AddFootage("gate", test::kEvening + kUsPerHour - 10 * kUsPerSecond, 10);
  auto response = Ask("GET", PathOf("camera=gate", 2 * 3600));
  EXPECT_EQ(Unpacked(response, "ls clips"), "gate_20260504T220000Z.mp4\n");
  const Json request =
      Json::parse(test::Shell("cat " + out_.Path("x/meta/request.json")), nullptr, false);
  EXPECT_EQ(request["taken_to"], FormatTime(test::kEvening + kUsPerHour));
  clock_.Advance(2 * kUsPerHour);
  AddFootage("gate", test::kEvening + kUsPerHour + kUsPerMinute, 10);
  response = Ask("GET", PathOf("camera=gate", 2 * 3600));
  EXPECT_EQ(Unpacked(response, "ls clips && sha256sum -c --quiet MANIFEST.sha256"),
            "gate_20260504T220000Z.mp4\ngate_20260504T230000Z.mp4\n");
}

TEST_F(ExportPackageTest, WithoutFootageOrARecordThereIsNone) {
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf("camera=yard", 60))), "no-footage");
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf("camera=nobody", 60))), "unknown-camera");
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf("stream=main", 60))), "missing-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", PathOf("camera=gate", 32 * 86'400))), "range-too-long");
  files_.FailNth(test::Op::kSync, 1, Code::kDiskFull, /*and_all_later=*/true);
  auto response = Ask("GET", PathOf("camera=gate", 60));
  EXPECT_EQ(ProblemIn(response), "not-on-record");
  EXPECT_EQ(response.stream, nullptr);
}

TEST_F(ExportPackageTest, DamagedFootageCutsTheTransferAndTheNextOneIsWholeWithoutIt) {
  auto response = Ask("GET", PathOf("camera=gate", 60));
  // The head is planned already when the file goes bad.
  Bytes piece(64 << 10);
  ASSERT_TRUE(response.stream->Read(piece));
  const std::string file = test::Shell("ls " + dir_.Path("data/volume/v1/gate/main/*/*.mp4") +
                                       " | head -n 1 | tr -d '\\n'");
  ASSERT_EQ(test::Shell("printf X | dd of=" + file + " bs=1 seek=20000 conv=notrunc status=none"),
            "");
  Result<size_t> count = size_t{1};
  while (count && *count > 0) count = response.stream->Read(piece);
  EXPECT_FALSE(count);
  response = Ask("GET", PathOf("camera=gate", 60));
  EXPECT_THAT(Unpacked(response, "sha256sum -c --quiet MANIFEST.sha256 && cat meta/gaps.csv"),
              HasSubstr("corrupt"));
}

// The holes of a sparse file stand for four gigabytes of zeroes.
TEST(ZipStreamTest, AFileOfMoreThanFourGibibytesAndWhatStandsBehindItAreFound) {
  constexpr uint64_t kBig = (uint64_t{4} << 30) + 12'345;
  const test::TemporaryDirectory directory;
  const int file = ::open(directory.Path("big.zip").c_str(), O_CREAT | O_RDWR, 0600);
  ASSERT_GE(file, 0);
  off_t at = 0;
  ZipStream zip;
  const auto put = [&](bool zeroes) {
    const std::string out = zip.Take();
    ASSERT_LE(out.size(), (size_t{1} << 20) + 4'096) << "it keeps what it should give";
    if (!zeroes) {
      ASSERT_EQ(::pwrite(file, out.data(), out.size(), at), static_cast<ssize_t>(out.size()));
    }
    at += static_cast<off_t>(out.size());
  };
  ASSERT_TRUE(zip.Begin("clips/big.mp4", kBig, test::kEvening));
  put(false);
  const Bytes piece(1 << 20);
  for (uint64_t left = kBig; left > 0;) {
    const auto count = static_cast<size_t>(std::min<uint64_t>(left, piece.size()));
    ASSERT_TRUE(zip.Write(ByteSpan(piece).first(count)));
    put(true);
    left -= count;
  }
  const std::string_view text = "behind it";
  ASSERT_TRUE(zip.Begin("meta/small.txt", text.size(), test::kEvening));
  ASSERT_TRUE(zip.Write(AsBytes(text)));
  ASSERT_TRUE(zip.Finish());
  put(false);
  ::close(file);
  EXPECT_EQ(
      test::Shell("python3 -c \"import zipfile; z = zipfile.ZipFile('" + directory.Path("big.zip") +
                  "'); print([i.file_size for i in z.infolist()], "
                  "z.read('meta/small.txt').decode())\""),
      "[4294979641, 9] behind it\n");
}

TEST(ZipStreamTest, AFileThatIsNotWhatWasAnnouncedIsNoArchive) {
  ZipStream zip;
  ASSERT_TRUE(zip.Begin("a", 3, test::kEvening));
  EXPECT_EQ(zip.Write(AsBytes(std::string_view("four"))).code(), Code::kInvalid);
  ASSERT_TRUE(zip.Write(AsBytes(std::string_view("12"))));
  EXPECT_EQ(zip.Finish().code(), Code::kInvalid);
}

}  // namespace
}  // namespace lookback::api
