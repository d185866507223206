// bench_seek: from an instant in a year of one camera to the first pictures, against the least that
// is needed and against what recorders do that keep their rows in SQLite and cut with ffmpeg.
//
//   bench_seek [--directory=/tmp] [--days=365] [--files=24] [--rounds=5]
//                                                  (needs 1 GB there, and `ffmpeg`)
//
//   Lookback   query::Clip of ten seconds planned, its head and the first 256 KiB of pictures
//              read, each fragment verified
//   Limit      the row by SQLite, the file opened, and 256 KiB read at an offset
//              that is known already
//   Ffmpeg     the row by SQLite, then `ffmpeg -ss OFFSET -t 10 -c copy` until its first byte
//
// Method: the catalogs of both have a segment a minute (365 days: 525,600 rows). Behind `files`
// of them, spread over the year, there is a file of a minute of 720p H.264 at 4 Mbit/s; those are
// sought in, at an instant by chance (seeded, the same for all three). Cold: the file is not in the
// page cache; warm: it is. Wall time, medians of all seeks; the three take turns.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <random>

#include "bench/catalog_footage.h"
#include "bench/noisy_footage.h"
#include "bench/program.h"
#include "bench/sqlite_catalog.h"
#include "query/clip.h"
#include "storage/segment_reader.h"
#include "tests/query/camera_clip.h"
#include "tests/support/file_footage.h"

namespace lookback::bench {
namespace {

constexpr TimeUs kStart = 1'767'225'600 * kUsPerSecond;  // 2026-01-01.
constexpr int64_t kClipUs = 10 * kUsPerSecond;
constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kGroup = 10'000;
constexpr int kTurns = 3;  // Of 20 s of footage, in a segment.

struct Asked {
  std::string directory = "/tmp";
  int days = 365;
  int files = 24;
  int rounds = 5;
};

// Rows from the catalog, indexes and pictures from the files.
class Year final : public CatalogFootage {
 public:
  Year(const index::Catalog& catalog, test::FileFootage& stored)
      : CatalogFootage(catalog), stored_(stored) {}

  Result<std::shared_ptr<const storage::SegmentIndex>> Index(
      const storage::FootageSegment& segment) override {
    LB_TRY_ASSIGN(file, stored_.Open(segment, 0));
    LB_TRY_ASSIGN(index, storage::ReadClosedSegment(*file));
    return std::make_shared<const storage::SegmentIndex>(std::move(index));
  }
  Result<std::unique_ptr<File>> Open(const storage::FootageSegment& segment, size_t nth) override {
    return stored_.Open(segment, nth);
  }

 private:
  test::FileFootage& stored_;
};

class Bench {
 public:
  explicit Bench(const Asked& asked)
      : asked_(asked),
        work_(asked.directory, "seek"),
        stored_(*files_, work_.path()),
        sqlite_(work_.path() + "/sqlite") {
    stream_.camera = *CameraId::Parse("camera-1");
    RecordFiles();
    Fill();
    year_ = std::make_unique<Year>(*catalog_, stored_);
  }

  void Run() {
    for (int round = 0; round < asked_.rounds; ++round) {
      for (const auto& stored : stored_.segments) {
        const index::Seal& row = stored.footage.row;
        std::uniform_int_distribution<int64_t> place(0, row.end_us - row.start_us - kClipUs);
        const TimeUs at_us = row.start_us + place(random_);
        for (const bool cold : {true, false}) {
          Measure("Lookback", cold, stored.path, [&] { SeekLookback(at_us); });
          Measure("Limit", cold, stored.path, [&] { SeekLimit(at_us); });
          Measure("Ffmpeg", cold, stored.path, [&] { SeekFfmpeg(at_us); });
        }
      }
    }
  }

  void Tell() {
    fmt::print("{} rows in each catalog, {} seeks of each kind\n", rows_,
               asked_.rounds * asked_.files);
    for (const bool cold : {true, false}) {
      const double us = Median("Lookback", cold), limit = Median("Limit", cold),
                   ffmpeg = Median("Ffmpeg", cold);
      fmt::print(
          "{}: Lookback {:.2f} ms, limit {:.2f} ms, SQLite and ffmpeg {:.2f} ms; {:.2f} times the "
          "limit, {:.3f} of ffmpeg\n",
          cold ? "cold" : "warm", us * 1e3, limit * 1e3, ffmpeg * 1e3, us / limit, us / ffmpeg);
    }
  }

 private:
  using Clock = std::chrono::steady_clock;

  TimeUs StartOfFile(int file) const {
    return kStart + int64_t{asked_.days} * 24 * 60 * file / asked_.files * kUsPerMinute;
  }

  void RecordFiles() {
    const test::CameraClip clip = test::MakeCameraClip(kNoisyFootage);
    constexpr int64_t kTurnTicks = 20 * int64_t{media::kVideoTimescale};
    for (int file = 0; file < asked_.files; ++file) {
      media::Fragmenter fragmenter(clip.tracks, [start = StartOfFile(file)](int64_t ticks) {
        return start + ticks * 100 / 9;  // 90 ticks are a millisecond.
      });
      std::vector<media::Fragment> fragments;
      for (int turn = 0; turn < kTurns; ++turn) {
        for (media::Sample sample : clip.samples) {
          sample.pts += turn * kTurnTicks;
          auto fragment = Must(fragmenter.Push(std::move(sample)));
          if (fragment) fragments.push_back(std::move(*fragment));
        }
      }
      while (auto fragment = fragmenter.Flush()) fragments.push_back(std::move(*fragment));
      stored_.Record(stream_, clip.tracks, fragments, kUsPerHour);
    }
  }

  void Fill() {
    catalog_ = Must(index::Catalog::Open(work_.path() + "/catalog", {}));
    std::vector<index::NumberedRecord> group;
    std::vector<index::Seal> seals;
    const auto apply = [&] {
      Must(catalog_->Apply(group));
      sqlite_.Apply(seals);
      group.clear();
      seals.clear();
    };
    size_t next_file = 0;
    for (int minute = 0; minute < asked_.days * 24 * 60; ++minute) {
      index::Seal seal;
      if (next_file < stored_.segments.size() &&
          stored_.segments[next_file].footage.row.start_us == kStart + minute * kUsPerMinute) {
        seal = stored_.segments[next_file++].footage.row;
      } else {
        seal.stream = stream_;
        seal.run = Uuid::Random();
        seal.start_us = kStart + minute * kUsPerMinute;
        seal.end_us = seal.start_us + kUsPerMinute;
        seal.sequence = static_cast<uint32_t>(asked_.files + minute);
        seal.bytes = 30'000'000;
        seal.fragments = 30;
      }
      group.push_back({rows_++, seal.end_us, seal});
      seals.push_back(seal);
      if (group.size() == kGroup) apply();
    }
    apply();
    LB_CHECK(next_file == stored_.segments.size());
    Must(catalog_->Flush());
    sqlite_.Checkpoint();
  }

  void SeekLookback(TimeUs at_us) {
    query::ClipRequest request;
    request.stream = stream_;
    request.range = {at_us, at_us + kClipUs};
    const auto clip = Must(query::Clip::Plan(*year_, request, kStart + 400 * kUsPerDay));
    LB_CHECK(Must(clip->Read(0, buffer_)) == buffer_.size());
  }

  const test::FileFootage::Stored& Find(TimeUs at_us) {
    const auto rows = sqlite_.Segments(stream_.camera, {at_us, at_us + kClipUs});
    for (const auto& stored : stored_.segments) {
      if (stored.footage.row.start_us == rows.front().start_us) return stored;
    }
    LB_CHECK(false);
    return stored_.segments.front();
  }

  void SeekLimit(TimeUs at_us) {
    const auto& stored = Find(at_us);
    const auto& fragments = stored.index->fragments;
    const auto after = std::find_if(fragments.begin(), fragments.end(),
                                    [at_us](const auto& one) { return one.info.start_us > at_us; });
    const auto file = Must(files_->Open(stored.path, OpenMode::kRead));
    LB_CHECK(Must(file->ReadAt(std::prev(after)->offset, buffer_)) == buffer_.size());
  }

  void SeekFfmpeg(TimeUs at_us) {
    const auto& stored = Find(at_us);
    const double offset_s = static_cast<double>(at_us - stored.footage.row.start_us) / kUsPerSecond;
    FILE* pipe =
        popen(fmt::format("ffmpeg -v error -ss {:.3f} -t 10 -i {} -c copy -f mp4 -movflags "
                          "frag_keyframe+empty_moov pipe:1",
                          offset_s, stored.path)
                  .c_str(),
              "r");
    LB_CHECK(pipe != nullptr);
    // As much as is read of the others.
    LB_CHECK(fread(buffer_.data(), 1, buffer_.size(), pipe) == buffer_.size());
    taken_ = Clock::now();
    while (fread(buffer_.data(), 1, buffer_.size(), pipe) > 0) {
    }
    LB_CHECK(pclose(pipe) == 0);
  }

  template <typename Seek>
  void Measure(const char* name, bool cold, const std::string& path, const Seek& seek) {
    Cache(path, cold);
    const auto begun = Clock::now();
    taken_ = begun;
    seek();
    if (taken_ == begun) taken_ = Clock::now();
    times_[{name, cold}].push_back(std::chrono::duration<double>(taken_ - begun).count());
  }

  void Cache(const std::string& path, bool cold) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    LB_CHECK(fd >= 0);
    if (cold) {
      LB_CHECK(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    } else {
      while (read(fd, buffer_.data(), buffer_.size()) > 0) {
      }
    }
    close(fd);
  }

  double Median(const char* name, bool cold) {
    std::vector<double>& times = times_[{name, cold}];
    std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2),
                     times.end());
    return times[times.size() / 2];
  }

  const Asked asked_;
  const std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  const WorkDirectory work_;
  StreamId stream_;
  test::FileFootage stored_;
  SqliteCatalog sqlite_;
  std::unique_ptr<index::Catalog> catalog_;
  std::unique_ptr<Year> year_;
  uint64_t rows_ = 0;
  std::mt19937_64 random_{20260101};
  Bytes buffer_ = Bytes(kReadBytes);
  Clock::time_point taken_;
  std::map<std::pair<std::string, bool>, std::vector<double>> times_;
};

}  // namespace
}  // namespace lookback::bench

int main(int argc, char** argv) {
  lookback::bench::Asked asked;
  const auto number = [](int& to) {
    return [&to](const std::string& text) { to = std::max(1, std::stoi(text)); };
  };
  const bool understood = lookback::bench::ParseOptions(
      argc, argv,
      {{"--directory", [&asked](const std::string& text) { asked.directory = text; }},
       {"--days", number(asked.days)},
       {"--files", number(asked.files)},
       {"--rounds", number(asked.rounds)}});
  if (!understood) return 2;
  lookback::bench::Bench bench(asked);
  bench.Run();
  bench.Tell();
  return 0;
}
