#include "media/fragmenter.h"

#include <algorithm>
#include <map>
#include <random>

#include "media/audio.h"
#include "media/jpeg.h"
#include "tests/media/test_stream.h"

namespace lookback::media {
namespace {

using test::FragmentAll;
using test::Join;

TrackConfig Video() { return test::LoadTestStream("baseline").track; }

Sample Picture(int64_t pts, Sync sync = Sync::kNone, size_t bytes = 100) {
  Sample sample;
  sample.pts = pts;
  sample.sync = sync;
  sample.data.assign(bytes, static_cast<uint8_t>(pts / 3600));
  return sample;
}

Sample Sound(int64_t pts, size_t bytes = 160) {
  Sample sample;
  sample.track = TrackKind::kAudio;
  sample.pts = pts;
  sample.data.assign(bytes, 0x55);
  return sample;
}

// What every list of fragments promises, whatever the camera sent.
void ExpectWhole(const std::vector<Fragment>& fragments) {
  uint32_t number = 0;
  int64_t decode_time = -1, audio_time = -1;
  TimeUs end_us = 0;
  for (const Fragment& fragment : fragments) {
    const FragmentInfo& info = fragment.info;
    EXPECT_EQ(info.number, ++number);
    if (number > 1) {
      EXPECT_EQ(info.start_us, end_us);
    }
    EXPECT_GT(info.end_us, info.start_us);
    end_us = info.end_us;
    const FragmentTrack& leading = info.tracks[0];
    if (number > 1) {
      EXPECT_EQ(leading.base_decode_time, decode_time);
    }
    decode_time = leading.base_decode_time + leading.duration();
    if (info.tracks.size() > 1) {
      EXPECT_GE(info.tracks[1].base_decode_time, audio_time);
      audio_time = info.tracks[1].base_decode_time + info.tracks[1].duration();
    }
    const Bytes bytes = Join(fragment.parts);
    EXPECT_EQ(bytes.size(), info.length);
    Result<FragmentInfo> parsed = ParseFragment(bytes);
    ASSERT_TRUE(parsed) << parsed.message();
    parsed->start_us = info.start_us;
    parsed->end_us = info.end_us;
    parsed->lost_packets = info.lost_packets;
    parsed->flags |= info.flags & kDamaged;
    EXPECT_EQ(*parsed, info);
  }
}

std::vector<int64_t> PresentationTimes(const std::vector<Fragment>& fragments) {
  std::vector<int64_t> times;
  for (const Fragment& fragment : fragments) {
    int64_t decode_time = fragment.info.tracks[0].base_decode_time;
    for (const SampleInfo& sample : fragment.info.tracks[0].samples) {
      times.push_back(decode_time + sample.composition_offset);
      decode_time += sample.duration;
    }
  }
  return times;
}

TEST(Fragmenter, AGopIsAFragmentAndComesOutWithTheNextIdr) {
  Fragmenter fragmenter({Video()}, test::TestUtc);
  for (int i = 0; i < 25; ++i) {
    ASSERT_FALSE(*fragmenter.Push(Picture(i * 3600, i == 0 ? Sync::kClosed : Sync::kNone)));
  }
  auto fragment = *fragmenter.Push(Picture(25 * 3600, Sync::kClosed));
  ASSERT_TRUE(fragment);
  EXPECT_EQ(fragment->info.flags, 0u);
  EXPECT_EQ(fragment->info.start_us, test::TestUtc(0));
  EXPECT_EQ(fragment->info.end_us, test::TestUtc(90'000));
  EXPECT_EQ(fragment->info.tracks[0].samples.size(), 25u);
  EXPECT_EQ(fragmenter.held_bytes(), 100u);
}

TEST(Fragmenter, TheLastSampleLastsAsLongAsTheOneBeforeIt) {
  const auto fragments =
      FragmentAll({Video()}, {Picture(0, Sync::kClosed), Picture(4000), Picture(5000)});
  ASSERT_EQ(fragments.size(), 1u);
  EXPECT_EQ(fragments[0].info.tracks[0].samples[2].duration, 1000u);
}

TEST(Fragmenter, TheLastSampleIsNotLongerThanUsualBehindLostPicturesOrAPause) {
  // I P B B P, and the camera is cut off before the two B pictures in front of the last one.
  for (const int64_t last : {int64_t{6 * 3600}, int64_t{5 * 90'000}}) {
    const auto fragments =
        FragmentAll({Video()}, {Picture(0, Sync::kClosed), Picture(3 * 3600), Picture(3600),
                                Picture(2 * 3600), Picture(last)});
    ASSERT_FALSE(fragments.empty());
    EXPECT_EQ(fragments.back().info.tracks[0].samples.back().duration, 3600u);
    EXPECT_EQ(fragments.back().info.end_us, test::TestUtc(last + 3600));
  }
}

TEST(Fragmenter, APauseOfTheCameraIsALongSample) {
  const auto fragments = FragmentAll(
      {Video()}, {Picture(0, Sync::kClosed), Picture(3600), Picture(84'600), Picture(88'200)});
  ASSERT_EQ(fragments.size(), 1u);
  EXPECT_EQ(fragments[0].info.tracks[0].samples[1].duration, 81'000u);
  ExpectWhole(fragments);
}

TEST(Fragmenter, ALongGopIsContinuedEveryTwoSeconds) {
  const test::TestStream stream = test::LoadTestStream("long_gop");
  const auto fragments = FragmentAll({stream.track}, stream.samples);
  ExpectWhole(fragments);
  ASSERT_GE(fragments.size(), 3u);
  EXPECT_EQ(fragments[0].info.flags, 0u);
  for (size_t i = 0; i < fragments.size(); ++i) {
    if (i > 0) {
      EXPECT_EQ(fragments[i].info.flags, kContinuation);
    }
    EXPECT_LE(fragments[i].info.end_us - fragments[i].info.start_us, kMaxFragmentUs);
  }
}

TEST(Fragmenter, OpenGopsAreFlaggedAndTheirLeadingPicturesComeWithThem) {
  const test::TestStream stream = test::LoadTestStream("open_gop");
  const auto fragments = FragmentAll({stream.track}, stream.samples);
  ExpectWhole(fragments);
  ASSERT_EQ(fragments.size(), 4u);
  for (size_t i = 1; i < fragments.size(); ++i) {
    EXPECT_EQ(fragments[i].info.flags, kOpenGop);
    const FragmentTrack& track = fragments[i].info.tracks[0];
    EXPECT_EQ(track.samples[0].sync, Sync::kOpen);
    EXPECT_GT(track.samples[0].composition_offset, 0);
  }
}

TEST(Fragmenter, DecodingTimesArePresentationTimesInRisingOrder) {
  for (const char* name : {"closed_gop", "open_gop", "long_gop", "baseline"}) {
    const test::TestStream stream = test::LoadTestStream(name);
    const auto fragments = FragmentAll({stream.track}, stream.samples);
    for (const Fragment& fragment : fragments) {
      EXPECT_EQ(fragment.info.flags & kDamaged, 0u);
      int64_t decode_time = fragment.info.tracks[0].base_decode_time;
      std::vector<int64_t> presented, decoded;
      for (const SampleInfo& sample : fragment.info.tracks[0].samples) {
        decoded.push_back(decode_time);
        presented.push_back(decode_time + sample.composition_offset);
        decode_time += sample.duration;
      }
      std::sort(presented.begin(), presented.end());
      EXPECT_EQ(presented, decoded) << name;
    }
  }
}

TEST(Fragmenter, AMegabyteEndsAFragment) {
  std::vector<Sample> samples;
  for (int i = 0; i < 20; ++i) {
    samples.push_back(Picture(i * 3600, i == 0 ? Sync::kClosed : Sync::kNone, 300 << 10));
  }
  const auto fragments = FragmentAll({Video()}, std::move(samples));
  ExpectWhole(fragments);
  ASSERT_EQ(fragments.size(), 7u);
  for (const Fragment& fragment : fragments) {
    EXPECT_LE(fragment.info.tracks[0].data_bytes(), kMaxFragmentBytes);
  }
}

TEST(Fragmenter, SyncSamplesAloneFillFragmentsOfTwoSeconds) {
  std::vector<Sample> samples;
  for (int i = 0; i < 150; ++i) samples.push_back(Picture(i * 3600, Sync::kClosed));
  const std::vector<Fragment> fragments = FragmentAll({MakeMjpegTrack({640, 480})}, samples);
  ExpectWhole(fragments);
  ASSERT_EQ(fragments.size(), 3u);
  for (const Fragment& fragment : fragments) {
    EXPECT_EQ(fragment.info.tracks[0].samples.size(), 50u);
    EXPECT_EQ(fragment.info.flags, 0u);
  }
}

TEST(Fragmenter, LargeSyncSamplesAloneFillFragmentsOfAMegabyte) {
  std::vector<Sample> samples;
  for (int i = 0; i < 10; ++i) samples.push_back(Picture(i * 3600, Sync::kClosed, 300'000));
  const std::vector<Fragment> fragments = FragmentAll({MakeMjpegTrack({640, 480})}, samples);
  ExpectWhole(fragments);
  ASSERT_EQ(fragments.size(), 4u);
  EXPECT_EQ(fragments[0].info.tracks[0].samples.size(), 3u);
}

TEST(Fragmenter, SyncSamplesBehindOneAnotherAreNoReasonToKeepTheNextGop) {
  std::vector<Sample> samples;
  for (int i = 0; i < 20; ++i) {
    samples.push_back(Picture(i * 3600, i % 10 < 2 ? Sync::kClosed : Sync::kNone));
  }
  const std::vector<Fragment> fragments = FragmentAll({Video()}, samples);
  ExpectWhole(fragments);
  ASSERT_EQ(fragments.size(), 2u);
  EXPECT_EQ(fragments[1].info.tracks[0].samples.size(), 10u);
}

TEST(Fragmenter, SamplesAreMovedNotCopied) {
  Fragmenter fragmenter({Video()}, test::TestUtc);
  Sample picture = Picture(0, Sync::kClosed);
  const uint8_t* const bytes = picture.data.data();
  ASSERT_TRUE(fragmenter.Push(std::move(picture)));
  EXPECT_EQ(fragmenter.Flush()->parts[1].data(), bytes);
}

TEST(Fragmenter, RefusesWhatCannotBePlacedAndGoesOn) {
  Fragmenter fragmenter({Video()}, test::TestUtc);
  EXPECT_EQ(fragmenter.Push(Picture(0)).code(), Code::kInvalid);
  EXPECT_EQ(fragmenter.Push(Picture(-1, Sync::kClosed)).code(), Code::kInvalid);
  EXPECT_EQ(fragmenter.Push(Picture(0, Sync::kClosed, 0)).code(), Code::kInvalid);
  EXPECT_EQ(fragmenter.Push(Picture(0, Sync::kClosed, kMaxSampleBytes + 1)).code(), Code::kInvalid);
  EXPECT_EQ(fragmenter.Push(Sound(0)).code(), Code::kInvalid);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(fragmenter.Push(Picture(i * 90'000, Sync::kClosed)));
    ASSERT_TRUE(fragmenter.Push(Picture(i * 90'000 + 3'600)));
  }
  EXPECT_EQ(fragmenter.Push(Picture(0)).code(), Code::kInvalid);
  EXPECT_EQ(fragmenter.Push(Picture(int64_t{2} * 3600 * 90'000)).code(), Code::kInvalid);
  EXPECT_TRUE(fragmenter.Push(Picture(277'200)));
}

TEST(Fragmenter, ABrokenOrderIsMarkedAndDecodingTimesStillRise) {
  // The last picture belongs, by its time, into the fragment that is already out.
  const auto fragments =
      FragmentAll({Video()}, {Picture(0, Sync::kClosed), Picture(3600),
                              Picture(7200, Sync::kClosed), Picture(10'800), Picture(5000)});
  ExpectWhole(fragments);
  ASSERT_EQ(fragments.size(), 2u);
  EXPECT_EQ(fragments[1].info.flags, kDamaged);
  EXPECT_EQ(PresentationTimes(fragments), (std::vector<int64_t>{0, 3600, 7200, 10'800, 5000}));
}

TEST(Fragmenter, LossIsCountedAndMarked) {
  Sample damaged = Picture(3600);
  damaged.damaged = true;
  damaged.lost_packets = 7;
  const auto fragments = FragmentAll({Video()}, {Picture(0, Sync::kClosed), std::move(damaged)});
  EXPECT_EQ(fragments[0].info.flags, kDamaged);
  EXPECT_EQ(fragments[0].info.lost_packets, 7u);
}

TEST(Fragmenter, AudioGoesWithTheVideoThatCoversItAndHasNoSeam) {
  const std::vector<TrackConfig> tracks = {Video(), MakeG711Track(Codec::kPcmu, 8000, 1)};
  std::vector<Sample> samples;
  for (int i = 0; i < 100; ++i) {
    samples.push_back(Picture(i * 3600, i % 25 == 0 ? Sync::kClosed : Sync::kNone));
    samples.push_back(Sound(i * 320));
    samples.push_back(Sound(i * 320 + 160));
  }
  const auto fragments = FragmentAll(tracks, std::move(samples));
  ExpectWhole(fragments);
  ASSERT_EQ(fragments.size(), 4u);
  int64_t expected = 0;
  size_t count = 0;
  for (const Fragment& fragment : fragments) {
    const FragmentTrack* audio = fragment.info.Track(TrackKind::kAudio);
    ASSERT_NE(audio, nullptr);
    EXPECT_EQ(audio->base_decode_time, expected);
    EXPECT_NEAR(static_cast<double>(audio->duration()), 8000, 160);
    expected += audio->duration();
    count += audio->samples.size();
  }
  EXPECT_EQ(count, 200u);
  EXPECT_EQ(expected, 32'000);
}

TEST(Fragmenter, AudioBeforeTheFirstPictureNeverGivesANegativeTime) {
  Fragmenter fragmenter({Video(), MakeG711Track(Codec::kPcmu, 8000, 1)}, test::TestUtc);
  EXPECT_EQ(fragmenter.Push(Sound(0)).code(), Code::kInvalid);
  ASSERT_TRUE(fragmenter.Push(Picture(90'000, Sync::kClosed)));
  EXPECT_EQ(fragmenter.Push(Sound(-160)).code(), Code::kInvalid);
  EXPECT_EQ(fragmenter.Push(Sound(7840)).code(), Code::kInvalid);
  EXPECT_TRUE(fragmenter.Push(Sound(8000)));
  EXPECT_EQ(fragmenter.Push(Sound(8000)).code(), Code::kInvalid);
}

TEST(Fragmenter, AudioThatVideoLeavesBehindIsBounded) {
  Fragmenter fragmenter({Video(), MakeG711Track(Codec::kPcmu, 8000, 1)}, test::TestUtc);
  ASSERT_TRUE(fragmenter.Push(Picture(0, Sync::kClosed)));
  int64_t pts = 0;
  while (fragmenter.Push(Sound(pts))) pts += 160;
  EXPECT_LE(fragmenter.held_bytes(), kMaxHeldAudioBytes + 100);
  EXPECT_EQ(pts, static_cast<int64_t>(kMaxFragmentSamples) * 160);
}

TEST(Fragmenter, AudioAloneIsCutEverySecond) {
  std::vector<Sample> samples;
  for (int i = 0; i < 200; ++i) samples.push_back(Sound(i * 160));
  const auto fragments = FragmentAll({MakeG711Track(Codec::kPcma, 8000, 1)}, std::move(samples));
  ExpectWhole(fragments);
  ASSERT_EQ(fragments.size(), 4u);
  for (const Fragment& fragment : fragments) {
    EXPECT_EQ(fragment.info.flags, kAudioOnly);
    EXPECT_EQ(fragment.info.tracks[0].duration(), 8000);
  }
}

// Random mini-GOPs, open and closed, with jitter: nothing is lost, reordered or marked.
TEST(Fragmenter, AnyLawfulGopStructureComesOutWhole) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](int n) {
      return static_cast<int>(random() % static_cast<uint32_t>(n));
    };
    std::vector<int64_t> clock = {0};  // Presentation times by place.
    const auto time = [&](size_t place) {
      while (clock.size() <= place) clock.push_back(clock.back() + 3000 + below(1200));
      return clock[place];
    };
    std::vector<Sample> samples = {Picture(0, Sync::kClosed)};
    std::vector<int64_t> expected = {0};
    size_t shown = 1;
    while (samples.size() < 400) {
      const size_t reordered = static_cast<size_t>(below(4));
      const bool idr = below(30) == 0;
      const bool open = !idr && below(30) == 0;
      const size_t anchor = idr ? shown : shown + reordered;
      samples.push_back(Picture(time(anchor),
                                idr    ? Sync::kClosed
                                : open ? Sync::kOpen
                                       : Sync::kNone,
                                static_cast<size_t>(1 + below(60'000))));
      expected.push_back(time(anchor));
      for (size_t place = shown; place < anchor; ++place) {
        samples.push_back(Picture(time(place)));
        expected.push_back(time(place));
      }
      shown = anchor + 1;
    }
    const auto fragments = FragmentAll({Video()}, std::move(samples));
    ExpectWhole(fragments);
    EXPECT_EQ(PresentationTimes(fragments), expected);
    for (const Fragment& fragment : fragments) EXPECT_EQ(fragment.info.flags & kDamaged, 0u);
  }
}

// Times without sense: whatever is taken comes out once, in order, in fragments that parse.
TEST(Fragmenter, NoStreamBreaksTheForm) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Fragmenter fragmenter({Video(), MakeG711Track(Codec::kPcmu, 8000, 1)}, test::TestUtc);
    std::vector<Fragment> fragments;
    std::map<TrackKind, size_t> in, out;
    for (int i = 0; i < 500; ++i) {
      const int64_t span = int64_t{1} << (random() % 30);
      const int64_t pts =
          i * 3600 + static_cast<int64_t>(random() % static_cast<uint64_t>(2 * span)) - span;
      Sample sample =
          random() % 4 == 0 ? Sound(pts) : Picture(pts, static_cast<Sync>(random() % 3));
      const TrackKind kind = sample.track;
      auto fragment = fragmenter.Push(std::move(sample));
      if (!fragment) continue;
      ++in[kind];
      if (*fragment) fragments.push_back(std::move(**fragment));
    }
    while (auto fragment = fragmenter.Flush()) fragments.push_back(std::move(*fragment));
    for (const Fragment& fragment : fragments) {
      for (const FragmentTrack& track : fragment.info.tracks)
        out[track.kind] += track.samples.size();
    }
    EXPECT_EQ(in, out);
    ExpectWhole(fragments);
  }
}

TEST(ParseFragment, TakesNothingThatTheWriterWouldNotWrite) {
  const auto fragments =
      FragmentAll({Video()}, {Picture(0, Sync::kClosed), Picture(7200), Picture(3600)});
  const Bytes good = Join(fragments[0].parts);
  ASSERT_TRUE(ParseFragment(good));
  const size_t head = good.size() - 300;
  for (size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_FALSE(ParseFragment(ByteSpan(good).first(cut))) << cut;
  }
  // A changed byte is refused, or is one whose every value has a meaning.
  size_t taken = 0;
  for (size_t at = 0; at < head; ++at) {
    Bytes bad = good;
    bad[at] ^= 0x80;
    taken += ParseFragment(bad).has_value();
  }
  constexpr size_t kFreeBytes = 8 + 4 + 3 * (4 + 4) + 4;  // NTP, number, durations, offsets, sizes.
  EXPECT_LE(taken, kFreeBytes);
}

}  // namespace
}  // namespace lookback::media
