#include "recorder/rtp.h"

#include <gmock/gmock.h>

#include "recorder/rtcp.h"
#include "recorder/rtp_track.h"
#include "tests/recorder/packets.h"

namespace lookback::recorder {
namespace {

using Verdict = RtpSequence::Verdict;

TEST(Rtp, HeadExtensionSourcesAndPaddingAreTakenOff) {
  // V=2 P X CC=1 | M PT=96 | seq | time | ssrc | csrc | extension of one word | "abc" | 3 padding
  const Bytes packet = {0xb1, 0xe0, 0x12, 0x34, 0, 0,    0, 9, 1, 2,   3,   4,   5, 6, 7,
                        8,    0xbe, 0xde, 0,    1, 0xff, 0, 0, 0, 'a', 'b', 'c', 0, 0, 3};
  const auto rtp = ParseRtp(packet);
  ASSERT_TRUE(rtp);
  EXPECT_TRUE(rtp->marker);
  EXPECT_EQ(rtp->payload_type, 96);
  EXPECT_EQ(rtp->sequence, 0x1234);
  EXPECT_EQ(rtp->timestamp, 9u);
  EXPECT_EQ(rtp->ssrc, 0x01020304u);
  EXPECT_EQ(AsText(rtp->payload), "abc");
  for (size_t length = 0; length < 24; ++length) {
    EXPECT_FALSE(ParseRtp(ByteSpan(packet).first(length))) << length;
  }
}

TEST(Rtp, WrongVersionAndPaddingAreRefused) {
  Bytes packet = test::Rtp(1, 2, false, {7});
  packet[0] = 0x40;
  EXPECT_FALSE(ParseRtp(packet));
  packet[0] = 0xa0;  // Padding of 7 bytes, of which there is one.
  EXPECT_FALSE(ParseRtp(packet));
  packet[12] = 0;
  EXPECT_FALSE(ParseRtp(packet));
}

TEST(RtpSequence, CountsLossOverTheWrap) {
  RtpSequence sequence;
  EXPECT_EQ(sequence.Take(65'533).lost, 0u);
  EXPECT_EQ(sequence.Take(65'534).lost, 0u);
  EXPECT_EQ(sequence.Take(1).lost, 2u);
  EXPECT_EQ(sequence.extended_highest(), 0x10001u);
  EXPECT_EQ(sequence.lost(), 2u);
  EXPECT_EQ(sequence.received(), 3u);
}

TEST(RtpSequence, TheSameAgainIsLateAndAFarJumpIsARestart) {
  RtpSequence sequence;
  sequence.Take(1'000);
  EXPECT_EQ(sequence.Take(1'000).verdict, Verdict::kLate);
  EXPECT_EQ(sequence.Take(990).verdict, Verdict::kLate);
  EXPECT_EQ(sequence.Take(30'000).verdict, Verdict::kRestart);
  EXPECT_EQ(sequence.Take(30'001).verdict, Verdict::kNext);
  EXPECT_EQ(sequence.lost(), 0u);
}

TEST(RtpTime, ExtendsOverTheWrapBothWays) {
  RtpTime time;
  const int64_t start = time.Extend(0xfffffff0);
  EXPECT_EQ(time.Extend(0x10) - start, 0x20);
  EXPECT_EQ(time.Extend(0xfffffff8) - start, 8);
  EXPECT_EQ(time.Near(0x10) - start, 0x20);
}

TEST(Rtcp, ASenderReportIsReadOutOfACompound) {
  Bytes compound = test::SenderReportPacket(0xe0000000'80000000, 4'711);
  const Bytes rest = {0x81, 203, 0, 1, 1, 2, 3, 4, 0x81, 202, 0xff, 0xff};  // BYE, broken SDES.
  compound.insert(compound.end(), rest.begin(), rest.end());
  const RtcpSummary summary = ParseRtcp(compound);
  ASSERT_TRUE(summary.report);
  EXPECT_EQ(summary.report->rtp_time, 4'711u);
  EXPECT_EQ(summary.report->ntp, 0xe0000000'80000000u);
  EXPECT_TRUE(summary.goodbye);
  EXPECT_FALSE(ParseRtcp(ByteSpan(compound).first(27)).report);
}

TEST(Rtcp, NtpTimesBecomeUtc) {
  // date -u -d 2026-05-04T22:00:00 +%s = 1777932000; + 2208988800 = 3986920800.
  EXPECT_EQ(NtpToUtc((uint64_t{3'986'920'800} << 32) | 0x80000000), 1'777'932'000'500'000);
  // The era after 2036-02-07T06:28:16Z begins at zero.
  EXPECT_EQ(NtpToUtc(uint64_t{1} << 32), 2'085'978'497'000'000);
}

TEST(Rtcp, AReceiverReportIsWrittenAsTheRfcSays) {
  ReceptionReport report;
  report.own_ssrc = 0x01020304;
  report.source_ssrc = 0x05060708;
  report.fraction_lost = 0x40;
  report.lost = 0x99999999;
  report.highest_sequence = 0x00010002;
  report.jitter = 3;
  report.last_sender_report = 0x0a0b0c0d;
  report.delay_65536ths = 0x00010000;
  EXPECT_EQ(HexEncode(WriteReceiverReport(report, "ab")),
            "81c9000701020304050607084"
            "07fffff00010002000000030a0b0c0d00010000"
            "81ca00030102030401026162"
            "00000000");
}

RtpFormat G711() {
  RtpFormat format;
  format.payload_type = 8;
  format.clock_rate = 8'000;
  format.kind = media::TrackKind::kAudio;
  format.codec = media::Codec::kPcma;
  return format;
}

TEST(RtpTrack, LeavesOutWhatIsLateOrOfAnotherType) {
  test::SampleList list;
  RtpTrack track(G711(), list);
  track.OnRtp(test::Rtp(1, 160, false, {1}, 8), 1'000);
  track.OnRtp(test::Rtp(2, 320, false, {2}, 13), 2'000);  // Comfort noise.
  track.OnRtp(test::Rtp(2, 320, false, {2}, 8), 2'000);
  track.OnRtp(test::Rtp(5, 800, false, {3}, 8), 3'000);
  track.OnRtp({}, 3'000);
  ASSERT_EQ(list.samples.size(), 2u);
  EXPECT_EQ(list.samples[1].pts - list.samples[0].pts, 640);
  EXPECT_TRUE(list.samples[1].damaged);
  EXPECT_EQ(list.samples[1].lost_packets, 2u);
  EXPECT_EQ(track.lost_packets(), 2u);
}

TEST(RtpTrack, ANewSourceBeginsANewSequence) {
  test::SampleList list;
  RtpTrack track(G711(), list);
  track.OnRtp(test::Rtp(10, 160, false, {1}, 8, 1), 1'000);
  track.OnRtp(test::Rtp(12, 320, false, {2}, 8, 1), 2'000);
  track.OnRtp(test::Rtp(9, 480, false, {3}, 8, 2), 3'000);
  ASSERT_EQ(list.samples.size(), 3u);
  EXPECT_TRUE(list.samples[2].damaged);
  EXPECT_EQ(track.lost_packets(), 1u);
}

TEST(RtpTrack, ReportsTellTheDelaySinceTheSendersOwn) {
  test::SampleList list;
  RtpTrack track(G711(), list);
  EXPECT_FALSE(track.WriteReport(1, "x", 0));
  track.OnRtp(test::Rtp(1, 160, false, {1}, 8), 1'000);
  const auto rtcp = track.OnRtcp(test::SenderReportPacket(0x0000e000'12340000, 320), 500'000);
  ASSERT_TRUE(rtcp.report);
  EXPECT_EQ(rtcp.report->time, 320);
  const auto report = track.WriteReport(1, "x", 1'500'000);
  ASSERT_TRUE(report);
  EXPECT_EQ(HexEncode(ByteSpan(*report).subspan(24, 8)), "e000123400010000");
}

}  // namespace
}  // namespace lookback::recorder
