// Playlists: what they say against the recording, and what they point to by a decoder.
#include "query/playlist.h"

#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "query/media_part.h"
#include "tests/query/clip_fixture.h"

namespace lookback::test {
namespace {

using query::PlaylistKind;
using query::PlaylistRequest;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A playlist as a player reads it.
struct Entry {
  std::string url;
  std::string map;
  std::string wall_clock;  // Of the tag before it, if there was one.
  double seconds = 0;
  bool discontinuity = false;
};
struct Read {
  std::vector<Entry> entries;
  std::map<std::string, std::string> tags;
};

Read ReadPlaylist(const std::string& text) {
  Read read;
  Entry next;
  std::string map;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(':');
    const std::string tag = line.substr(0, colon);
    const std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
    if (tag == "#EXTINF") {
      next.seconds = std::stod(value);
    } else if (tag == "#EXT-X-DISCONTINUITY") {
      next.discontinuity = true;
    } else if (tag == "#EXT-X-PROGRAM-DATE-TIME") {
      next.wall_clock = value;
    } else if (tag == "#EXT-X-MAP") {
      map = value.substr(5, value.size() - 6);
    } else if (line[0] != '#') {
      next.url = line;
      next.map = map;
      read.entries.push_back(next);
      next = {};
    } else {
      read.tags[tag] = value;
    }
  }
  return read;
}

class PlaylistTest : public ClipTest {
 protected:
  std::string Text(TimeUs start_us, TimeUs end_us, PlaylistKind kind = PlaylistKind::kAll,
                   bool audio = true) {
    const auto text = query::BuildPlaylist(footage_, {stream_.camera, {start_us, end_us}, audio},
                                           Stream::kMain, kind, kNow);
    EXPECT_TRUE(text.has_value()) << (text ? "" : text.message());
    return text ? *text : "";
  }
  std::string Live(TimeUs now_us) {
    const auto text = query::BuildLivePlaylist(footage_, stream_, true, now_us);
    EXPECT_TRUE(text.has_value()) << (text ? "" : text.message());
    return text ? *text : "";
  }
  // What a relative URL gives.
  Result<Bytes> Fetch(const std::string& url) {
    constexpr std::string_view kFolder = "media/main/";
    constexpr std::string_view kSilent = "?audio=0";
    std::string_view rest = url;
    const bool silent = rest.ends_with(kSilent);
    if (silent) rest.remove_suffix(kSilent.size());
    const size_t slash = rest.rfind('/');
    if (!rest.starts_with(kFolder) || slash < kFolder.size()) {
      return Fail(Code::kInvalid, "a URL of no form");
    }
    const std::string_view segment = rest.substr(kFolder.size(), slash - kFolder.size());
    LB_TRY_ASSIGN(name, query::ParseMediaName(stream_, segment, rest.substr(slash + 1)));
    LB_TRY_ASSIGN(part, query::OpenMediaPart(footage_, name, !silent));
    return ReadAll(*part.file);
  }
  Bytes FetchAll(const std::vector<std::string>& urls) {
    Bytes bytes;
    for (const std::string& url : urls) {
      const auto part = Fetch(url);
      EXPECT_TRUE(part.has_value()) << url << ": " << (part ? "" : part.message());
      if (part) bytes.insert(bytes.end(), part->begin(), part->end());
    }
    return bytes;
  }
  Played PlayBytes(const Bytes& bytes) {
    const std::string path = dir_.path() + "/played.mp4";
    EXPECT_TRUE(WriteFileDurably(*files_, path, bytes).has_value());
    return PlayFile(path);
  }
  void Damage(size_t segment, size_t fragment) {
    const auto& stored = footage_.segments.at(segment);
    const storage::SegmentFragment& place = stored.index->fragments.at(fragment);
    auto file = files_->Open(stored.path, OpenMode::kReadWrite);
    const Bytes rot = {0xAA};
    const ByteSpan part = rot;
    ASSERT_TRUE((*file)->WriteAt(place.offset + place.info.length / 2, {&part, 1}));
  }
};

TEST_F(PlaylistTest, ItsMediaIsEachPictureOfItsRangeOnce) {
  Record(StreetClip(), kStart, 8 * kUsPerSecond);
  const Read read = ReadPlaylist(Text(After(1), After(19)));
  EXPECT_EQ(read.tags.at("#EXT-X-VERSION"), "7");
  EXPECT_EQ(read.tags.at("#EXT-X-PLAYLIST-TYPE"), "VOD");
  EXPECT_TRUE(read.tags.contains("#EXT-X-INDEPENDENT-SEGMENTS"));
  EXPECT_TRUE(read.tags.contains("#EXT-X-ENDLIST"));
  // The asked instant is a second behind the sync sample.
  EXPECT_THAT(read.tags.at("#EXT-X-START"), HasSubstr("TIME-OFFSET=1.00000,PRECISE=YES"));
  std::vector<std::string> urls = {read.entries.at(0).map};
  double seconds = 0;
  for (const Entry& entry : read.entries) {
    EXPECT_EQ(entry.map, urls[0]);
    EXPECT_FALSE(entry.discontinuity);
    EXPECT_LE(std::lround(entry.seconds), std::stol(read.tags.at("#EXT-X-TARGETDURATION")));
    EXPECT_GE(entry.seconds, 4);
    urls.push_back(entry.url);
    seconds += entry.seconds;
  }
  const Played played = PlayBytes(FetchAll(urls));
  EXPECT_EQ(played.error, "");
  EXPECT_THAT(played.complaints, IsEmpty());
  EXPECT_EQ(Hashes(played.pictures), Hashes(StreetClip().pictures));
  EXPECT_NEAR(seconds, 20, 0.001);
}

TEST_F(PlaylistTest, EachMediaSegmentDecodesByItself) {
  Record(StreetClip(), kStart, 8 * kUsPerSecond);
  size_t pictures = 0;
  for (const Entry& entry : ReadPlaylist(Text(After(0), After(20))).entries) {
    const Played played = PlayBytes(FetchAll({entry.map, entry.url}));
    EXPECT_EQ(played.error, "");
    EXPECT_THAT(played.complaints, IsEmpty());
    EXPECT_NEAR(static_cast<double>(played.pictures.size()) / 25, entry.seconds, 0.001);
    pictures += played.pictures.size();
  }
  EXPECT_EQ(pictures, StreetClip().pictures.size());
}

TEST_F(PlaylistTest, AGapIsADiscontinuityWithTheWallClockBehindIt) {
  Record(StreetClip(), kStart, kUsPerMinute);
  Record(SmallClip(), kStart + 50 * kUsPerSecond, kUsPerMinute);
  const Read read = ReadPlaylist(Text(After(10), After(55)));
  std::vector<Entry> told;
  for (const Entry& entry : read.entries) {
    if (!entry.wall_clock.empty()) told.push_back(entry);
  }
  ASSERT_EQ(told.size(), 2U);
  // The parts are those of the file: 4 s each from its beginning, of which two end before 10 s.
  EXPECT_EQ(told[0].wall_clock, "2026-05-04T14:00:08.123Z");
  EXPECT_FALSE(told[0].discontinuity);
  EXPECT_EQ(told[1].wall_clock, "2026-05-04T14:00:50.123Z");
  EXPECT_TRUE(told[1].discontinuity);
  EXPECT_NE(told[0].map, told[1].map);
  const Played behind = PlayBytes(FetchAll({told[1].map, told[1].url}));
  EXPECT_EQ(behind.pictures.at(0).hash, SmallClip().pictures.at(0).hash);
}

TEST_F(PlaylistTest, UrlsAreTheSameWhateverTheRange) {
  Record(StreetClip(), kStart, 8 * kUsPerSecond);
  std::set<std::string> all;
  for (const Entry& entry : ReadPlaylist(Text(After(0), After(20))).entries) all.insert(entry.url);
  for (double at = 0; at < 19; at += 0.7) {
    for (const Entry& entry : ReadPlaylist(Text(After(at), After(at + 0.5))).entries) {
      EXPECT_TRUE(all.contains(entry.url)) << entry.url;
    }
  }
}

TEST_F(PlaylistTest, ADamagedFragmentIsAnErrorOfItsSegmentAndThenAGap) {
  Record(StreetClip(), kStart, 8 * kUsPerSecond);
  const Read before = ReadPlaylist(Text(After(0), After(20)));
  Damage(1, 1);
  size_t failed = 0;
  for (const Entry& entry : before.entries) {
    const auto bytes = Fetch(entry.url);
    if (bytes) continue;
    EXPECT_EQ(bytes.code(), Code::kCorrupt);
    ++failed;
  }
  EXPECT_EQ(failed, 1U);
  const Read after = ReadPlaylist(Text(After(0), After(20)));
  std::vector<std::string> urls = {after.entries.at(0).map};
  size_t holes = 0;
  for (const Entry& entry : after.entries) {
    holes += entry.discontinuity;
    EXPECT_TRUE(Fetch(entry.url).has_value()) << entry.url;
    urls.push_back(entry.url);
  }
  EXPECT_EQ(holes, 1U);
  // 2 s of 20 are gone, and no more.
  EXPECT_EQ(PlayBytes(FetchAll(urls)).pictures.size(), 450U);
}

TEST_F(PlaylistTest, FastPlayHasEachSyncSampleAndNothingElse) {
  Record(StreetClip(), kStart, 8 * kUsPerSecond);
  const std::string text = Text(After(0), After(20), PlaylistKind::kSyncSamples);
  EXPECT_THAT(text, HasSubstr("#EXT-X-I-FRAMES-ONLY"));
  const Read read = ReadPlaylist(text);
  ASSERT_EQ(read.entries.size(), 10U);
  for (size_t i = 0; i < read.entries.size(); ++i) {
    const Played played = PlayBytes(FetchAll({read.entries[i].map, read.entries[i].url}));
    ASSERT_EQ(played.pictures.size(), 1U) << played.error;
    EXPECT_EQ(played.pictures[0].hash, StreetClip().pictures.at(50 * i).hash);
    EXPECT_NEAR(read.entries[i].seconds, 2, 0.001);
  }
}

// 12 s of GOPs of 6 s, in fragments of 2 s.
const CameraClip& LongGops() {
  static const CameraClip clip = MakeCameraClip(
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=12 -pix_fmt yuv420p -c:v libx264 "
      "-preset veryfast -g 150 -sc_threshold 0 -bf 0 -threads 1");
  return clip;
}

TEST_F(PlaylistTest, AGopIsInFastPlayOnceItIsOverAndItsBytesStayTheSame) {
  const auto fragments = Fragments(LongGops(), kStart);
  ASSERT_EQ(fragments.size(), 6U);
  std::map<std::string, Bytes> known;
  for (size_t count = 1; count <= fragments.size() + 1; ++count) {
    SCOPED_TRACE(count);
    footage_.segments.clear();
    const bool open = count <= fragments.size();
    const auto end = fragments.begin() + static_cast<ptrdiff_t>(std::min<size_t>(count, 6));
    footage_.Record(stream_, LongGops().tracks, {fragments.begin(), end}, kUsPerMinute, open);
    const size_t over = count <= 3 ? 0 : open ? 1 : 2;
    const std::string segment =
        std::to_string(kStart / 1'000) + "_0_" + std::to_string(count - 1) + "/";
    for (const char* file : {"sync-1.m4s", "sync-4.m4s"}) {
      const auto bytes = Fetch("media/main/" + segment + file);
      EXPECT_EQ(bytes.has_value(), std::string_view(file) == "sync-1.m4s" ? over > 0 : over > 1);
      if (!bytes) {
        EXPECT_EQ(bytes.code(), Code::kNotFound);
      } else {
        EXPECT_EQ(known.try_emplace(file, *bytes).first->second, *bytes);
      }
    }
    const auto text = query::BuildPlaylist(footage_, {stream_.camera, {After(0), After(12)}, true},
                                           Stream::kMain, PlaylistKind::kSyncSamples, kNow);
    EXPECT_EQ(text.has_value() ? ReadPlaylist(*text).entries.size() : 0, over);
    if (!text) {
      EXPECT_EQ(text.code(), Code::kNotFound);
      EXPECT_THAT(text.message(), HasSubstr("still recorded"));
    }
  }
}

TEST_F(PlaylistTest, SoundThatBrowsersRefuseIsLeftOut) {
  const char* const arguments =
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=6 -f lavfi -i sine=duration=6 "
      "-pix_fmt yuv420p -c:v libx264 -preset veryfast -g 50 -threads 1 ";
  struct Case {
    const char* codec;
    bool asked;
    bool given;
  };
  for (const Case& one :
       {Case{"-ar 8000 -c:a pcm_alaw", true, false}, Case{"-c:a aac -b:a 24k", true, true},
        Case{"-c:a aac -b:a 24k", false, false}}) {
    SCOPED_TRACE(one.codec);
    footage_.segments.clear();
    const CameraClip clip = MakeCameraClip(arguments + std::string(one.codec));
    Record(clip, kStart);
    const Read read = ReadPlaylist(Text(After(0), After(6), PlaylistKind::kAll, one.asked));
    std::vector<std::string> urls = {read.entries.at(0).map};
    for (const Entry& entry : read.entries) urls.push_back(entry.url);
    const Played played = PlayBytes(FetchAll(urls));
    EXPECT_EQ(played.error, "");
    EXPECT_EQ(played.pictures.size(), 150U);
    EXPECT_EQ(!played.sound.empty(), one.given);
  }
}

// A GOP of 20 s is stored as fragments of 2 s.
TEST_F(PlaylistTest, ALongGopIsCutInsideAndBeginsAtItsSyncSample) {
  const CameraClip clip = MakeCameraClip(
      "-f lavfi -i testsrc2=size=128x96:rate=25:duration=20 -pix_fmt yuv420p -c:v libx264 "
      "-preset veryfast -g 1000 -sc_threshold 0 -bf 0 -threads 1");
  Record(clip, kStart, 8 * kUsPerSecond);
  const std::string text = Text(After(15), After(16));
  EXPECT_THAT(text, Not(HasSubstr("INDEPENDENT")));
  const Read read = ReadPlaylist(text);
  std::vector<std::string> urls = {read.entries.at(0).map};
  for (const Entry& entry : read.entries) {
    EXPECT_LE(entry.seconds, 6.1);
    urls.push_back(entry.url);
  }
  const Played played = PlayBytes(FetchAll(urls));
  EXPECT_THAT(played.complaints, IsEmpty());
  EXPECT_EQ(played.pictures.at(0).hash, clip.pictures.at(0).hash);
  EXPECT_THAT(text, HasSubstr("TIME-OFFSET=15.00000"));
}

TEST_F(PlaylistTest, LiveNumbersStayWithTheirFragmentsAndOnlyRise) {
  const auto fragments = Fragments(StreetClip(), kStart);
  const auto run = Uuid::TimeOrdered(kStart);
  std::map<std::string, int64_t> numbers;
  int64_t highest = 0;
  const auto look = [&](size_t count) {
    footage_.segments.clear();  // As after a restart: nothing but what is stored.
    footage_.Record(stream_, StreetClip().tracks, {fragments.begin(), fragments.begin() + count},
                    6 * kUsPerSecond, /*leave_open=*/true, run);
    const Read read = ReadPlaylist(Live(fragments[count - 1].info.end_us));
    int64_t number = std::stoll(read.tags.at("#EXT-X-MEDIA-SEQUENCE"));
    for (const Entry& entry : read.entries) {
      const std::string file = entry.url.substr(entry.url.rfind('/'));
      const auto [known, first] = numbers.try_emplace(file, number);
      EXPECT_EQ(known->second, number) << file;
      highest = std::max(highest, number++);
    }
    EXPECT_FALSE(read.tags.contains("#EXT-X-ENDLIST"));
    EXPECT_LE(read.entries.size(), 16U);
    return read;
  };
  for (size_t count = 1; count <= fragments.size(); ++count) look(count);
  const Read first = look(fragments.size());
  EXPECT_EQ(numbers.size(), fragments.size());

  // A run that begins later is numbered beyond, and is told from the one before.
  footage_.Record(stream_, SmallClip().tracks, Fragments(SmallClip(), After(30)), 6 * kUsPerSecond,
                  true, Uuid::TimeOrdered(After(30)));
  const Read second = ReadPlaylist(Live(After(39)));
  EXPECT_GT(std::stoll(second.tags.at("#EXT-X-MEDIA-SEQUENCE")), highest);
  EXPECT_GT(std::stoll(second.tags.at("#EXT-X-DISCONTINUITY-SEQUENCE")),
            std::stoll(first.tags.at("#EXT-X-DISCONTINUITY-SEQUENCE")));
  EXPECT_EQ(second.entries.at(0).wall_clock, "2026-05-04T14:00:30.123Z");
}

TEST_F(PlaylistTest, TheTargetOfLiveStaysWhileItIsPlayed) {
  struct Case {
    const char* source;
    double lost_from;  // Pictures in between are lost.
    double lost_to;
    std::string target;
  };
  for (const Case& one :
       {Case{"rate=25:duration=12", 0, 0, "3"}, Case{"rate=25:duration=12", 3.5, 5, "3"},
        Case{"rate=1:duration=40", 0, 0, "3"}, Case{"rate=2/7:duration=40", 0, 0, "7"},
        Case{"rate=1/5:duration=40", 0, 0, "7"}}) {
    SCOPED_TRACE(std::string(one.source) + " " + std::to_string(one.lost_from));
    CameraClip clip = MakeCameraClip(
        "-f lavfi -i testsrc2=size=128x96:" + std::string(one.source) +
        " -pix_fmt yuv420p -c:v libx264 -preset veryfast -g 1000 -sc_threshold 0 -bf 0 -threads 1");
    std::erase_if(clip.samples, [&one](const media::Sample& sample) {
      const double at = static_cast<double>(sample.pts) / media::kVideoTimescale;
      return at > one.lost_from && at < one.lost_to;
    });
    const auto fragments = Fragments(clip, kStart);
    // The last fragment ends where the run does.
    for (size_t count = 1; count < fragments.size(); ++count) {
      footage_.segments.clear();
      footage_.Record(stream_, clip.tracks, {fragments.begin(), fragments.begin() + count},
                      kUsPerMinute, /*leave_open=*/true);
      const Read read = ReadPlaylist(Live(fragments[count - 1].info.end_us));
      EXPECT_EQ(read.tags.at("#EXT-X-TARGETDURATION"), one.target);
      for (const Entry& entry : read.entries) {
        EXPECT_LE(std::lround(entry.seconds), std::stol(one.target));
      }
    }
  }
}

TEST_F(PlaylistTest, LiveEndsAMinuteAfterTheLastPicture) {
  Record(StreetClip(), kStart);
  EXPECT_THAT(Live(After(75)), HasSubstr("/10-10.m4s"));
  const auto late = query::BuildLivePlaylist(footage_, stream_, true, After(85));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.code(), Code::kNotFound);
}

TEST_F(PlaylistTest, VariantsNameTheirCodecAndSize) {
  Record(StreetClip(), kStart);
  footage_.Record({stream_.camera, Stream::kSub}, SmallClip().tracks,
                  Fragments(SmallClip(), kStart));
  const auto text =
      query::BuildVariants(footage_, {stream_.camera, {After(1), After(7)}, true}, kNow);
  ASSERT_TRUE(text.has_value()) << text.message();
  // 192x108 and 128x96, profile High and level 1.1 and 1.1 as ffprobe has them of these clips.
  EXPECT_THAT(*text, ::testing::ContainsRegex(
                         "CODECS=\"avc1.6400[0-9a-f]+\",RESOLUTION=192x108\n"
                         "variant.m3u8\\?stream=main&start=2026-05-04T14%3A00%3A01.123456Z&end="));
  EXPECT_THAT(*text, ::testing::ContainsRegex("RESOLUTION=128x96\nvariant.m3u8\\?stream=sub"));
  EXPECT_THAT(*text, HasSubstr("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH="));
  EXPECT_THAT(*text, HasSubstr("URI=\"iframes.m3u8?stream=sub&start="));
}

TEST_F(PlaylistTest, WithoutFootageTheCauseIsTold) {
  Record(StreetClip(), kStart);
  footage_.gaps.push_back(
      {stream_, {After(20), After(60)}, index::GapCause::kNetwork, "no route to host"});
  const auto text = query::BuildPlaylist(footage_, {stream_.camera, {After(30), After(40)}},
                                         Stream::kMain, PlaylistKind::kAll, kNow);
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.code(), Code::kNotFound);
  EXPECT_THAT(text.message(), HasSubstr("network 10.0 s"));
}

TEST_F(PlaylistTest, OnlyNamesOfPlaylistsAreNames) {
  Record(StreetClip(), kStart);
  const std::string good = ReadPlaylist(Text(After(0), After(5))).entries.at(0).url;
  ASSERT_TRUE(Fetch(good).has_value());
  const index::Seal key = footage_.segments.at(0).footage.row;
  const std::string segment = std::to_string(key.start_us / 1'000) + "_0_0";
  for (const char* file : {"init.mp4", "1-2.m4s", "sync-1.m4s"}) {
    EXPECT_TRUE(query::ParseMediaName(stream_, segment, file).has_value()) << file;
  }
  for (const char* file :
       {"", "1-2", "0-2.m4s", "2-1.m4s", "01-2.m4s", "1-2.m4s ", "-1.m4s", "1-99999999999.m4s",
        "sync-0.m4s", "sync-.m4s", "init.mp4.m4s", "../init.mp4", "1-2-3.m4s", "+1-2.m4s"}) {
    EXPECT_FALSE(query::ParseMediaName(stream_, segment, file).has_value()) << file;
  }
  for (const std::string& name :
       {std::string(), std::string("1_2"), "0" + segment, segment + "_thin_thin", "-" + segment}) {
    EXPECT_FALSE(query::ParseMediaName(stream_, name, "init.mp4").has_value()) << name;
  }
  EXPECT_EQ(Fetch("media/main/" + segment + "/1-9.m4s").code(), Code::kNotFound);
  footage_.segments.clear();
  Record(StreetClip(), kStart, kUsPerMinute);
  const std::string longer = std::to_string(key.start_us / 1'000) + "_0_4";
  EXPECT_TRUE(Fetch("media/main/" + longer + "/1-4.m4s").has_value());
  EXPECT_EQ(Fetch("media/main/" + longer + "/1-5.m4s").code(), Code::kInvalid);
}

}  // namespace
}  // namespace lookback::test
