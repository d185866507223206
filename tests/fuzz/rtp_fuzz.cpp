// Packets of a track, each behind two bytes of length; the first byte says of which codec. What
// comes out must be NAL units whose lengths add up, of bounded size, with parameter sets that a
// writer may ask for.
#include "base/bytes.h"
#include "media/fragment.h"
#include "media/h264.h"
#include "recorder/parameter_sets.h"
#include "recorder/rtp_track.h"

namespace {

using namespace lookback;
using namespace lookback::recorder;

class Checker : public SampleSink {
 public:
  void OnSample(media::Sample sample) override {
    LB_CHECK(!sample.data.empty() && sample.data.size() <= media::kMaxSampleBytes);
    if (sample.track != media::TrackKind::kVideo) return;
    LB_CHECK(media::InspectH264(sample.data).well_formed);
    sets_.AddFrom(sample.data);
    if (const auto config = sets_.Config()) (void)WithParameterSets(*config, sample.data);
  }

 private:
  ParameterSets sets_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  RtpFormat format;
  format.payload_type = 96;
  format.clock_rate = 90'000;
  if (data[0] % 3 == 1) {
    format.kind = media::TrackKind::kAudio;
    format.codec = media::Codec::kAac;
    format.config.audio_config = {0x14, 0x08};
    format.aac_size_bits = 13;
    format.aac_index_bits = format.aac_index_delta_bits = 3;
  } else if (data[0] % 3 == 2) {
    format.kind = media::TrackKind::kAudio;
    format.codec = media::Codec::kPcma;
  }
  Checker checker;
  RtpTrack track(format, checker);
  ByteReader reader({data + 1, size - 1});
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
  return 0;
}
