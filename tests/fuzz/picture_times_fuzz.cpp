// Pictures with any times whatever, on a clock that the input moves and steps: a run's fragments
// follow each other exactly and in rising time, and no picture is stored twice.
#include "base/log.h"
#include "recorder/run_writer.h"
#include "tests/recorder/packets.h"
#include "tests/support/fake_archive.h"

using namespace lookback;

namespace {

constexpr TimeUs kStart = 1'777'932'000 * kUsPerSecond;

void Check(const test::FakeArchive::Contents& contents, size_t given) {
  size_t stored = 0;
  for (const auto& run : contents.runs) {
    LB_CHECK(run.ended);
    TimeUs end_us = kTimeMinUs;
    for (const auto& fragment : run.fragments) {
      LB_CHECK(end_us == kTimeMinUs || fragment.info.start_us == end_us);
      LB_CHECK(fragment.info.end_us > fragment.info.start_us);
      end_us = fragment.info.end_us;
      stored += fragment.info.tracks[0].samples.size();
    }
  }
  LB_CHECK(stored <= given);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  SetLogLevel(LogLevel::kError);
  test::FakeArchive archive;
  ManualClock clock(kStart);
  const StreamId stream{*CameraId::Parse("gate"), Stream::kMain};
  recorder::GapKeeper gaps(stream, archive, clock);
  recorder::RtpFormat format;
  format.config.sps = {test::Sps()};
  format.config.pps = {test::Pps()};
  size_t given = 0;
  {
    recorder::RunWriter writer(stream, {format}, archive, gaps, clock);
    recorder::RtpTime time;
    uint32_t rtp = 0;
    ByteReader input({data, size});
    while (input.remaining() >= 2) {
      const uint8_t choice = input.U8();
      const uint8_t amount = input.U8();
      rtp += 3'600;
      uint32_t shown = rtp;
      if ((choice & 7) == 1) shown += amount * 90'000u;          // Wild ...
      if ((choice & 7) == 2) shown -= amount * 16'843'009u;      // ... anyhow.
      if ((choice & 7) == 3) rtp += amount * 45'000u - 900'000;  // A jump.
      if ((choice & 7) == 4) rtp -= 3'600;                       // It stands, ...
      if ((choice & 7) == 5) rtp -= 3'600 + amount * 100u;       // ... or runs back.
      if ((choice & 7) == 6) clock.Step((amount - 128) * kUsPerSecond / 4);
      clock.Advance((choice & 7) == 7 ? amount * kUsPerSecond / 8 : 40 * kUsPerMs);
      media::Sample sample;
      sample.pts = time.Extend(shown);
      sample.received_us = clock.MonotonicUs();
      sample.sync = (choice & 0x18) == 0 ? media::Sync::kClosed : media::Sync::kNone;
      sample.damaged = (choice & 0xe0) == 0xe0;
      sample.data =
          test::Nals({sample.sync == media::Sync::kNone ? test::Predicted() : test::Idr()});
      writer.OnSample(std::move(sample));
      writer.Tick();
      ++given;
    }
  }
  Check(archive.Read(), given);
  return 0;
}
