#include "query/clip.h"

#include <atomic>
#include <random>
#include <thread>

#include "tests/query/clip_fixture.h"

namespace lookback::test {
namespace {

using index::GapCause;
using query::Clip;
using query::GapMode;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(ClipTest, TheFirstPictureIsTheOneOnScreenAtTheAskedInstant) {
  Record(StreetClip(), kStart);
  // On a picture's border, inside one, inside a GOP, on a sync sample, the very first.
  for (const double start : {3.0, 3.013, 4.999, 4.0, 0.0, 5.96}) {
    SCOPED_TRACE(start);
    const auto clip = Plan(Request(After(start), After(start + 2)));
    ASSERT_NE(clip, nullptr);
    ExpectShows(*clip, After(start), After(start + 2));
    const TimeUs shown = clip->report().shown.start_us;
    EXPECT_LE(shown, After(start));
    EXPECT_GT(shown, After(start) - StreetClip().frame_us());
    EXPECT_EQ(clip->report().missing_us, 0);
  }
}

TEST_F(ClipTest, EndsExactlyWhereAsked) {
  Record(StreetClip(), kStart);
  const auto clip = Plan(Request(After(4), After(7.3)));
  ASSERT_NE(clip, nullptr);
  EXPECT_EQ(clip->report().duration_us, 3'300'000);
  EXPECT_EQ(clip->report().shown, (TimeRange{After(4), After(7.3)}));
  ExpectShows(*clip, After(4), After(7.3));
}

TEST_F(ClipTest, OneInstantIsOnePicture) {
  Record(StreetClip(), kStart);
  const auto clip = Plan(Request(After(7.01), After(7.01) + 1));
  ASSERT_NE(clip, nullptr);
  const Played played = PlayClip(*clip);
  EXPECT_EQ(Hashes(played.pictures), Hashes(OnScreen(After(7.01), After(7.01) + 1)));
  EXPECT_THAT(played.pictures, SizeIs(1));
}

// Two hundred ranges over two runs with a gap between them, in both modes: what a player shows is
// what was on screen, and the length is right to a frame.
TEST_F(ClipTest, AnyRangeShowsWhatWasOnScreen) {
  constexpr int kRanges = 200;
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(27.5), 4 * kUsPerSecond);
  const TimeRange gap{After(20), After(27.5)};
  std::mt19937_64 random(20'260'504);
  std::uniform_int_distribution<TimeUs> instant(After(0), After(47));
  for (int i = 0; i < kRanges; ++i) {
    TimeUs start = instant(random);
    TimeUs end = instant(random);
    if (start > end) std::swap(start, end);
    if (i % 2 == 0) end = std::min(end, start + 3 * kUsPerSecond);
    if (end - start < kUsPerMs || (start >= gap.start_us && end <= gap.end_us)) continue;
    SCOPED_TRACE("range " + std::to_string(i) + ": " + std::to_string(start - kStart) + " to " +
                 std::to_string(end - kStart));
    const GapMode mode = i % 3 == 0 ? GapMode::kClose : GapMode::kKeep;
    const auto clip = Plan(Request(start, end, mode));
    ASSERT_NE(clip, nullptr);
    const Played played = PlayClip(*clip);
    EXPECT_EQ(played.error, "");
    EXPECT_THAT(played.complaints, IsEmpty());
    EXPECT_EQ(Hashes(played.pictures), Hashes(OnScreen(start, end)));

    const int64_t missing =
        gap.Intersect({start, end}).empty() ? 0 : gap.Intersect({start, end}).duration_us();
    const bool inside = start < gap.start_us && gap.end_us < end;
    const int64_t expected = end - start - (inside && mode == GapMode::kKeep ? 0 : missing);
    EXPECT_NEAR(static_cast<double>(played.duration_us), static_cast<double>(expected),
                static_cast<double>(StreetClip().frame_us()));
    EXPECT_NEAR(static_cast<double>(clip->report().missing_us), static_cast<double>(missing), 1);
    if (HasFailure()) break;
  }
}

TEST_F(ClipTest, TheCamerasFirstReportsTellTheClockOfItsFirstSegmentToo) {
  Record(StreetClip(), kStart);
  ASSERT_GE(footage_.segments.size(), 3u);
  footage_.segments[1].footage.row.camera_offset_us = 3'000'000;
  footage_.segments[2].footage.row.camera_offset_us = 4'000'000;
  const auto clip = Plan(Request(After(1), After(15)));
  ASSERT_NE(clip, nullptr);
  EXPECT_EQ(clip->report().camera_offset_us, 3'000'000);
}

TEST_F(ClipTest, AKeptGapShowsTheLastPictureBeforeIt) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(30));
  footage_.gaps.push_back({stream_, {After(20), After(30)}, GapCause::kNetwork, "no route"});
  const auto clip = Plan(Request(After(18), After(32)));
  ASSERT_NE(clip, nullptr);
  ExpectShows(*clip, After(18), After(32));
  EXPECT_EQ(clip->report().missing_us, 10 * kUsPerSecond);
  ASSERT_THAT(clip->report().missing, SizeIs(1));
  EXPECT_EQ(clip->report().missing[0].cause, GapCause::kNetwork);
  EXPECT_EQ(clip->report().missing[0].range, (TimeRange{After(20), After(30)}));

  // As a still, taken by a player at an instant inside the gap.
  const std::string path = Save(*clip, "gap.mp4");
  const auto still = [&](const std::string& seek) {
    return RunCommand("ffmpeg -v error " + seek + " -i " + path +
                      " -vf 'select=gte(n\\,0)' -frames:v 1 -f rawvideo - | md5sum");
  };
  const auto shown_at = [&](const std::string& at) {
    // `fps` fills the timeline as a screen would, picture by picture.
    return RunCommand("ffmpeg -v error -i " + path + " -vf fps=25,select='eq(n\\," + at +
                      ")' -frames:v 1 -pix_fmt yuv420p -f rawvideo - | md5sum");
  };
  EXPECT_EQ(shown_at("49").output, shown_at("150").output);  // 1.96 s: the last; 6 s: in the gap.
  EXPECT_EQ(shown_at("49").output, shown_at("299").output);  // The end of the gap.
  EXPECT_NE(shown_at("49").output, shown_at("300").output);  // The first after it.
  EXPECT_EQ(still("").exit_code, 0);
}

TEST_F(ClipTest, AClosedGapIsGone) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(30));
  const auto clip = Plan(Request(After(18), After(32), GapMode::kClose));
  ASSERT_NE(clip, nullptr);
  const Played played = PlayClip(*clip);
  EXPECT_EQ(Hashes(played.pictures), Hashes(OnScreen(After(18), After(32))));
  EXPECT_EQ(clip->report().duration_us, 4 * kUsPerSecond);
  EXPECT_EQ(played.duration_us, 4 * kUsPerSecond);
  EXPECT_EQ(clip->report().missing_us, 10 * kUsPerSecond);
}

TEST_F(ClipTest, FootageMissingAtAnEndIsToldAndNotStretched) {
  Record(StreetClip(), kStart);
  footage_.gaps.push_back({stream_, {After(20), After(60)}, GapCause::kRecorderDown, ""});
  const auto clip = Plan(Request(After(-5), After(40)));
  ASSERT_NE(clip, nullptr);
  ExpectShows(*clip, After(0), After(20));
  const auto& report = clip->report();
  EXPECT_EQ(report.shown, (TimeRange{After(0), After(20)}));
  EXPECT_EQ(report.missing_us, 25 * kUsPerSecond);
  ASSERT_THAT(report.missing, SizeIs(2));
  EXPECT_EQ(report.missing[0].detail, "before the first recording");
  EXPECT_EQ(report.missing[1].cause, GapCause::kRecorderDown);
}

TEST_F(ClipTest, NewParameterSetsMakeASecondSampleEntry) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(20));
  const auto clip = Plan(Request(After(17.5), After(24)));
  ASSERT_NE(clip, nullptr);
  ExpectShows(*clip, After(17.5), After(24));
  const Played played = PlayClip(*clip);
  EXPECT_EQ(played.pictures.front().width, 192);
  EXPECT_EQ(played.pictures.back().width, 128);
  EXPECT_EQ(clip->report().missing_us, 0);
}

TEST_F(ClipTest, EqualParameterSetsOfTwoRunsAreOneSampleEntry) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(20));
  const auto clip = Plan(Request(After(10), After(30)));
  ASSERT_NE(clip, nullptr);
  ExpectShows(*clip, After(10), After(30));
  const Bytes bytes = ReadAll(*clip);
  const std::string_view text = AsText(bytes);
  EXPECT_EQ(text.find("avcC"), text.rfind("avcC", text.find("mdat")));
}

TEST_F(ClipTest, MediaTimeIsNotStretchedByAClockThatRunsFaster) {
  Record(StreetClip(), kStart, 6 * kUsPerSecond, 500);
  const auto clip = Plan(Request(After(1), After(19)));
  ASSERT_NE(clip, nullptr);
  const Played played = PlayClip(*clip);
  EXPECT_EQ(Hashes(played.pictures), Hashes(OnScreen(After(1), After(19))));
  for (size_t i = 1; i < played.pictures.size(); ++i) {
    EXPECT_EQ(played.pictures[i].pts_us - played.pictures[i - 1].pts_us, 40'000);
  }
}

TEST_F(ClipTest, SlicesEqualTheWhole) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(25));
  const auto clip = Plan(Request(After(1), After(30)));
  ASSERT_NE(clip, nullptr);
  const Bytes whole = ReadAll(*clip);
  std::mt19937_64 random(7);
  for (int i = 0; i < 500; ++i) {
    const uint64_t offset = random() % (whole.size() + 10);
    Bytes slice(random() % 5'000);
    const auto count = clip->Read(offset, slice);
    ASSERT_TRUE(count.has_value());
    const uint64_t rest = offset < whole.size() ? whole.size() - offset : 0;
    ASSERT_EQ(*count, std::min<uint64_t>(slice.size(), rest));
    ASSERT_TRUE(std::equal(
        slice.begin(), slice.begin() + static_cast<ptrdiff_t>(*count),
        whole.begin() + static_cast<ptrdiff_t>(std::min<uint64_t>(offset, whole.size()))));
  }
}

TEST_F(ClipTest, ReadersOfOneClipDoNotDisturbOneAnother) {
  Record(StreetClip(), kStart);
  const auto clip = Plan(Request(After(1), After(19)));
  ASSERT_NE(clip, nullptr);
  const Bytes whole = ReadAll(*clip);
  std::vector<std::thread> readers;
  std::atomic<int> wrong = 0;
  for (uint64_t reader = 0; reader < 4; ++reader) {
    readers.emplace_back([&, reader] {
      Bytes piece(3'000 + 700 * reader);
      for (uint64_t at = 0; at < whole.size(); at += piece.size()) {
        const auto count = clip->Read(at, piece);
        if (!count || !std::equal(piece.begin(), piece.begin() + static_cast<ptrdiff_t>(*count),
                                  whole.begin() + static_cast<ptrdiff_t>(at))) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ClipTest, TheTagChangesWithTheBytesAndOnlyThen) {
  Record(StreetClip(), kStart);
  const auto clip = Plan(Request(After(1), After(5)));
  const auto again = Plan(Request(After(1), After(5)));
  const auto other = Plan(Request(After(1), After(5.04)));
  EXPECT_EQ(clip->etag(), again->etag());
  EXPECT_EQ(ReadAll(*clip), ReadAll(*again));
  EXPECT_NE(clip->etag(), other->etag());
  EXPECT_THAT(clip->etag(), SizeIs(32));
}

TEST_F(ClipTest, MoovStandsFirstAndHoldsOneEditATrack) {
  Record(StreetClip(), kStart);
  const auto clip = Plan(Request(After(5), After(9)));
  const Bytes bytes = ReadAll(*clip);
  const std::string_view text = AsText(bytes);
  EXPECT_LT(text.find("moov"), text.find("mdat"));
  const size_t elst = text.find("elst");
  ASSERT_NE(elst, std::string_view::npos);
  EXPECT_EQ(text.substr(elst + 8, 4), std::string_view("\0\0\0\1", 4));
  EXPECT_EQ(text.find("elst", elst + 4), std::string_view::npos);
}

TEST_F(ClipTest, TheCommandLinePlayersTakeItWithoutAWord) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(26));
  const std::string path = Save(*Plan(Request(After(3.3), After(33.3))), "clip.mp4");
  const auto decoded = RunCommand("ffmpeg -v error -xerror -i " + path + " -f null -");
  EXPECT_EQ(decoded.exit_code, 0);
  EXPECT_EQ(decoded.output, "");
  const auto probed =
      RunCommand("ffprobe -v error -show_entries format=duration -of csv=p=0 " + path);
  EXPECT_NEAR(std::stod(probed.output), 30.0, 0.04);
  const auto played =
      RunCommand("gst-launch-1.0 -q playbin uri=file://" + path +
                 " video-sink='fakesink sync=false' audio-sink='fakesink sync=false'");
  EXPECT_EQ(played.exit_code, 0) << played.output;
}

TEST_F(ClipTest, ADamagedFragmentIsNeverServed) {
  Record(StreetClip(), kStart);
  const auto clip = Plan(Request(After(1), After(15)));
  ASSERT_NE(clip, nullptr);
  const auto& stored = footage_.segments.at(1);
  const storage::SegmentFragment& fragment = stored.index->fragments.at(1);
  auto file = files_->Open(stored.path, OpenMode::kReadWrite);
  const Bytes rot = {0xAA};
  const ByteSpan part = rot;
  ASSERT_TRUE((*file)->WriteAt(fragment.offset + fragment.info.length / 2, {&part, 1}));

  Bytes bytes(clip->size());
  const auto all = clip->Read(0, bytes);
  ASSERT_FALSE(all.has_value());
  EXPECT_EQ(all.code(), Code::kCorrupt);
  EXPECT_THAT(all.message(), HasSubstr("checksum"));
  EXPECT_TRUE(clip->broken());
  // What lies before it is good.
  EXPECT_TRUE(clip->Read(0, std::span(bytes).first(bytes.size() / 4)).has_value());

  // The next answer goes without it, and says so; the timeline does as well.
  const TimeRange lost{fragment.info.start_us, fragment.info.end_us};
  const auto next = Plan(Request(After(1), After(15)));
  ASSERT_NE(next, nullptr);
  EXPECT_NE(next->etag(), clip->etag());
  EXPECT_EQ(next->report().missing_us, lost.duration_us());
  ASSERT_EQ(next->report().missing.size(), 1u);
  EXPECT_EQ(next->report().missing[0].range, lost);
  EXPECT_EQ(next->report().missing[0].cause, GapCause::kCorrupt);
  EXPECT_THAT(next->report().missing[0].detail, HasSubstr("checksum"));
  EXPECT_EQ(PlayClip(*next).error, "");
  EXPECT_FALSE(next->broken());
}

TEST_F(ClipTest, AFileThatWentEndsTheTransfer) {
  Record(StreetClip(), kStart);
  const auto clip = Plan(Request(After(1), After(15)));
  ASSERT_TRUE(files_->Remove(footage_.segments.at(1).path));
  Bytes bytes(clip->size());
  const auto all = clip->Read(0, bytes);
  ASSERT_FALSE(all.has_value());
  EXPECT_EQ(all.code(), Code::kNotFound);
}

TEST_F(ClipTest, FewFilesStayOpen) {
  Record(StreetClip(), kStart, 2 * kUsPerSecond);
  const auto clip = Plan(Request(After(0), After(20)));
  Bytes piece(997);
  for (uint64_t at = 0; at < clip->size(); at += piece.size()) ASSERT_TRUE(clip->Read(at, piece));
  EXPECT_EQ(footage_.opened, footage_.segments.size());
}

TEST_F(ClipTest, ASegmentWhoseIndexIsDamagedIsAGapWithItsCause) {
  Record(StreetClip(), kStart);
  const TimeRange lost = footage_.segments.at(1).footage.row.range();
  footage_.segments.at(1).index = nullptr;
  const auto clip = Plan(Request(After(1), After(19)));
  ASSERT_NE(clip, nullptr);
  EXPECT_EQ(clip->report().missing_us, lost.duration_us());
  EXPECT_EQ(clip->report().missing.at(0).cause, GapCause::kCorrupt);
  EXPECT_EQ(clip->report().missing.at(0).range, lost);
  EXPECT_EQ(PlayClip(*clip).error, "");
}

// An index is read from a file, and a file may say anything: whatever it says, planning and reading
// end in a clip or in an error.
TEST_F(ClipTest, ALyingIndexDoesNoHarm) {
  Record(StreetClip(), kStart);
  const auto honest = footage_.segments.at(1).index;
  std::mt19937_64 random(5);
  for (int i = 0; i < 400; ++i) {
    auto lying = std::make_shared<storage::SegmentIndex>(*honest);
    const uint64_t value = random() >> (random() % 64);
    auto& fragment = lying->fragments.at(random() % lying->fragments.size());
    auto& track = fragment.info.tracks.at(0);
    auto& sample = track.samples.at(random() % track.samples.size());
    switch (random() % 13) {
      case 0:
        fragment.offset = value;
        break;
      case 1:
        fragment.info.length = static_cast<uint32_t>(value);
        break;
      case 2:
        fragment.info.number = static_cast<uint32_t>(value);
        break;
      case 3:
        fragment.info.start_us = static_cast<int64_t>(value);
        break;
      case 4:
        fragment.info.end_us = static_cast<int64_t>(value);
        break;
      case 5:
        track.base_decode_time = static_cast<int64_t>(value);
        break;
      case 6:
        track.data_offset = static_cast<uint32_t>(value);
        break;
      case 7:
        track.samples.clear();
        break;
      case 8:
        sample.duration = static_cast<uint32_t>(value);
        break;
      case 9:
        sample.size = static_cast<uint32_t>(value);
        break;
      case 10:
        sample.composition_offset = static_cast<int32_t>(value);
        break;
      case 11:
        track.kind = media::TrackKind::kAudio;
        break;
      default:
        sample.sync = static_cast<media::Sync>(value % 3);
        break;
    }
    footage_.segments.at(1).index = lying;
    auto request = Request(After(3), After(17));
    if (i % 2 == 0) request.subtitles = TimeZone::Find("Europe/Berlin").value();
    const auto clip = Clip::Plan(footage_, request, kNow);
    if (!clip) continue;
    Bytes piece(1 << 16);
    const uint64_t read_bytes = std::min<uint64_t>((*clip)->size(), 4 << 20);
    for (uint64_t at = 0; at < read_bytes; at += piece.size()) {
      if (!(*clip)->Read(at, piece)) break;
    }
  }
}

TEST_F(ClipTest, TheOpenSegmentCanBeCut) {
  footage_.Record(stream_, StreetClip().tracks, Fragments(StreetClip(), kStart), 6 * kUsPerSecond,
                  true);
  const auto clip = Clip::Plan(footage_, Request(After(17), After(30)), After(20.5));
  ASSERT_TRUE(clip.has_value());
  EXPECT_EQ((*clip)->report().shown, (TimeRange{After(17), After(20)}));
  ASSERT_THAT((*clip)->report().missing, SizeIs(1));
  EXPECT_EQ((*clip)->report().missing[0].detail, "not recorded yet");
  EXPECT_EQ(PlayClip(**clip).error, "");
}

TEST_F(ClipTest, AskedForNothingItSaysWhy) {
  Record(StreetClip(), kStart);
  footage_.gaps.push_back({stream_, {After(20), After(60)}, GapCause::kNetwork, ""});
  const Error error = PlanError(Request(After(30), After(50)));
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_THAT(error.message, HasSubstr("gate/main"));
  EXPECT_THAT(error.message, HasSubstr("network 20.0 s"));
}

TEST_F(ClipTest, BadRangesAreRefused) {
  Record(StreetClip(), kStart);
  EXPECT_EQ(PlanError(Request(After(3), After(3))).code, Code::kInvalid);
  EXPECT_EQ(PlanError(Request(After(3), After(2))).code, Code::kInvalid);
  const Error too_long = PlanError(Request(kStart, kStart + query::kMaxClipUs + 1));
  EXPECT_EQ(too_long.code, Code::kUnsupported);
  EXPECT_THAT(too_long.message, HasSubstr("744 h"));
}

TEST_F(ClipTest, WhatCannotBeDecodedIsToldAsMissing) {
  const CameraClip endless = MakeCameraClip(
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=8 -pix_fmt yuv420p -c:v libx264 "
      "-preset ultrafast -g 500 -bf 0");
  auto fragments = Fragments(endless, kStart);
  ASSERT_GT(fragments.size(), 2U);
  fragments.erase(fragments.begin());  // The only one with a sync sample.
  footage_.Record(stream_, endless.tracks, fragments, 6 * kUsPerSecond, false, Uuid::Random());
  const query::ClipRequest request = Request(After(3), After(7));
  EXPECT_EQ(PlanError(request).code, Code::kNotFound);
  const auto why = query::WhyNothing(footage_, request, kNow);
  ASSERT_TRUE(why) << why.message();
  ASSERT_EQ(why->size(), 1U);
  EXPECT_EQ(why->front().range, request.range);
  EXPECT_THAT(why->front().detail, HasSubstr("sync sample it needs is missing"));
}

}  // namespace
}  // namespace lookback::test
