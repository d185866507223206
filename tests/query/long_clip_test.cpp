// Clips of more than two hours: in fragments, planned without a look into the files between
// the first and the last.
#include <algorithm>
#include <random>

#include "media/bmff.h"
#include "query/clip.h"
#include "query/long_clip_plan.h"
#include "tests/query/clip_fixture.h"

namespace lookback::test {
namespace {

using query::Clip;
using query::GapMode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kHour = 3'600;

class LongClipTest : public ClipTest {
 protected:
  // Of the clip's pictures those of a recording, by when they are shown.
  static std::vector<uint64_t> HashesOf(const CameraClip& clip) { return Hashes(clip.pictures); }
  static void Append(std::vector<uint64_t>& to, const std::vector<uint64_t>& more) {
    to.insert(to.end(), more.begin(), more.end());
  }
};

TEST_F(LongClipTest, ShowsEachPictureOnceAtItsTimeOverRunsAndGaps) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(kHour));  // Other parameter sets.
  Record(StreetClip(), After(2 * kHour));
  footage_.opened = 0;
  const auto clip = Plan(Request(kStart, After(3 * kHour)));
  ASSERT_NE(clip, nullptr);
  EXPECT_EQ(footage_.opened, 0u) << "no sample is read for a plan";
  const Played played = PlayClip(*clip);
  EXPECT_EQ(played.error, "");
  EXPECT_THAT(played.complaints, IsEmpty());
  std::vector<uint64_t> expected = HashesOf(StreetClip());
  Append(expected, HashesOf(SmallClip()));
  Append(expected, HashesOf(StreetClip()));
  EXPECT_EQ(Hashes(played.pictures), expected);
  // Kept gaps: the clip's clock runs with the wall's.
  const auto shown_at = [&](size_t i) { return played.pictures[i].pts_us; };
  const size_t street = StreetClip().pictures.size();
  const size_t small = SmallClip().pictures.size();
  EXPECT_NEAR(shown_at(street) - shown_at(0), 3'600e6, 1'000);
  EXPECT_NEAR(shown_at(street + small) - shown_at(0), 7'200e6, 1'000);
  EXPECT_NEAR(played.duration_us, 7'220e6, 100'000);
  EXPECT_NEAR(clip->report().duration_us, 7'220e6, 100'000);
  ASSERT_EQ(clip->report().missing.size(), 3u);
  EXPECT_EQ(clip->report().missing[0].range.start_us, After(20));
  EXPECT_EQ(clip->report().missing[0].range.end_us, After(kHour));
}

TEST_F(LongClipTest, ClosedGapsTakeNoTime) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(2 * kHour));
  const auto clip = Plan(Request(kStart, After(3 * kHour), GapMode::kClose));
  ASSERT_NE(clip, nullptr);
  const Played played = PlayClip(*clip);
  EXPECT_THAT(played.complaints, IsEmpty());
  EXPECT_EQ(played.pictures.size(), 2 * StreetClip().pictures.size());
  EXPECT_NEAR(played.duration_us, 40e6, 100'000);
}

TEST_F(LongClipTest, BeginsWithTheSyncSampleBeforeAndEndsWithTheFragmentOfTheEnd) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(3 * kHour));
  const auto clip = Plan(Request(After(7.3), After(3 * kHour + 9.1)));
  ASSERT_NE(clip, nullptr);
  EXPECT_EQ(clip->report().shown.start_us, After(6));
  EXPECT_EQ(clip->report().shown.end_us, After(3 * kHour + 10));
  const Played played = PlayClip(*clip);
  EXPECT_THAT(played.complaints, IsEmpty());
  std::vector<uint64_t> expected = Hashes(OnScreen(After(6), After(3 * kHour + 10)));
  EXPECT_EQ(Hashes(played.pictures), expected);
}

TEST_F(LongClipTest, SoundStaysBesideItsPicturesOrIsLeftOut) {
  const CameraClip source = MakeCameraClip(
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=12 -f lavfi -i "
      "'anoisesrc=seed=1:amplitude=0.1:duration=12:sample_rate=16000' -pix_fmt yuv420p -c:v "
      "libx264 -preset veryfast -g 50 -bf 2 -sc_threshold 0 -threads 1 -c:a aac");
  Record(source, kStart, 4 * kUsPerSecond);
  Record(source, After(3 * kHour), 4 * kUsPerSecond);
  auto request = Request(kStart, After(4 * kHour));
  const auto clip = Plan(request);
  ASSERT_NE(clip, nullptr);
  const Played played = PlayClip(*clip);
  EXPECT_THAT(played.complaints, IsEmpty());
  ASSERT_EQ(played.sound.size(), 2 * source.sound.size());
  // FFmpeg shows pictures in fragments later by the largest negative composition offset,
  // a frame here (its `dts_shift`), in stored files too; what is asked is that sound keeps
  // its place over the gap.
  const int64_t offset = played.pictures[0].pts_us - source.frame_us();
  for (size_t i = 0; i < played.sound.size(); ++i) {
    const size_t of_run = i % source.sound.size();
    EXPECT_EQ(played.sound[i].hash, source.sound[of_run].hash) << i;
    const double later = i < source.sound.size() ? 0 : 3 * kHour * 1e6;
    EXPECT_NEAR(played.sound[i].pts_us - offset, source.sound[of_run].pts_us + later, 1'000) << i;
  }

  request.audio = false;
  const auto silent = Plan(request);
  ASSERT_NE(silent, nullptr);
  const Played pictures = PlayClip(*silent);
  EXPECT_THAT(pictures.complaints, IsEmpty());
  EXPECT_THAT(pictures.sound, IsEmpty());
  EXPECT_EQ(Hashes(pictures.pictures), Hashes(played.pictures));
  EXPECT_NE(silent->etag(), clip->etag());
}

TEST_F(LongClipTest, AnyPieceIsAPieceOfTheWhole) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(3 * kHour));
  const auto clip = Plan(Request(kStart, After(4 * kHour)));
  ASSERT_NE(clip, nullptr);
  const Bytes whole = ReadAll(*clip);
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) {
    const size_t first = random() % whole.size();
    Bytes piece(1 + random() % std::min<size_t>(whole.size() - first, 200'000));
    const auto count = clip->Read(first, piece);
    ASSERT_TRUE(count.has_value());
    ASSERT_EQ(*count, piece.size());
    ASSERT_TRUE(
        std::equal(piece.begin(), piece.end(), whole.begin() + static_cast<ptrdiff_t>(first)))
        << first;
  }
}

// By the boxes of the file alone: `sidx` says where each part begins, and boxes fill it all.
TEST_F(LongClipTest, TheIndexLeadsToEveryPart) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(3 * kHour));
  const auto clip = Plan(Request(kStart, After(4 * kHour)));
  ASSERT_NE(clip, nullptr);
  const Bytes whole = ReadAll(*clip);
  media::BoxReader boxes(whole, media::BoxLevel::kFile);
  media::Box box;
  std::vector<uint64_t> starts, indexed;
  uint32_t number = 0;
  int64_t decode_time = -1;
  while (boxes.Next(box)) {
    if (box.type == media::MakeFourCc("sidx")) {
      ByteReader in(box.body);
      in.Skip(4 + 4 + 4 + 8 + 8 + 2);
      uint64_t at = box.offset + box.size;
      for (uint16_t left = in.U16(); left > 0; --left) {
        indexed.push_back(at);
        at += in.U32();
        in.Skip(8);
      }
      ASSERT_TRUE(in.ok());
      EXPECT_EQ(at, whole.size());
    }
    if (!indexed.empty() && box.offset >= indexed.front()) starts.push_back(box.offset);
    if (box.type != media::MakeFourCc("moof")) continue;
    ByteReader in(box.body);
    in.Skip(12);
    const uint32_t next = in.U32();
    EXPECT_GT(next, number);
    number = next;
    in.Skip(8 + 20 + 12);
    const int64_t at = in.I64();
    EXPECT_GT(at, decode_time);
    decode_time = at;
  }
  EXPECT_TRUE(boxes.ok());
  EXPECT_GE(indexed.size(), 6u);
  for (const uint64_t at : indexed) {
    EXPECT_NE(std::find(starts.begin(), starts.end(), at), starts.end()) << at;
  }
}

TEST_F(LongClipTest, ADamagedFragmentCutsItAndIsLeftOutOfTheNext) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(3 * kHour));
  const auto request = Request(kStart, After(4 * kHour));
  const auto clip = Plan(request);
  ASSERT_NE(clip, nullptr);
  const auto& stored = footage_.segments[1];
  const auto& fragment = stored.index->fragments[1];
  {
    auto file = files_->Open(stored.path, OpenMode::kReadWrite);
    ASSERT_TRUE(file.has_value());
    const Bytes other = {0x55, 0xaa};
    const ByteSpan part = other;
    ASSERT_TRUE(
        (*file)->WriteAt(fragment.offset + fragment.info.length / 2, {&part, 1}).has_value());
  }
  Bytes into(clip->size());
  const auto read = clip->Read(0, into);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.code(), Code::kCorrupt);
  EXPECT_TRUE(clip->broken());

  const auto next = Plan(request);
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->size(), clip->size());
  EXPECT_NE(next->etag(), clip->etag());
  const TimeRange lost{fragment.info.start_us, fragment.info.end_us};
  ASSERT_GE(next->report().missing.size(), 2u);
  EXPECT_EQ(next->report().missing[0].cause, index::GapCause::kCorrupt);
  EXPECT_EQ(next->report().missing[0].range, lost);
  const Played played = PlayClip(*next);
  std::vector<uint64_t> expected;
  for (const Shown& shown : shown_) {
    if (!lost.Overlaps(shown.on_screen)) expected.push_back(shown.picture.hash);
  }
  EXPECT_EQ(Hashes(played.pictures), expected);
}

TEST_F(LongClipTest, WhatWentMeanwhileCutsIt) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(3 * kHour));
  const auto clip = Plan(Request(kStart, After(4 * kHour)));
  ASSERT_NE(clip, nullptr);
  footage_.segments.erase(footage_.segments.begin() + 1);
  Bytes into(clip->size());
  EXPECT_EQ(clip->Read(0, into).code(), Code::kNotFound);
}

TEST_F(LongClipTest, FootageThatStandsTwiceIsShownOnce) {
  // As when a volume that failed comes back: the same fragments of a run in two files.
  const Uuid run = Uuid::Random();
  const auto fragments = Fragments(StreetClip(), kStart);
  footage_.Record(stream_, StreetClip().tracks, fragments, 6 * kUsPerSecond, false, run);
  const std::vector<media::Fragment> again(fragments.begin() + 2, fragments.begin() + 5);
  footage_.Record(stream_, StreetClip().tracks, again, 60 * kUsPerSecond, false, run);
  const auto clip = Plan(Request(kStart, After(3 * kHour)));
  ASSERT_NE(clip, nullptr);
  const Played played = PlayClip(*clip);
  EXPECT_THAT(played.complaints, IsEmpty());
  EXPECT_EQ(Hashes(played.pictures), HashesOf(StreetClip()));
}

TEST_F(LongClipTest, AnHourRecordedTwiceIsShownRunByRun) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(5));  // The clock was set back by 15 s.
  auto& segments = footage_.segments;
  std::stable_sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) {
    return a.footage.row.start_us < b.footage.row.start_us;
  });
  ASSERT_NE(segments[0].footage.row.run, segments[1].footage.row.run) << "they come in turn";
  const auto clip = Plan(Request(kStart, After(3 * kHour)));
  ASSERT_NE(clip, nullptr);
  const Played played = PlayClip(*clip);
  EXPECT_THAT(played.complaints, IsEmpty());
  std::vector<uint64_t> expected = HashesOf(StreetClip());
  Append(expected, HashesOf(SmallClip()));
  EXPECT_EQ(Hashes(played.pictures), expected);
}

TEST_F(LongClipTest, WhereNothingIsItSaysWhy) {
  footage_.gaps.push_back({stream_, {kStart, After(5 * kHour)}, index::GapCause::kNetwork, ""});
  const Error error = PlanError(Request(kStart, After(3 * kHour)));
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_THAT(error.message, HasSubstr("network"));
}

}  // namespace
}  // namespace lookback::test
