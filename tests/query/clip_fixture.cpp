#include "tests/query/clip_fixture.h"

namespace lookback::test {

const CameraClip& StreetClip() {
  static const CameraClip clip = MakeCameraClip(
      "-f lavfi -i testsrc2=size=192x108:rate=25:duration=20 -pix_fmt yuv420p -c:v libx264 "
      "-preset veryfast -g 50 -sc_threshold 0 -bf 2 -threads 1");
  return clip;
}

const CameraClip& SmallClip() {
  static const CameraClip clip = MakeCameraClip(
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=8 -pix_fmt yuv420p -c:v libx264 "
      "-preset veryfast -g 25 -sc_threshold 0 -bf 0 -threads 1");
  return clip;
}

std::vector<uint64_t> Hashes(const std::vector<Picture>& pictures) {
  std::vector<uint64_t> hashes;
  for (const Picture& picture : pictures) hashes.push_back(picture.hash);
  return hashes;
}

ClipTest::ClipTest() { stream_.camera = *CameraId::Parse("gate"); }

void ClipTest::Record(const CameraClip& clip, TimeUs start_us, int64_t segment_us,
                      int64_t slew_ppm) {
  footage_.Record(stream_, clip.tracks, Fragments(clip, start_us, slew_ppm), segment_us);
  for (size_t i = 0; i < clip.pictures.size(); ++i) {
    const auto at = [&](size_t n) {
      const int64_t us = clip.pictures[0].pts_us + static_cast<int64_t>(n) * clip.frame_us();
      return start_us + us + us * slew_ppm / 1'000'000;
    };
    shown_.push_back({{at(i), at(i + 1)}, clip.pictures[i]});
  }
}

query::ClipRequest ClipTest::Request(TimeUs start_us, TimeUs end_us, query::GapMode gaps) const {
  query::ClipRequest request;
  request.stream = stream_;
  request.range = {start_us, end_us};
  request.gaps = gaps;
  return request;
}

std::shared_ptr<const query::Clip> ClipTest::Plan(const query::ClipRequest& request) {
  auto clip = query::Clip::Plan(footage_, request, kNow);
  if (!clip) {
    ADD_FAILURE() << clip.message();
    return nullptr;
  }
  return *clip;
}

Error ClipTest::PlanError(const query::ClipRequest& request) {
  auto clip = query::Clip::Plan(footage_, request, kNow);
  EXPECT_FALSE(clip.has_value());
  return clip ? Error{} : clip.error();
}

Bytes ClipTest::ReadAll(const query::Clip& clip) {
  Bytes bytes(clip.size());
  const auto count = clip.Read(0, bytes);
  EXPECT_TRUE(count.has_value() && *count == bytes.size());
  return bytes;
}

Played ClipTest::PlayClip(const query::Clip& clip) {
  return Play(
      [&clip](uint64_t offset, std::span<uint8_t> into) {
        const auto count = clip.Read(offset, into);
        return count ? static_cast<int64_t>(*count) : int64_t{-1};
      },
      clip.size());
}

std::string ClipTest::Save(const query::Clip& clip, const std::string& name) {
  const std::string path = dir_.path() + "/" + name;
  const Bytes bytes = ReadAll(clip);
  EXPECT_TRUE(WriteFileDurably(*files_, path, bytes).has_value());
  return path;
}

std::vector<Picture> ClipTest::OnScreen(TimeUs start_us, TimeUs end_us) const {
  std::vector<Picture> pictures;
  for (const Shown& shown : shown_) {
    if (shown.on_screen.Overlaps({start_us, end_us})) pictures.push_back(shown.picture);
  }
  return pictures;
}

void ClipTest::ExpectShows(const query::Clip& clip, TimeUs start_us, TimeUs end_us) {
  const Played played = PlayClip(clip);
  EXPECT_EQ(played.error, "");
  EXPECT_THAT(played.complaints, ::testing::IsEmpty());
  EXPECT_EQ(Hashes(played.pictures), Hashes(OnScreen(start_us, end_us)));
  if (!played.pictures.empty()) {
    EXPECT_EQ(played.pictures.front().pts_us, 0);
  }
  const int64_t frame_us = StreetClip().frame_us();
  EXPECT_NEAR(static_cast<double>(played.duration_us), static_cast<double>(end_us - start_us),
              static_cast<double>(frame_us));
  EXPECT_NEAR(static_cast<double>(played.duration_us),
              static_cast<double>(clip.report().duration_us), 100);
}

}  // namespace lookback::test
