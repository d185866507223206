// The time that a player shows beside the pictures, as ffmpeg and ffprobe read it, against the
// clock of the C library's command `date`.
#include "query/subtitles.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "query/clip.h"
#include "tests/query/clip_fixture.h"

namespace lookback::test {
namespace {

using query::Clip;
using query::GapMode;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kZone[] = "Europe/Berlin";
constexpr char kNoFootage[] = " no footage";
// SubRip has milliseconds.
constexpr int64_t kRoundingUs = 1'000;

constexpr TimeUs SecondOf(TimeUs time_us) { return time_us - time_us % kUsPerSecond; }

struct Line {
  int64_t from_us = 0;
  int64_t to_us = 0;
  std::string text;
};

struct ShownChapter {
  double start_s = 0;
  std::string title;
};

class SubtitlesTest : public ClipTest {
 protected:
  std::shared_ptr<const Clip> PlanWith(query::ClipRequest request, const char* zone = kZone) {
    request.subtitles = TimeZone::Find(zone).value();
    return Plan(request);
  }

  // What ffmpeg makes of the subtitle track.
  std::vector<Line> Subtitles(const std::string& path) {
    const std::string srt = path + ".srt";
    const auto taken = RunCommand("ffmpeg -v error -y -i " + path + " -map 0:s " + srt);
    EXPECT_EQ(taken.exit_code, 0) << taken.output;
    EXPECT_EQ(taken.output, "");
    std::ifstream in(srt);
    std::vector<Line> shown;
    for (std::string line; std::getline(in, line);) {
      int from[4], to[4];
      if (std::sscanf(line.c_str(), "%d:%d:%d,%d --> %d:%d:%d,%d", &from[0], &from[1], &from[2],
                      &from[3], &to[0], &to[1], &to[2], &to[3]) != 8) {
        continue;
      }
      const auto us = [](const int(&t)[4]) {
        return ((t[0] * int64_t{60} + t[1]) * 60 + t[2]) * kUsPerSecond + t[3] * kUsPerMs;
      };
      std::string text;
      std::getline(in, text);
      shown.push_back({us(from), us(to), text});
    }
    return shown;
  }

  static nlohmann::json Probe(const std::string& arguments) {
    return nlohmann::json::parse(RunCommand("ffprobe -v error -of json " + arguments).output);
  }

  std::vector<ShownChapter> Chapters(const std::string& path) {
    const auto probed = Probe("-show_chapters " + path);
    std::vector<ShownChapter> chapters;
    for (const auto& chapter : probed.at("chapters")) {
      chapters.push_back({std::stod(chapter["start_time"].get<std::string>()),
                          chapter["tags"]["title"].get<std::string>()});
    }
    return chapters;
  }

  // What a clock on the wall shows in each of those seconds, one after the other.
  std::vector<std::string> Wall(TimeUs first_us, size_t count, const char* zone = kZone) {
    const std::string list = dir_.Path("seconds");
    std::ofstream out(list);
    for (size_t i = 0; i < count; ++i) {
      out << '@' << first_us / kUsPerSecond + static_cast<int64_t>(i) << '\n';
    }
    out.close();
    const auto told =
        RunCommand(std::string("TZ=") + zone + " date -f " + list + " '+%Y-%m-%d %H:%M:%S %:z'");
    std::istringstream lines(told.output);
    std::vector<std::string> texts;
    for (std::string line; std::getline(lines, line);) texts.push_back(line);
    return texts;
  }

  // That from `begin` on, at `at` of the clip, each second has its subtitle, up to `end`. What is
  // left of `shown` is behind that.
  void ExpectSeconds(std::vector<Line>& shown, int64_t at, TimeUs begin, TimeUs end,
                     const std::string& remark = "", const char* zone = kZone) {
    const TimeUs first = SecondOf(begin);
    const auto count = static_cast<size_t>((SecondOf(end - 1) - first) / kUsPerSecond + 1);
    const auto wall = Wall(first, count, zone);
    ASSERT_THAT(wall, SizeIs(count));
    ASSERT_GE(shown.size(), count);
    for (size_t i = 0; i < count; ++i) {
      SCOPED_TRACE(wall[i]);
      const TimeUs second = first + static_cast<int64_t>(i) * kUsPerSecond;
      EXPECT_EQ(shown[i].text, wall[i] + remark);
      const auto near = [&](int64_t told, TimeUs instant) {
        EXPECT_NEAR(static_cast<double>(told), static_cast<double>(at + instant - begin),
                    static_cast<double>(kRoundingUs));
      };
      near(shown[i].from_us, std::max(begin, second));
      near(shown[i].to_us, std::min(end, second + kUsPerSecond));
    }
    shown.erase(shown.begin(), shown.begin() + static_cast<ptrdiff_t>(count));
  }
};

TEST_F(SubtitlesTest, ChangeWhenTheSecondOnTheWallDoes) {
  Record(StreetClip(), kStart);
  const auto clip = PlanWith(Request(After(3.3), After(13.1)));
  ASSERT_NE(clip, nullptr);
  auto shown = Subtitles(Save(*clip, "clip.mp4"));
  ExpectSeconds(shown, 0, clip->report().shown.start_us, After(13.1));
  EXPECT_THAT(shown, IsEmpty());
}

TEST_F(SubtitlesTest, GoOnOverAKeptGapAndSayThatThereIsNoFootage) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(70));
  footage_.gaps.push_back({stream_, {After(20), After(70)}, index::GapCause::kNetwork, "no route"});
  const auto clip = PlanWith(Request(After(18), After(74)));
  ASSERT_NE(clip, nullptr);
  auto shown = Subtitles(Save(*clip, "clip.mp4"));
  const int64_t second = kUsPerSecond;
  ExpectSeconds(shown, 0, After(18), After(20));
  ExpectSeconds(shown, 2 * second, After(20), After(70), kNoFootage);
  ExpectSeconds(shown, 52 * second, After(70), After(74));
  EXPECT_THAT(shown, IsEmpty());
}

TEST_F(SubtitlesTest, JumpOverAClosedGap) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(70));
  const auto clip = PlanWith(Request(After(18), After(74), GapMode::kClose));
  ASSERT_NE(clip, nullptr);
  auto shown = Subtitles(Save(*clip, "clip.mp4"));
  ExpectSeconds(shown, 0, After(18), After(20));
  ExpectSeconds(shown, 2 * kUsPerSecond, After(70), After(74));
  EXPECT_THAT(shown, IsEmpty());
}

// The second run is seen from its sync sample on, before the asked range.
TEST_F(SubtitlesTest, TellTheTimeOfEachPictureWhereTheClockWasSetBack) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(5));  // Back by 15 s; sync samples at 11 and 13.
  const auto clip = PlanWith(Request(After(12.3), After(13.2)));
  ASSERT_NE(clip, nullptr);
  const Played played = PlayClip(*clip);
  EXPECT_THAT(played.complaints, IsEmpty());
  const auto shown = Subtitles(Save(*clip, "clip.mp4"));
  const int64_t half_us = StreetClip().frame_us() / 2;
  size_t of_second_run = 0;
  for (const Picture& picture : played.pictures) {
    const auto recorded = std::find_if(shown_.begin(), shown_.end(), [&](const Shown& one) {
      return one.picture.hash == picture.hash;
    });
    ASSERT_NE(recorded, shown_.end());
    const TimeUs taken_us = recorded->on_screen.start_us;
    // Two pictures behind what was asked, since B pictures are sent behind those after them.
    EXPECT_LT(taken_us, After(13.2) + 5 * half_us);
    of_second_run += picture.pts_us > 0 && taken_us < After(12.3) - 2 * half_us ? 1 : 0;
    if (SecondOf(taken_us) != SecondOf(taken_us + 2 * half_us)) continue;
    const auto line = std::find_if(shown.begin(), shown.end(), [&](const Line& one) {
      return one.from_us <= picture.pts_us + half_us && picture.pts_us + half_us < one.to_us;
    });
    ASSERT_NE(line, shown.end()) << picture.pts_us;
    EXPECT_EQ(line->text, Wall(SecondOf(taken_us), 1).front()) << picture.pts_us;
  }
  EXPECT_GT(of_second_run, 0U) << "some of it is before the asked range";
}

TEST_F(SubtitlesTest, TellTheOffsetOfTheNightWhenAnHourComesTwice) {
  constexpr TimeUs kSetBack = 1'792'890'000 * kUsPerSecond;  // 2026-10-25T01:00:00Z
  Record(StreetClip(), kSetBack - 10 * kUsPerSecond);
  const auto clip = PlanWith(Request(kSetBack - 2 * kUsPerSecond, kSetBack + 2 * kUsPerSecond));
  ASSERT_NE(clip, nullptr);
  std::vector<std::string> texts;
  for (const Line& one : Subtitles(Save(*clip, "clip.mp4"))) texts.push_back(one.text);
  EXPECT_THAT(texts, ElementsAre("2026-10-25 02:59:58 +02:00", "2026-10-25 02:59:59 +02:00",
                                 "2026-10-25 02:00:00 +01:00", "2026-10-25 02:00:01 +01:00"));
}

TEST_F(SubtitlesTest, AreOfTheZoneThatIsAsked) {
  Record(StreetClip(), kStart);
  const auto berlin = PlanWith(Request(After(1), After(5)));
  const auto kolkata = PlanWith(Request(After(1), After(5)), "Asia/Kolkata");
  ASSERT_NE(kolkata, nullptr);
  auto shown = Subtitles(Save(*kolkata, "clip.mp4"));
  ExpectSeconds(shown, 0, After(1), After(5), "", "Asia/Kolkata");
  EXPECT_NE(berlin->etag(), kolkata->etag());
  EXPECT_EQ(berlin->etag(), PlanWith(Request(After(1), After(5)))->etag());
}

// A second on that clock is 995 ms of pictures.
TEST_F(SubtitlesTest, FollowTheWallWhereItsClockRunsFasterThanTheCameras) {
  constexpr int64_t kSlewPpm = 5'000;
  Record(StreetClip(), kStart, 6 * kUsPerSecond, kSlewPpm);
  const auto clip = PlanWith(Request(After(0), After(20)));
  ASSERT_NE(clip, nullptr);
  const auto shown = Subtitles(Save(*clip, "clip.mp4"));
  const auto wall = Wall(kStart, 20);
  ASSERT_GE(shown.size(), wall.size());
  for (size_t i = 1; i < wall.size(); ++i) {
    EXPECT_EQ(shown[i].text, wall[i]);
    const auto passed =
        static_cast<double>(SecondOf(kStart) + static_cast<int64_t>(i) * kUsPerSecond - kStart);
    EXPECT_NEAR(static_cast<double>(shown[i].from_us), passed / (1 + kSlewPpm / 1e6), kRoundingUs);
  }
}

TEST_F(SubtitlesTest, GoBackWhereTheClockWasSetBack) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(5));
  const auto clip = PlanWith(Request(After(0), After(30)));
  ASSERT_NE(clip, nullptr);
  const std::string path = Save(*clip, "clip.mp4");
  auto shown = Subtitles(path);
  ExpectSeconds(shown, 0, After(0), After(20));
  ExpectSeconds(shown, 20 * kUsPerSecond, After(5), After(13));
  EXPECT_THAT(shown, IsEmpty());
  EXPECT_THAT(Chapters(path), IsEmpty());
}

TEST_F(SubtitlesTest, AChapterBeginsBehindEachGap) {
  Record(SmallClip(), kStart);
  Record(SmallClip(), After(30));
  Record(SmallClip(), After(273));
  footage_.gaps.push_back({stream_, {After(8), After(20)}, index::GapCause::kNetwork, ""});
  footage_.gaps.push_back({stream_, {After(20), After(30)}, index::GapCause::kRecorderDown, ""});
  footage_.gaps.push_back({stream_, {After(38), After(273)}, index::GapCause::kDiskFull, ""});
  const auto wall = [&](double seconds) { return Wall(SecondOf(After(seconds)), 1).at(0); };
  struct Case {
    GapMode mode;
    std::vector<double> starts_s;
  };
  for (const Case& one : {Case{GapMode::kKeep, {0, 25, 268}}, Case{GapMode::kClose, {0, 3, 11}}}) {
    const auto clip = PlanWith(Request(After(5), After(280), one.mode));
    ASSERT_NE(clip, nullptr);
    const auto chapters = Chapters(Save(*clip, "clip.mp4"));
    ASSERT_THAT(chapters, SizeIs(3));
    for (size_t i = 0; i < chapters.size(); ++i) {
      EXPECT_NEAR(chapters[i].start_s, one.starts_s[i], 1e-4);
    }
    EXPECT_EQ(chapters[0].title, wall(5));
    EXPECT_EQ(chapters[1].title, wall(30) + " after a gap of 22.0 s (network, recorder down)");
    EXPECT_EQ(chapters[2].title, wall(273) + " after a gap of 3 min 55 s (disk full)");
  }
}

TEST_F(SubtitlesTest, AChapterTellsFourCausesAndThatThereAreOthers) {
  Record(SmallClip(), kStart);
  Record(SmallClip(), After(30));
  const index::GapCause causes[] = {index::GapCause::kNetwork, index::GapCause::kRecorderDown,
                                    index::GapCause::kDiskFull, index::GapCause::kClockStep,
                                    index::GapCause::kStreamChange};
  double from_s = 8;
  for (const index::GapCause cause : causes) {
    footage_.gaps.push_back({stream_, {After(from_s), After(from_s + 4)}, cause, ""});
    from_s += 4;
  }
  const auto chapters = Chapters(Save(*PlanWith(Request(After(5), After(35))), "clip.mp4"));
  ASSERT_THAT(chapters, SizeIs(2));
  EXPECT_THAT(chapters[1].title,
              EndsWith(" (network, recorder down, disk full, clock step and others)"));
}

TEST_F(SubtitlesTest, WithoutAGapThereAreNoChapters) {
  Record(StreetClip(), kStart);
  EXPECT_THAT(Chapters(Save(*PlanWith(Request(After(-9), After(40))), "clip.mp4")), IsEmpty());
}

TEST_F(SubtitlesTest, NobodyWhoDidNotAskHasThem) {
  Record(StreetClip(), kStart);
  Record(StreetClip(), After(30));
  const std::string path = Save(*Plan(Request(After(1), After(40))), "clip.mp4");
  EXPECT_THAT(Chapters(path), IsEmpty());
  EXPECT_EQ(
      RunCommand("ffprobe -v error -show_entries stream=codec_type -of csv=p=0 " + path).output,
      "video\n");
}

TEST_F(SubtitlesTest, PicturesAndSoundAreTheSameWithThem) {
  Record(MakeCameraClip("-f lavfi -i testsrc2=size=192x108:rate=25:duration=20 -f lavfi -i "
                        "sine=duration=20 -pix_fmt yuv420p -c:v libx264 -preset veryfast -g 50 "
                        "-bf 2 -c:a aac -threads 1"),
         kStart);
  Record(SmallClip(), After(40));
  const auto packets = [&](const Clip& clip) {
    const std::string path = Save(clip, "clip.mp4");
    return RunCommand("ffmpeg -v error -i " + path +
                      " -map 0:v -map 0:a -c copy -f streamhash - && ffprobe -v error "
                      "-show_entries packet=pts,size -select_streams v " +
                      path)
        .output;
  };
  const auto request = Request(After(1), After(45));
  const auto with = PlanWith(request);
  ASSERT_NE(with, nullptr);
  const std::string plain = packets(*Plan(request));
  EXPECT_THAT(plain, HasSubstr("SHA256"));
  EXPECT_EQ(packets(*with), plain);
  ExpectShows(*with, After(1), After(45));
  EXPECT_GT(with->memory_bytes(), Plan(request)->memory_bytes());
}

TEST_F(SubtitlesTest, SlicesEqualTheWhole) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(25));
  const auto clip = PlanWith(Request(After(1), After(30)));
  ASSERT_NE(clip, nullptr);
  const Bytes whole = ReadAll(*clip);
  std::mt19937_64 random(7);
  for (int i = 0; i < 500; ++i) {
    const uint64_t offset = random() % whole.size();
    Bytes slice(std::min<uint64_t>(random() % 5'000, whole.size() - offset));
    ASSERT_EQ(clip->Read(offset, slice).value(), slice.size());
    ASSERT_TRUE(
        std::equal(slice.begin(), slice.end(), whole.begin() + static_cast<ptrdiff_t>(offset)));
  }
}

// A player that streams would otherwise jump to and fro.
TEST_F(SubtitlesTest, LieBesideThePicturesOfTheirTime) {
  Record(StreetClip(), kStart);
  const std::string path = Save(*PlanWith(Request(After(0), After(20))), "clip.mp4");
  const auto probed = Probe("-show_entries packet=codec_type,pos,pts_time " + path);
  struct Place {
    int64_t at = 0;
    double time_s = 0;
  };
  std::map<std::string, std::vector<Place>> places;
  for (const auto& packet : probed.at("packets")) {
    places[packet["codec_type"]].push_back({std::stoll(packet["pos"].get<std::string>()),
                                            std::stod(packet["pts_time"].get<std::string>())});
  }
  EXPECT_THAT(places["subtitle"], SizeIs(21));
  for (const Place& subtitle : places["subtitle"]) {
    const auto& pictures = places["video"];
    const auto next =
        std::min_element(pictures.begin(), pictures.end(), [&](const Place& a, const Place& b) {
          return std::abs(a.at - subtitle.at) < std::abs(b.at - subtitle.at);
        });
    EXPECT_NEAR(next->time_s, subtitle.time_s, 2.0);
  }
}

TEST_F(SubtitlesTest, PlayersTakeTheFileWithoutAWord) {
  Record(StreetClip(), kStart);
  Record(SmallClip(), After(26));
  const std::string path = Save(*PlanWith(Request(After(3.3), After(33.3))), "clip.mp4");
  const auto decoded =
      RunCommand("ffmpeg -v warning -xerror -i " + path + " -map 0 -c:s copy -f null -");
  EXPECT_EQ(decoded.exit_code, 0);
  EXPECT_EQ(decoded.output, "");
  const std::string texts = dir_.Path("texts");
  const auto played =
      RunCommand("gst-launch-1.0 -q filesrc location=" + path +
                 " ! qtdemux name=demuxer demuxer.subtitle_0 ! queue ! filesink location=" + texts +
                 " demuxer.video_0 ! queue ! h264parse ! avdec_h264 ! fakesink sync=false");
  EXPECT_EQ(played.exit_code, 0);
  EXPECT_EQ(played.output, "");
  EXPECT_THAT(RunCommand("cat " + texts).output, HasSubstr(Wall(SecondOf(After(10)), 1).at(0)));
  EXPECT_EQ(RunCommand("ffprobe -v error -show_entries "
                       "stream=codec_name,codec_tag_string:stream_disposition=default "
                       "-select_streams s -of csv=p=0 " +
                       path)
                .output,
            "mov_text,tx3g,1\n");
}

TEST_F(SubtitlesTest, AreRefusedInAClipInFragments) {
  Record(StreetClip(), kStart);
  auto request = Request(After(0), After(0) + query::kMaxFlatClipUs + 1);
  request.subtitles = TimeZone::Find(kZone).value();
  const Error error = PlanError(request);
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("2 h 00 min 00 s"));
  request.range.end_us -= 1;
  EXPECT_NE(Plan(request), nullptr);
}

// Fragments of a minute each on the same second of media time, as a file that lies may have them,
// or a clock that was set back again and again.
class ManyCutsTest : public ::testing::Test {
 protected:
  ManyCutsTest() {
    fragment_.info.start_us = kStart;
    fragment_.info.end_us = kStart + kUsPerMinute;
    media::FragmentTrack track;
    track.samples.push_back({});
    track.samples.back().duration = media::kVideoTimescale;
    fragment_.info.tracks.push_back(track);
  }
  // `count` cuts of a minute, with as much between them.
  std::vector<query::Cut> Cuts(size_t count, int64_t every_us) {
    stretch_.pieces.assign(1, {0, &fragment_});
    std::vector<query::Cut> cuts(count);
    for (size_t i = 0; i < count; ++i) {
      query::Cut& cut = cuts[i];
      const int64_t from_us = static_cast<int64_t>(i) * every_us;
      cut.stretch = &stretch_;
      cut.origin_us = cut.start.shown_us = kStart + from_us;
      cut.end.shown_us = cut.origin_us + kUsPerMinute;
      cut.end.shown_ticks = media::kVideoTimescale;
      cut.position = static_cast<int64_t>(i) * media::kVideoTimescale;
    }
    return cuts;
  }

  storage::SegmentFragment fragment_;
  query::Stretch stretch_;
  const TimeZone zone_ = TimeZone::Find(kZone).value();
};

TEST_F(ManyCutsTest, SubtitlesAreBounded) {
  const auto write = [&](size_t cuts) {
    return query::WriteSubtitles(Cuts(cuts, 0), media::TrackKind::kVideo, media::kVideoTimescale,
                                 GapMode::kClose, zone_);
  };
  constexpr size_t kSubtitlesACut = 61;  // A minute that begins inside of a second.
  constexpr size_t kMost = query::kMaxSubtitles / kSubtitlesACut;
  const auto most = write(kMost);
  ASSERT_TRUE(most.has_value()) << most.message();
  EXPECT_THAT(most->all, SizeIs(kMost * kSubtitlesACut));
  const auto more = write(kMost + 1);
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.code(), Code::kUnsupported);
  EXPECT_THAT(more.message(), HasSubstr(std::to_string(query::kMaxSubtitles)));
}

TEST_F(ManyCutsTest, ChaptersAreBounded) {
  const auto chapters = [&](size_t cuts) {
    return query::FindChapters(Cuts(cuts, 2 * kUsPerMinute), media::kVideoTimescale, {}, zone_);
  };
  EXPECT_THAT(chapters(1), IsEmpty());
  EXPECT_THAT(chapters(20), SizeIs(20));
  EXPECT_THAT(chapters(query::kMaxChapters + 50), SizeIs(query::kMaxChapters));
  EXPECT_THAT(chapters(2).at(1).title, HasSubstr("after a gap of 1 min 00 s"));
}

}  // namespace
}  // namespace lookback::test
