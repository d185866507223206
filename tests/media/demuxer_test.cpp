// Files that ffmpeg made, held against what ffmpeg itself reads out of them.
#include "media/demuxer.h"

#include <gmock/gmock.h>

#include <sstream>

#include "media/packet_form.h"
#include "tests/support/shell.h"

namespace lookback::media {
namespace {

using testing::HasSubstr;

constexpr const char* kVideo = "-f lavfi -i testsrc2=s=320x240:r=25:d=4 ";
constexpr const char* kSound = "-f lavfi -i sine=f=440:r=48000:d=4 ";
constexpr const char* kX264 = "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p ";

class DemuxerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(test::HasFfmpeg()) << "tools/install brings ffmpeg and ffprobe";
  }

  std::string Make(const std::string& name, const std::string& options) {
    const std::string path = directory_.Path(name);
    EXPECT_EQ(test::Shell("ffmpeg -v error -y " + options + " " + path), "");
    return path;
  }

  Result<std::unique_ptr<Demuxer>> Open(const std::string& path, bool audio = false) {
    auto file = files_->Open(path, OpenMode::kRead);
    EXPECT_TRUE(file) << path;
    file_ = std::move(*file);
    Demuxer::Options options;
    options.audio = audio;
    return Demuxer::OpenFile(*file_, options, clock_, stop_);
  }

  static std::vector<Sample> ReadAll(Demuxer& demuxer) {
    std::vector<Sample> samples;
    while (true) {
      auto sample = demuxer.Next();
      EXPECT_TRUE(sample) << sample.message();
      if (!sample || !*sample) return samples;
      samples.push_back(std::move(**sample));
    }
  }

  // One line a packet, as ffprobe gives it: its time in seconds, and whether it is a key packet.
  static std::vector<std::pair<double, bool>> Probe(const std::string& path, const char* stream) {
    std::istringstream lines(test::Shell(std::string("ffprobe -v error -select_streams ") + stream +
                                         " -show_entries packet=pts_time,flags -of csv=p=0 " +
                                         path));
    std::vector<std::pair<double, bool>> packets;
    for (std::string line; std::getline(lines, line);) {
      if (line.empty()) continue;
      packets.emplace_back(std::stod(line), line.find('K') != std::string::npos);
    }
    return packets;
  }

  static void ExpectAsProbed(const std::string& path, const std::vector<Sample>& samples) {
    const auto probed = Probe(path, "v:0");
    size_t next = 0;
    for (const Sample& sample : samples) {
      if (sample.track != TrackKind::kVideo) continue;
      ASSERT_LT(next, probed.size());
      EXPECT_NEAR(static_cast<double>(sample.pts) / kVideoTimescale, probed[next].first, 0.001);
      EXPECT_EQ(sample.sync != Sync::kNone, probed[next].second) << next;
      ++next;
    }
    EXPECT_EQ(next, probed.size());
  }

  test::TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  SystemClock clock_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<File> file_;
};

class DemuxerOfContainers : public DemuxerTest, public testing::WithParamInterface<const char*> {};

TEST_P(DemuxerOfContainers, PicturesAndSyncSamplesAreThoseThatFfprobeSees) {
  const std::string path =
      Make(std::string("a.") + GetParam(), std::string(kVideo) + kSound + kX264 + "-bf 2 -c:a aac");
  auto demuxer = Open(path, true);
  ASSERT_TRUE(demuxer) << demuxer.message();
  ASSERT_EQ((*demuxer)->tracks().size(), 2u);
  const TrackConfig& audio = (*demuxer)->tracks()[1];
  EXPECT_EQ((*demuxer)->tracks()[0].codec, Codec::kH264);
  EXPECT_FALSE((*demuxer)->tracks()[0].sps.empty());
  EXPECT_EQ(audio.codec, Codec::kAac);
  EXPECT_EQ(audio.timescale, 48'000u);
  const auto samples = ReadAll(**demuxer);
  ExpectAsProbed(path, samples);
  const auto sound = Probe(path, "a:0");
  const auto count = std::count_if(samples.begin(), samples.end(), [](const Sample& sample) {
    return sample.track == TrackKind::kAudio;
  });
  EXPECT_EQ(static_cast<size_t>(count), sound.size());
}

INSTANTIATE_TEST_SUITE_P(Containers, DemuxerOfContainers,
                         testing::Values("mp4", "mov", "mkv", "ts", "flv", "3gp"));

TEST_F(DemuxerTest, OneFrameOfBytesComesOutAsItWentIn) {
  const std::string path = Make("a.mp4", std::string(kVideo) + kX264);
  auto demuxer = Open(path);
  ASSERT_TRUE(demuxer);
  Bytes joined;
  for (const Sample& sample : ReadAll(**demuxer)) {
    joined.insert(joined.end(), sample.data.begin(), sample.data.end());
  }
  const std::string raw = directory_.Path("raw.bin");
  EXPECT_EQ(test::Shell("ffmpeg -v error -y -i " + path + " -c copy -map 0:v -f data " + raw), "");
  EXPECT_EQ(joined, test::ReadAll(raw));
}

TEST_F(DemuxerTest, H265AndMjpegAreTaken) {
  auto hevc =
      Open(Make("a.mp4", std::string(kVideo) +
                             "-c:v libx265 -x265-params log-level=0:keyint=25 -tag:v hvc1"));
  ASSERT_TRUE(hevc) << hevc.message();
  EXPECT_EQ((*hevc)->tracks()[0].codec, Codec::kH265);
  EXPECT_EQ((*hevc)->tracks()[0].vps.size(), 1u);
  ExpectAsProbed(directory_.Path("a.mp4"), ReadAll(**hevc));
  auto mjpeg = Open(Make("b.avi", std::string(kVideo) + "-c:v mjpeg"));
  ASSERT_TRUE(mjpeg) << mjpeg.message();
  EXPECT_EQ((*mjpeg)->tracks()[0].codec, Codec::kMjpeg);
  ExpectAsProbed(directory_.Path("b.avi"), ReadAll(**mjpeg));
}

TEST_F(DemuxerTest, WhatCannotBeKeptIsRefusedNamingWhatCan) {
  const auto refusal = [this](const std::string& path) {
    auto demuxer = Open(path);
    return demuxer ? std::string("taken") : demuxer.message();
  };
  EXPECT_THAT(refusal(Make("a.avi", std::string(kVideo) + "-c:v mpeg4")), HasSubstr("H.264"));
  EXPECT_THAT(refusal(Make("b.mp4", std::string(kSound) + "-c:a aac")), HasSubstr("no video"));
  EXPECT_THAT(refusal(Make("c.h264", std::string(kVideo) + kX264)), HasSubstr("MKV"));
  EXPECT_THAT(refusal(Make("d.avi", std::string(kVideo) + kX264 + "-bf 2")),
              HasSubstr("no times to be shown at"));
  EXPECT_THAT(refusal(directory_.Write("e.mp4", AsBytes("This is a text.\n"))), HasSubstr("MP4"));
  EXPECT_THAT(refusal(directory_.Write("f.mp4", {})), HasSubstr("empty"));
  const Bytes whole = test::ReadAll(Make("g.mp4", std::string(kVideo) + kX264));
  EXPECT_THAT(refusal(directory_.Write("h.mp4", ByteSpan(whole).first(whole.size() / 2))),
              HasSubstr("cut short"));
  EXPECT_THAT(refusal(directory_.Write("i.ts", Bytes(1 << 20, 0x47))), HasSubstr("MPEG-TS"));
}

TEST_F(DemuxerTest, NothingInAFileLeadsToAnotherFile) {
  const std::string secret = Make("secret.ts", std::string(kVideo) + kX264);
  const auto refusal = [this](const std::string& text) {
    auto demuxer = Open(directory_.Write("a.mp4", AsBytes(text)));
    return demuxer ? std::string("taken") : demuxer.message();
  };
  EXPECT_THAT(
      refusal("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n" + secret + "\n#EXT-X-ENDLIST\n"),
      HasSubstr("MP4"));
  EXPECT_THAT(refusal("ffconcat version 1.0\nfile " + secret + "\n"), HasSubstr("MP4"));
  EXPECT_THAT(refusal("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n"),
              HasSubstr("MP4"));
}

TEST_F(DemuxerTest, AUrlLeadsToServersAlone) {
  for (const char* url :
       {"file:///etc/passwd", "/etc/passwd", "concat:/etc/passwd", "data:video/mp4;base64,AAAA",
        "subfile,,start,0,end,9,,:/etc/passwd", "pipe:0", "rtsp://127.0.0.1/", "tcp://127.0.0.1:1",
        "crypto:file:/etc/passwd", "async:file:/etc/passwd", "cache:/etc/passwd"}) {
    auto demuxer = Demuxer::OpenUrl(url, {}, clock_, stop_);
    ASSERT_FALSE(demuxer) << url;
    EXPECT_EQ(demuxer.code(), Code::kInvalid) << url;
  }
}

TEST_F(DemuxerTest, ANameThatDoesNotResolveIsToldByName) {
  // No name has an empty label: no resolver has to be asked.
  for (const char* url :
       {"http://a..b/x", "http://user:secret@a..b:8080/x", "rtmp://a..b/live", "https://a..b"}) {
    auto demuxer = Demuxer::OpenUrl(url, {}, clock_, stop_);
    ASSERT_FALSE(demuxer) << url;
    EXPECT_EQ(demuxer.code(), Code::kUnavailable) << url;
    EXPECT_THAT(demuxer.message(), testing::StartsWith("the name a..b cannot be resolved: "))
        << url;
  }
}

TEST_F(DemuxerTest, AFileThatAsksForAllMemoryIsRefused) {
  // A sample table of 2^32 - 1 samples of one byte, all in one chunk.
  Bytes file = test::ReadAll(Make("a.mp4", std::string(kVideo) + kX264));
  const auto find = [&file](const char* type) {
    const auto at = std::search(file.begin(), file.end(), type, type + 4);
    EXPECT_NE(at, file.end());
    return at;
  };
  auto stsz = find("stsz") + 8;
  std::fill_n(stsz, 4, 0);
  stsz[3] = 1;
  std::fill_n(stsz + 4, 4, 0xff);
  auto stsc = find("stsc") + 12;
  std::fill_n(stsc + 4, 4, 0xff);
  const auto demuxer = Open(directory_.Write("bomb.mp4", file));
  ASSERT_FALSE(demuxer);
  EXPECT_EQ(demuxer.code(), Code::kCorrupt) << demuxer.message();
}

TEST_F(DemuxerTest, AStopEndsAWait) {
  stop_ = true;
  auto demuxer = Open(Make("a.mp4", std::string(kVideo) + kX264));
  ASSERT_FALSE(demuxer);
  EXPECT_EQ(demuxer.code(), Code::kUnavailable);
}

TEST(PacketForm, NalUnitsKeepTheirBytesWhateverTheirLengthsAreWrittenIn) {
  const Bytes expected = {0, 0, 0, 2, 0x65, 1, 0, 0, 0, 1, 0x41};
  EXPECT_EQ(*SampleOf({PacketForm::Kind::kAnnexB, 4}, Bytes{0, 0, 1, 0x65, 1, 0, 0, 0, 1, 0x41}),
            expected);
  EXPECT_EQ(*SampleOf({PacketForm::Kind::kLengths, 1}, Bytes{2, 0x65, 1, 1, 0x41}), expected);
  EXPECT_EQ(*SampleOf({PacketForm::Kind::kLengths, 2}, Bytes{0, 2, 0x65, 1, 0, 1, 0x41}), expected);
  EXPECT_EQ(*SampleOf({PacketForm::Kind::kLengths, 4}, expected), expected);
  EXPECT_FALSE(SampleOf({PacketForm::Kind::kLengths, 4}, Bytes{0, 0, 0, 9, 0x65}));
}

TEST(PacketForm, AnAdtsHeaderBecomesTheConfigurationThatSaysTheSame) {
  // AAC-LC, 48 kHz, stereo, 9 bytes in all: ISO/IEC 14496-3 table 1.A.5, by hand.
  const Bytes packet = {0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 0xaa, 0xbb, 0xcc};
  const auto adts = ParseAdts(packet);
  ASSERT_TRUE(adts) << adts.message();
  EXPECT_EQ(adts->audio_config, (Bytes{0x11, 0x90}));
  EXPECT_EQ(Bytes(adts->frame.begin(), adts->frame.end()), (Bytes{0xaa, 0xbb}));
  EXPECT_EQ(adts->bytes, 9u);
  EXPECT_FALSE(ParseAdts(ByteSpan(packet).first(8)));
  EXPECT_FALSE(ParseAdts({}));
}

}  // namespace
}  // namespace lookback::media
