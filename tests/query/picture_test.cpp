// Pictures of an instant, held against what ffmpeg decodes of a clip from there.
#include "query/picture.h"

#include <random>
#include <regex>

#include "tests/query/clip_fixture.h"

namespace lookback::test {
namespace {

using media::WhichPicture;
using ::testing::HasSubstr;

constexpr int64_t kLongUs = 60 * kUsPerSecond;

class PictureTest : public ClipTest {
 protected:
  Result<Bytes> Decode(TimeUs at_us, uint32_t width = 0, TimeUs* shown_us = nullptr,
                       WhichPicture which = WhichPicture::kFirstShown) {
    LB_TRY_ASSIGN(found, query::Picture::Find(footage_, stream_, at_us, kNow));
    if (shown_us != nullptr) *shown_us = found.shown_us();
    return found.Decode(which, width, clock_, kLongUs);
  }
  std::string SaveJpeg(const Bytes& picture, const std::string& name = "picture.jpg") {
    const std::string path = dir_.path() + "/" + name;
    EXPECT_TRUE(WriteFileDurably(*files_, path, picture).has_value());
    return path;
  }
  // How near the picture is to the `nth` one of a video, after a filter, in dB; 99 for equal ones.
  double Nearness(const std::string& video, int nth, const std::string& picture,
                  const std::string& filter = "null") {
    const auto done =
        RunCommand("ffmpeg -hide_banner -nostats " + video + " -i " + picture +
                   " -lavfi \"[0:v]select=eq(n\\," + std::to_string(nth) +
                   "),format=yuvj420p[a];[1:v]" + filter + "[b];[a][b]psnr\" -f null - 2>&1");
    std::smatch match;
    EXPECT_TRUE(std::regex_search(done.output, match, std::regex("average:(inf|[0-9.]+)")))
        << done.output;
    if (match.empty()) return 0;
    return match[1] == "inf" ? 99 : std::stod(match[1]);
  }
  std::string ClipFrom(TimeUs at_us) {
    return Save(*Plan(Request(at_us, at_us + 200'000)), "clip" + std::to_string(at_us) + ".mp4");
  }

  ManualClock clock_{kNow};
};

TEST_F(PictureTest, ItIsTheOneThatWasOnScreen) {
  Record(StreetClip(), kStart);
  std::mt19937_64 random(11);
  for (int i = 0; i < 6; ++i) {
    const TimeUs at_us = kStart + 200'000 + static_cast<int64_t>(random() % 19'000'000);
    SCOPED_TRACE(at_us - kStart);
    TimeUs shown_us = 0;
    const auto picture = Decode(at_us, 0, &shown_us);
    ASSERT_TRUE(picture.has_value()) << picture.message();
    EXPECT_LE(shown_us, at_us);
    EXPECT_LT(at_us - shown_us, StreetClip().frame_us() + 1);
    const std::string clip = ClipFrom(at_us);
    const std::string jpeg = SaveJpeg(*picture);
    const double right = Nearness("-i " + clip, 0, jpeg);
    EXPECT_GT(right, 30);
    EXPECT_GT(right, Nearness("-i " + clip, 1, jpeg) + 1);
  }
}

TEST_F(PictureTest, TheCheapOneIsItsSyncSample) {
  Record(StreetClip(), kStart);
  const auto picture = Decode(After(3.5), 0, nullptr, WhichPicture::kFirstStored);
  ASSERT_TRUE(picture.has_value()) << picture.message();
  const std::string jpeg = SaveJpeg(*picture);
  EXPECT_GT(Nearness("-ignore_editlist 1 -i " + ClipFrom(After(3.5)), 0, jpeg), 30);
  EXPECT_LT(Nearness("-i " + ClipFrom(After(3.5)), 0, jpeg), 30);
}

TEST_F(PictureTest, ItsWidthIsAsAskedAndNeverMoreThanItHas) {
  Record(StreetClip(), kStart);
  for (const auto& [asked, size] : {std::pair(0U, "192,108"), std::pair(96U, "96,54"),
                                    std::pair(1920U, "192,108"), std::pair(17U, "17,10")}) {
    const auto picture = Decode(After(3), asked);
    ASSERT_TRUE(picture.has_value()) << picture.message();
    const auto probe =
        RunCommand("ffprobe -v error -show_entries stream=codec_name,width,height -of csv=p=0 " +
                   SaveJpeg(*picture));
    EXPECT_EQ(probe.output, "mjpeg," + std::string(size) + "\n");
  }
}

TEST_F(PictureTest, InAGapThereIsNoneAndTheCauseIsTold) {
  Record(StreetClip(), kStart);
  footage_.gaps.push_back({stream_, {After(20), After(60)}, index::GapCause::kNetwork, ""});
  const auto picture = Decode(After(30));
  ASSERT_FALSE(picture.has_value());
  EXPECT_EQ(picture.code(), Code::kNotFound);
  EXPECT_THAT(picture.message(), HasSubstr("network"));
}

TEST_F(PictureTest, OtherCodecsDecodeToo) {
  for (const char* codec : {"-c:v libx265 -x265-params log-level=error:pools=1 -g 25",
                            "-c:v mjpeg -q:v 5 -pix_fmt yuvj420p"}) {
    SCOPED_TRACE(codec);
    footage_.segments.clear();
    Record(MakeCameraClip("-f lavfi -i testsrc2=size=128x96:rate=25:duration=4 -pix_fmt yuv420p " +
                          std::string(codec)),
           kStart);
    const auto picture = Decode(After(2.5));
    ASSERT_TRUE(picture.has_value()) << picture.message();
    EXPECT_GT(Nearness("-i " + ClipFrom(After(2.5)), 0, SaveJpeg(*picture)), 28);
  }
}

TEST_F(PictureTest, CellsOfAGridStandWhereTheyShouldAndKeepTheirShape) {
  Record(StreetClip(), kStart);
  std::vector<Bytes> cells(5);
  for (const size_t i : {size_t{0}, size_t{2}, size_t{4}}) {
    const auto cell = Decode(After(1 + 4.0 * static_cast<double>(i)), 64);
    ASSERT_TRUE(cell.has_value()) << cell.message();
    cells[i] = *cell;
  }
  // 64 x 36 in cells of 64 x 64: black above and below.
  const auto grid = media::MakeGrid(cells, {3, 64, 64});
  ASSERT_TRUE(grid.has_value()) << grid.message();
  const std::string sheet = SaveJpeg(*grid, "grid.jpg");
  EXPECT_EQ(
      RunCommand("ffprobe -v error -show_entries stream=width,height -of csv=p=0 " + sheet).output,
      "192,128\n");
  const std::pair<size_t, const char*> places[] = {
      {0, "crop=64:36:0:14"}, {2, "crop=64:36:128:14"}, {4, "crop=64:36:64:78"}};
  for (const auto& [cell, crop] : places) {
    SCOPED_TRACE(crop);
    EXPECT_GT(Nearness("-i " + SaveJpeg(cells[cell], "cell.jpg"), 0, sheet, crop), 28);
  }
  EXPECT_EQ(media::MakeGrid(cells, {3, 63, 64}).code(), Code::kInvalid);
  EXPECT_EQ(media::MakeGrid(cells, {3, 8'192, 64}).code(), Code::kInvalid);
  EXPECT_EQ(media::MakeGrid({}, {3, 64, 64}).code(), Code::kInvalid);
}

TEST_F(PictureTest, AHostileStreamEndsInAPictureOrAnErrorAndInTime) {
  Record(StreetClip(), kStart);
  const std::string path = Save(*Plan(Request(After(3.9), After(3.9) + 1)), "hostile.mp4");
  auto file = files_->Open(path, OpenMode::kReadWrite);
  ASSERT_TRUE(file) << file.message();
  const uint64_t size = *(*file)->Size();
  std::mt19937_64 random(5);
  for (int i = 0; i < 200; ++i) {
    for (uint64_t n = random() % 10; n-- > 0;) {
      const uint8_t byte = static_cast<uint8_t>(random());
      const ByteSpan bytes(&byte, 1);
      // Of the head little, or soon nothing is left of it.
      const uint64_t at = n == 0 ? random() % size : size / 4 + random() % (size - size / 4);
      ASSERT_TRUE((*file)->WriteAt(at, {&bytes, 1}));
    }
    (void)media::MakePicture(**file, WhichPicture::kFirstShown, 64, clock_, kLongUs);
  }
}

TEST_F(PictureTest, DamagedFootageIsNoPicture) {
  Record(StreetClip(), kStart);
  auto found = query::Picture::Find(footage_, stream_, After(3.9), kNow);
  ASSERT_TRUE(found.has_value());
  RunCommand("for f in $(find " + dir_.path() +
             " -name '*.mp4'); do printf XXXX | dd of=$f bs=1 seek=9000 conv=notrunc; done");
  int bad = 0;
  for (double at = 0.5; at < 19; at += 1) {
    const auto picture = Decode(After(at));
    if (!picture) {
      EXPECT_TRUE(picture.code() == Code::kCorrupt || picture.code() == Code::kNotFound)
          << picture.message();
      ++bad;
    }
  }
  EXPECT_GT(bad, 0);
}

}  // namespace
}  // namespace lookback::test
