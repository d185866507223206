// What we write, as ffmpeg and ffprobe read it.

#include <algorithm>
#include <sstream>

#include "media/audio.h"
#include "tests/media/test_stream.h"

namespace lookback::media {
namespace {

using test::FragmentAll;
using test::Shell;

Bytes InitAndFragments(const std::vector<TrackConfig>& tracks,
                       const std::vector<Fragment>& fragments) {
  Bytes file = BuildInitSection(tracks);
  for (const Fragment& fragment : fragments) {
    const Bytes bytes = test::Join(fragment.parts);
    file.insert(file.end(), bytes.begin(), bytes.end());
  }
  return file;
}

// 20 ms of A-law silence, `count` times.
std::vector<Sample> Silence(int count) {
  std::vector<Sample> samples;
  for (int i = 0; i < count; ++i) {
    Sample& sample = samples.emplace_back();
    sample.track = TrackKind::kAudio;
    sample.pts = i * 160;
    sample.data.assign(160, 0xd5);
  }
  return samples;
}

// Audio among video as it arrives, by time.
std::vector<Sample> Interleave(std::vector<Sample> video, std::vector<Sample> audio, int64_t rate) {
  std::vector<Sample> all;
  size_t next = 0;
  for (size_t i = 0; i < video.size(); ++i) {
    const int64_t now = static_cast<int64_t>(i + 1) * test::kTicksAPicture * rate / kVideoTimescale;
    all.push_back(std::move(video[i]));
    while (next < audio.size() && audio[next].pts < now) all.push_back(std::move(audio[next++]));
  }
  return all;
}

class Interop : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(test::HasFfmpeg()) << "tools/install brings ffmpeg and ffprobe";
  }
  test::TemporaryDirectory directory_;
};

class InteropOfStreams : public Interop, public testing::WithParamInterface<const char*> {};

std::string PictureHashes(const std::string& file) {
  return Shell("ffmpeg -v error -i " + file +
               " -map 0:v -f framehash -hash md5 - | grep -v '^#' | awk -F, '{print $NF}'");
}

TEST_P(InteropOfStreams, FfmpegDecodesTheSamePicturesWithoutAWord) {
  const test::TestStream stream = test::LoadTestStream(GetParam());
  const std::string file = directory_.Write(
      "a.mp4", InitAndFragments({stream.track}, FragmentAll({stream.track}, stream.samples)));
  EXPECT_EQ(Shell("ffmpeg -v warning -i " + file + " -f null -"), "");
  const std::string hashes = PictureHashes(file);
  EXPECT_EQ(std::count(hashes.begin(), hashes.end(), '\n'), 150);
  EXPECT_EQ(hashes, PictureHashes(stream.path));
}

TEST_P(InteropOfStreams, FfprobeSeesEveryPresentationTimeAndRisingDecodingTimes) {
  const test::TestStream stream = test::LoadTestStream(GetParam());
  const std::string file = directory_.Write(
      "a.mp4", InitAndFragments({stream.track}, FragmentAll({stream.track}, stream.samples)));
  std::istringstream packets(
      Shell("ffprobe -v error -show_entries packet=pts,dts -of csv=p=0 " + file + " | tr , ' '"));
  // ffmpeg shows a track with negative composition offsets later as a whole, by the greatest of
  // them.
  int64_t pts = 0, dts = 0, before = -1, shift = -1;
  for (const Sample& sample : stream.samples) {
    ASSERT_TRUE(packets >> pts >> dts);
    if (shift < 0) shift = pts - sample.pts;
    EXPECT_EQ(pts - shift, sample.pts);
    EXPECT_EQ(dts, before + (before < 0 ? 1 : test::kTicksAPicture));
    before = dts;
  }
  EXPECT_FALSE(packets >> pts);
}

INSTANTIATE_TEST_SUITE_P(Streams, InteropOfStreams,
                         testing::Values("closed_gop", "open_gop", "long_gop", "baseline"));

TEST_F(Interop, G711PlaysBesideVideo) {
  const test::TestStream stream = test::LoadTestStream("closed_gop");
  const std::vector<TrackConfig> tracks = {stream.track, MakeG711Track(Codec::kPcma, 8000, 1)};
  const std::string file = directory_.Write(
      "a.mp4", InitAndFragments(
                   tracks, FragmentAll(tracks, Interleave(stream.samples, Silence(300), 8000))));
  EXPECT_EQ(Shell("ffmpeg -v error -i " + file + " -f null -"), "");
  EXPECT_EQ(Shell("ffmpeg -v error -i " + file + " -map 0:a -f s16le - | wc -c"),
            std::to_string(300 * 160 * 2) + "\n");
  EXPECT_EQ(Shell("ffprobe -v error -select_streams a -show_entries "
                  "stream=codec_name,sample_rate,channels -of csv=p=0 " +
                  file),
            "pcm_alaw,8000,1\n");
}

TEST_F(Interop, AacPlaysBesideVideo) {
  const test::TestStream stream = test::LoadTestStream("baseline");
  Shell(
      "ffmpeg -v error -f lavfi -i sine=440:sample_rate=16000:duration=6 -c:a aac -b:a 32k -f "
      "adts " +
      directory_.Path("a.aac"));
  // ADTS: a 7-byte head with the frame's length in 13 bits (ISO/IEC 14496-3 §1.A.2.2).
  const Bytes adts = test::ReadAll(directory_.Path("a.aac"));
  std::vector<Sample> audio;
  for (size_t at = 0; at + 7 <= adts.size();) {
    const size_t size = (adts[at + 3] & 3u) << 11 | adts[at + 4] << 3 | adts[at + 5] >> 5;
    ASSERT_GT(size, 7u);
    Sample& sample = audio.emplace_back();
    sample.track = TrackKind::kAudio;
    sample.pts = static_cast<int64_t>(audio.size() - 1) * 1024;
    sample.data.assign(adts.begin() + static_cast<ptrdiff_t>(at + 7),
                       adts.begin() + static_cast<ptrdiff_t>(at + size));
    at += size;
  }
  ASSERT_GT(audio.size(), 90u);
  const size_t frames = audio.size();
  const std::vector<TrackConfig> tracks = {stream.track, MakeAacTrack({0x14, 0x08}).value()};
  const std::string file = directory_.Write(
      "a.mp4", InitAndFragments(tracks, FragmentAll(tracks, Interleave(stream.samples,
                                                                       std::move(audio), 16000))));
  EXPECT_EQ(Shell("ffmpeg -v warning -i " + file + " -f null -"), "");
  const std::string count = Shell(
      "ffprobe -v error -count_packets -select_streams a -show_entries "
      "stream=codec_name,nb_read_packets -of csv=p=0 " +
      file);
  // The last frame or two may lie after the last picture and so not have been pushed.
  EXPECT_EQ(count.substr(0, 4), "aac,");
  EXPECT_NEAR(std::stod(count.substr(4)), static_cast<double>(frames), 2);
}

TEST_F(Interop, OneByteRangeAfterAnotherPlaysWhereverItBegins) {
  const test::TestStream stream = test::LoadTestStream("closed_gop");
  std::vector<Fragment> fragments = FragmentAll({stream.track}, stream.samples);
  fragments.erase(fragments.begin(), fragments.begin() + 2);
  const std::string file = directory_.Write("a.mp4", InitAndFragments({stream.track}, fragments));
  EXPECT_EQ(Shell("ffmpeg -v warning -i " + file + " -f null -"), "");
}

}  // namespace
}  // namespace lookback::media
