#include "storage/segment_format.h"

#include <gtest/gtest.h>

#include <random>

#include "media/audio.h"
#include "storage/varint.h"
#include "tests/storage/segment_file.h"

namespace lookback::storage {
namespace {

using media::FragmentInfo;
using media::FragmentTrack;
using media::SampleInfo;
using media::Sync;
using media::TrackKind;

TEST(Varint, EveryValueComesBack) {
  std::mt19937_64 random(1);
  std::vector<int64_t> values = {0, 1, -1, 63, 64, -64, -65, INT64_MAX, INT64_MIN};
  for (int i = 0; i < 1000; ++i)
    values.push_back(static_cast<int64_t>(random() >> (random() % 64)));
  Bytes bytes;
  VarintWriter out(bytes);
  for (const int64_t value : values) {
    out.Signed(value);
    out.Unsigned(static_cast<uint64_t>(value));
  }
  VarintReader in(bytes);
  for (const int64_t value : values) {
    EXPECT_EQ(in.Signed(), value);
    EXPECT_EQ(in.Unsigned(), static_cast<uint64_t>(value));
  }
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.remaining(), 0u);
}

TEST(Varint, IsThatOfProtobuf) {
  Bytes bytes;
  VarintWriter out(bytes);
  out.Unsigned(300);
  out.Signed(-2);
  EXPECT_EQ(HexEncode(bytes), "ac0203");
}

TEST(Varint, NeverReadsMoreThanTenBytesOrPastTheEnd) {
  const Bytes endless(64, 0xff);
  VarintReader reader(endless);
  EXPECT_EQ(reader.Unsigned(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_LE(reader.position(), 10u);
  const Bytes cut{0x80};
  VarintReader short_reader(cut);
  EXPECT_EQ(short_reader.Unsigned(), 0u);
  EXPECT_FALSE(short_reader.ok());
}

TEST(SegmentHeader, ComesBackAndAnyChangedByteIsNoticed) {
  SegmentHeader header = test::TestHeader();
  for (int i = 0; i < 2; ++i) {
    const Bytes box = EncodeSegmentHeader(header);
    const auto parsed = ParseSegmentHeader(box);
    ASSERT_TRUE(parsed) << parsed.message();
    EXPECT_EQ(*parsed, header);
    for (size_t at = 0; at < box.size(); ++at) {
      Bytes bad = box;
      bad[at] ^= 1;
      EXPECT_FALSE(ParseSegmentHeader(bad)) << at;
      EXPECT_FALSE(ParseSegmentHeader(ByteSpan(box).first(at)));
    }
    header.has_camera_offset = false;
    header.camera_offset_us = 0;
    header.clock = ClockState::kUnsynchronised;
    header.stream.stream = Stream::kSub;
    header.imported = true;
    header.thinned = true;
  }
}

TEST(SegmentHeader, OfALaterFormatIsUnsupportedNotCorrupt) {
  SegmentHeader header = test::TestHeader();
  header.format_version = kSegmentFormatVersion + 1;
  EXPECT_EQ(ParseSegmentHeader(EncodeSegmentHeader(header)).code(), Code::kUnsupported);
}

TEST(FragmentTrailer, ComesBackAndAnyChangedByteIsNoticed) {
  const test::SegmentFile file = test::MakeClosedSegment("closed_gop");
  FragmentInfo info = file.index.fragments[1].info;
  info.lost_packets = 5;
  info.flags = media::kDamaged;
  const Bytes box = EncodeFragmentTrailer(file.index.header.run, info, 0x1122334455667788);
  EXPECT_EQ(box.size(), kFragmentTrailerBytes);
  const auto parsed = ParseFragmentTrailer(box);
  ASSERT_TRUE(parsed) << parsed.message();
  EXPECT_EQ(parsed->run, file.index.header.run);
  EXPECT_EQ(parsed->number, 2u);
  EXPECT_EQ(parsed->flags, info.flags);
  EXPECT_EQ(parsed->start_us, info.start_us);
  EXPECT_EQ(parsed->end_us, info.end_us);
  EXPECT_EQ(parsed->length, info.length);
  EXPECT_EQ(parsed->lost_packets, 5u);
  EXPECT_EQ(parsed->digest, 0x1122334455667788u);
  for (size_t at = 0; at < box.size(); ++at) {
    Bytes bad = box;
    bad[at] ^= 1;
    EXPECT_FALSE(ParseFragmentTrailer(bad)) << at;
  }
}

// A segment's index of random shape: durations and sizes that jitter or do not, B-frames or none.
SegmentIndex RandomIndex(uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  SegmentIndex index;
  index.header = test::TestHeader();
  index.recovered = below(2) == 1;
  uint64_t offset = 700 + below(1000);
  TimeUs time = index.header.start_us;
  uint32_t number = 1 + below(1000);
  const bool jitter = below(2) == 1, reordered = below(2) == 1, steady = below(2) == 1;
  int64_t decode_time[2] = {int64_t{below(1u << 30)}, int64_t{below(1u << 30)}};
  for (uint32_t i = below(40); i > 0; --i) {
    FragmentInfo info;
    info.number = number++;
    info.flags = below(8);
    info.start_us = time += below(3) == 0 ? below(1000) : 0;
    info.end_us = time += 1 + below(2'000'000);
    info.lost_packets = below(5) == 0 ? below(100) : 0;
    uint64_t position = 32;
    for (const TrackKind kind : {TrackKind::kVideo, TrackKind::kAudio}) {
      if (kind == TrackKind::kAudio && below(3) == 0) continue;
      FragmentTrack track;
      track.kind = kind;
      track.data_offset = static_cast<uint32_t>(position += 100);
      int64_t& decode = decode_time[kind == TrackKind::kAudio];
      track.base_decode_time = decode += below(4) == 0 ? below(100) : 0;
      for (uint32_t n = 1 + below(60); n > 0; --n) {
        SampleInfo sample;
        sample.duration = 3600 + (jitter ? below(90) : 0);
        sample.size = steady ? 160 : 1 + below(30'000);
        sample.sync = Sync::kClosed;
        if (kind == TrackKind::kVideo) {
          sample.sync = track.samples.empty() ? static_cast<Sync>(below(3)) : Sync::kNone;
          if (reordered) sample.composition_offset = static_cast<int32_t>(below(20'000)) - 10'000;
        }
        track.samples.push_back(sample);
      }
      decode += track.duration();
      position += track.data_bytes();
      info.tracks.push_back(track);
    }
    info.length = static_cast<uint32_t>(position + below(10));
    index.fragments.push_back({offset, info});
    offset += info.length + kFragmentTrailerBytes;
  }
  return index;
}

TEST(SegmentEnd, TablesOfAnyShapeComeBack) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    const SegmentIndex index = RandomIndex(seed);
    Xxh128 digest{};
    digest[3] = static_cast<uint8_t>(seed);
    const Bytes box = EncodeSegmentEnd(index, digest);
    const auto parsed = ParseSegmentEnd(box);
    ASSERT_TRUE(parsed) << seed << ": " << parsed.message();
    EXPECT_EQ(parsed->fragments, index.fragments) << seed;
    EXPECT_EQ(parsed->recovered, index.recovered);
    EXPECT_EQ(parsed->preceding, digest);
    EXPECT_EQ(SegmentEndLength(box), box.size());
  }
}

TEST(SegmentEnd, AnyChangedByteIsNoticed) {
  const Bytes box = EncodeSegmentEnd(RandomIndex(7), {});
  for (size_t at = 0; at < box.size(); ++at) {
    Bytes bad = box;
    bad[at] ^= 1;
    EXPECT_FALSE(ParseSegmentEnd(bad)) << at;
  }
}

// With a right digest, hostile tables reach the decoder: nothing may be taken that is out of range,
// and memory stays bounded.
TEST(SegmentEnd, HostileTablesAreSafe) {
  const Bytes good = EncodeSegmentEnd(RandomIndex(11), {});
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    std::mt19937 random(seed);
    Bytes bad = good;
    for (uint32_t i = 1 + random() % 4; i > 0; --i) {
      bad[24 + random() % (bad.size() - 40)] = static_cast<uint8_t>(random());
    }
    bad.erase(bad.end() - 16, bad.end());
    ByteWriter out(bad);
    out.U64(Xxh3_64(bad));
    out.U64(good.size());
    const auto parsed = ParseSegmentEnd(bad);
    if (!parsed) continue;
    for (const SegmentFragment& fragment : parsed->fragments) {
      EXPECT_LE(fragment.info.length, media::kMaxFragmentLength);
      for (const FragmentTrack& track : fragment.info.tracks) {
        EXPECT_LE(track.data_offset + track.data_bytes(), fragment.info.length);
      }
    }
  }
}

// docs/format.md tells these figures.
TEST(SegmentEnd, OfAMinuteTakesAFewKilobytes) {
  std::mt19937 random(1);
  media::TrackConfig video = test::LoadTestStream("baseline").track;
  const auto measure = [&](bool audio, bool jitter) {
    std::vector<media::TrackConfig> tracks = {video};
    if (audio) tracks.push_back(media::MakeAacTrack({0x14, 0x08}).value());
    std::vector<media::Sample> samples;
    int64_t audio_pts = 0;
    for (int i = 0; i < 1500; ++i) {
      media::Sample& sample = samples.emplace_back();
      sample.pts = i * 3600 + (jitter ? random() % 90 : 0);
      sample.sync = i % 50 == 0 ? Sync::kClosed : Sync::kNone;
      sample.data.resize(i % 50 == 0 ? 100'000 : 12'000 + random() % 6'000);
      for (; audio && audio_pts < i * 640; audio_pts += 1024) {
        media::Sample& sound = samples.emplace_back();
        sound.track = TrackKind::kAudio;
        sound.pts = audio_pts;
        sound.data.resize(180 + random() % 100);
      }
    }
    const auto file = test::MakeOpenSegment(tracks, test::FragmentAll(tracks, std::move(samples)));
    return EncodeSegmentEnd(file.index, {}).size();
  };
  const size_t steady = measure(false, false), jitter = measure(false, true);
  const size_t audio = measure(true, false);
  RecordProperty("steady", static_cast<int>(steady));
  RecordProperty("jitter", static_cast<int>(jitter));
  RecordProperty("audio", static_cast<int>(audio));
  std::printf("LKEN of a minute: %zu steady, %zu with jitter, %zu with AAC\n", steady, jitter,
              audio);
  EXPECT_LT(steady, 5'000u);
  EXPECT_LT(jitter, 7'000u);
  EXPECT_LT(audio, 7'500u);
}

}  // namespace
}  // namespace lookback::storage
