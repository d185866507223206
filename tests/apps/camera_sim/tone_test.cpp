#include "apps/camera_sim/tone.h"

#include <gtest/gtest.h>

namespace lookback::camera_sim {
namespace {

TEST(Tone, G711IsTwentyMillisecondsAPiece) {
  for (const AudioCodec codec : {AudioCodec::kPcma, AudioCodec::kPcmu}) {
    const auto track = MakeTone(codec);
    ASSERT_TRUE(track) << track.message();
    EXPECT_EQ(track->sample_rate, 8'000);
    EXPECT_TRUE(track->decoder_config.empty());
    for (const Bytes& frame : track->frames) EXPECT_EQ(frame.size(), 160u);
    // The loop of 1.28 s holds whole periods, so sample 0 is silence again: A-law d5, µ-law ff.
    EXPECT_EQ(track->frames[0][0], codec == AudioCodec::kPcma ? 0xd5 : 0xff);
    EXPECT_EQ(track->TimeNs(50), 1'000'000'000);
  }
}

TEST(Tone, OpusAndG726AreTwentyMillisecondsAPieceToo) {
  const auto opus = MakeTone(AudioCodec::kOpus);
  ASSERT_TRUE(opus) << opus.message();
  EXPECT_EQ(opus->sample_rate, 48'000);
  EXPECT_EQ(opus->TimeNs(50), 1'000'000'000);
  // RFC 6716 §3.1: the low bits of the first byte are 0 for one frame in a packet.
  for (const Bytes& frame : opus->frames) EXPECT_EQ(frame[0] & 3, 0);
  const auto g726 = MakeTone(AudioCodec::kG726);
  ASSERT_TRUE(g726) << g726.message();
  EXPECT_EQ(g726->sample_rate, 8'000);
  EXPECT_EQ(g726->TimeNs(50), 1'000'000'000);
  for (const Bytes& frame : g726->frames) EXPECT_EQ(frame.size(), 80u);  // 160 codewords of 4 bits.
}

TEST(Tone, AacSaysWhatItIs) {
  const auto track = MakeTone(AudioCodec::kAac);
  ASSERT_TRUE(track) << track.message();
  // AudioSpecificConfig (ISO/IEC 14496-3): object type 2 (LC), rate index 8 (16 kHz), one channel.
  ASSERT_GE(track->decoder_config.size(), 2u);
  EXPECT_EQ(track->decoder_config[0], 0x14);
  EXPECT_EQ(track->decoder_config[1] & 0xf8, 0x08);
  EXPECT_EQ(track->samples_per_frame, 1024);
  EXPECT_EQ(track->TimeNs(125), 8'000'000'000);
}

}  // namespace
}  // namespace lookback::camera_sim
