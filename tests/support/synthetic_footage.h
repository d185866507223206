// tests/support/synthetic_footage.h: runs and fragments as a camera would give them, without one.
//
// The boxes are the product's own (media::Fragmenter); the samples are H.264 NAL units whose
// payload is drawn from camera, run and frame number, so a test can tell whose picture it read. No
// decoder will like them.
//
// Threads:   one.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "media/fragmenter.h"
#include "storage/archive.h"

namespace lookback::test {

inline StreamId MakeStream(const std::string& camera, Stream stream = Stream::kMain) {
  return {CameraId::Parse(camera).value(), stream};
}

// 2026-05-04T22:00:00Z.
inline constexpr TimeUs kEvening = 1'777'932'000 * kUsPerSecond;

class SyntheticRun {
 public:
  struct Options {
    int frames_per_second = 25;
    int frames_per_gop = 25;  // Over two seconds' worth gives continuations.
    size_t frame_bytes = 400;
    bool audio = false;  // G.711 beside the video, 20 ms a sample.
  };

  SyntheticRun(StreamId stream, TimeUs start_us) : SyntheticRun(stream, start_us, Options()) {}
  SyntheticRun(StreamId stream, TimeUs start_us, const Options& options)
      : options_(options), start_us_(start_us), fragmenter_(Tracks(options), [this](int64_t ticks) {
          return start_us_ + ticks * 1'000 / 90;
        }) {
    info_.stream = std::move(stream);
    info_.run = Uuid::Random();
    info_.init = media::BuildInitSection(Tracks(options));
    info_.tracks = "avc1.42c01e 320x240";
  }

  SyntheticRun(const SyntheticRun&) = delete;
  SyntheticRun& operator=(const SyntheticRun&) = delete;

  const storage::RunInfo& info() const { return info_; }

  // The next fragment; goes on for ever.
  media::Fragment Next() {
    for (;;) {
      auto fragment = PushFrame();
      if (fragment) return std::move(*fragment);
    }
  }

  // As many fragments as it takes to reach `duration_us` from the run's start.
  std::vector<media::Fragment> Until(int64_t duration_us) {
    std::vector<media::Fragment> fragments;
    while (end_us_ < start_us_ + duration_us) {
      fragments.push_back(Next());
      end_us_ = fragments.back().info.end_us;
    }
    return fragments;
  }

  static std::vector<media::TrackConfig> Tracks(const Options& options) {
    media::TrackConfig video;
    video.width = 320;
    video.height = 240;
    video.sps = {{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00,
                  0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x62, 0xe4, 0x80}};
    video.pps = {{0x68, 0xcb, 0x83, 0xcb, 0x20}};
    std::vector<media::TrackConfig> tracks = {video};
    if (options.audio) {
      media::TrackConfig audio;
      audio.kind = media::TrackKind::kAudio;
      audio.codec = media::Codec::kPcma;
      audio.timescale = 8'000;
      audio.channels = 1;
      tracks.push_back(audio);
    }
    return tracks;
  }

 private:
  std::optional<media::Fragment> PushFrame() {
    if (options_.audio && audio_pts_ * 90'000 / 8'000 < video_pts_) {
      media::Sample sample;
      sample.track = media::TrackKind::kAudio;
      sample.pts = audio_pts_;
      sample.sync = media::Sync::kClosed;
      sample.data.assign(160, 0xd5);
      audio_pts_ += 160;
      return Push(std::move(sample));
    }
    media::Sample sample;
    sample.pts = video_pts_;
    const bool sync = frame_ % options_.frames_per_gop == 0;
    sample.sync = sync ? media::Sync::kClosed : media::Sync::kNone;
    sample.data = Frame(sync);
    video_pts_ += media::kVideoTimescale / options_.frames_per_second;
    ++frame_;
    return Push(std::move(sample));
  }

  std::optional<media::Fragment> Push(media::Sample sample) {
    auto pushed = fragmenter_.Push(std::move(sample));
    EXPECT_TRUE(pushed.has_value()) << (pushed ? "" : pushed.message());
    return pushed ? std::move(*pushed) : std::nullopt;
  }

  // A slice NAL unit with a 4-byte length: "<camera>/<stream> <run> <frame>", then filling.
  Bytes Frame(bool sync) const {
    Bytes frame;
    ByteWriter out(frame);
    out.U32(static_cast<uint32_t>(options_.frame_bytes - 4));
    out.U8(sync ? 0x65 : 0x41);
    out.Text(info_.stream.text() + " " + info_.run.text() + " " + std::to_string(frame_) + " ");
    while (frame.size() < options_.frame_bytes) {
      out.U8(static_cast<uint8_t>(0x80 | (frame.size() * 31 + static_cast<size_t>(frame_))));
    }
    frame.resize(options_.frame_bytes);
    return frame;
  }

  const Options options_;
  const TimeUs start_us_;
  media::Fragmenter fragmenter_;
  storage::RunInfo info_;
  int64_t video_pts_ = 0;
  int64_t audio_pts_ = 0;
  int frame_ = 0;
  TimeUs end_us_ = 0;
};

}  // namespace lookback::test
