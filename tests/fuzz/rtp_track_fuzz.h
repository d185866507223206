// tests/fuzz/rtp_track_fuzz.h: packets of one track, each behind two bytes of length, into its
// depacketizer. What comes out must be of bounded size, and of pictures a whole: NAL units whose
// lengths add up, with parameter sets that a writer may ask for, or a JPEG file.
#pragma once

#include <algorithm>

#include "base/bytes.h"
#include "media/fragment.h"
#include "media/h264.h"
#include "media/h265.h"
#include "media/jpeg.h"
#include "recorder/rtp_track.h"
#include "recorder/video_config.h"

namespace lookback::fuzz {

class SampleChecker : public recorder::SampleSink {
 public:
  explicit SampleChecker(media::Codec codec) : codec_(codec), config_(codec) {}

  void OnSample(media::Sample sample) override {
    LB_CHECK(!sample.data.empty() && sample.data.size() <= media::kMaxSampleBytes);
    if (sample.track != media::TrackKind::kVideo) return;
    if (codec_ == media::Codec::kMjpeg) LB_CHECK(media::ParseJpegSize(sample.data));
    if (codec_ == media::Codec::kH264) LB_CHECK(media::InspectH264(sample.data).well_formed);
    if (codec_ == media::Codec::kH265) LB_CHECK(media::InspectH265(sample.data).well_formed);
    config_.AddFrom(sample.data);
    if (const auto config = config_.Config()) {
      (void)recorder::WithParameterSets(*config, std::move(sample.data));
    }
  }

 private:
  const media::Codec codec_;
  recorder::VideoConfig config_;
};

// A set high bit of the length means an RTCP packet.
inline void FeedTrack(recorder::RtpFormat format, ByteSpan input) {
  format.payload_type = 96;
  format.clock_rate = 90'000;
  SampleChecker checker(format.codec);
  recorder::RtpTrack track(format, checker);
  ByteReader reader(input);
  for (int64_t now_us = 1; reader.remaining() > 2; now_us += 1'000) {
    const uint16_t head = reader.U16();
    const ByteSpan packet = reader.Take(std::min<size_t>(head & 0x7ff, reader.remaining()));
    if ((head & 0x8000) != 0) {
      (void)track.OnRtcp(packet, now_us);
      (void)track.WriteReport(1, "fuzz", now_us);
    } else {
      track.OnRtp(packet, now_us);
    }
  }
}

}  // namespace lookback::fuzz
