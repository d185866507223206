// bench_scrub: every byte of an archive held against its checksums, against what hashing it costs.
//
//   bench_scrub [--directory=/tmp] [--minutes=30]     (needs 0.9 GB there and in memory, `xxhsum`
//                                                      and `sha256sum`)
//
//   Scrub       CheckSegment (storage/scrub.h) of each file, one after the other
//   Xxhsum      `xxhsum -H128` of the same files: the limit
//   Sha256sum   `sha256sum` of the same: what it would cost to hold them against their seals
//
// Method: segments of 60 s are written by the product's own fragmenter and encoders from 20 s of
// noisy 720p H.264 at 4 Mbit/s, over and over. All files are in the page cache: what is measured
// is the processor, since a disk is slower than all three. The contenders take turns, nine rounds
// after an unmeasured one, each in a process of its own, whose user and system time is read when it
// ends. The last lines are the medians and their ratios.
#include "storage/scrub.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string_view>

#include "bench/noisy_footage.h"
#include "tests/query/camera_clip.h"
#include "tests/support/file_footage.h"

namespace lookback {
namespace {

constexpr TimeUs kStart = 1'777'903'200 * kUsPerSecond;
constexpr int kRounds = 9;
constexpr int kTurnsAMinute = 3;

class Minutes {
 public:
  Minutes(const std::string& directory, int minutes)
      : directory_(directory + "/lookback-bench-scrub-" + std::to_string(getpid())) {
    LB_CHECK(files_->MakeDirectories(directory_).has_value());
    footage_ = std::make_unique<test::FileFootage>(*files_, directory_);
    Record(minutes);
  }
  ~Minutes() {
    for (const auto& stored : footage_->segments) (void)files_->Remove(stored.path);
    (void)files_->Remove(directory_);
  }

  double gigabytes() const { return static_cast<double>(bytes_) / 1e9; }

  // The exit code.
  int Check() const {
    for (const auto& stored : footage_->segments) {
      const auto file = files_->Open(stored.path, OpenMode::kRead);
      if (!file) return 1;
      const auto damage = storage::CheckSegment(**file, stored.footage.row, Uuid(), {});
      if (!damage || !damage->empty()) return 1;
    }
    return 0;
  }
  int Exec(const std::string& program) const {
    const std::string command = program + " " + directory_ + "/*.mp4 > /dev/null";
    execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    return 127;
  }

 private:
  void Record(int minutes) {
    const test::CameraClip clip = test::MakeCameraClip(bench::kNoisyFootage);
    StreamId stream;
    stream.camera = *CameraId::Parse("bench");
    const Uuid run = Uuid::Random();
    media::Fragmenter fragmenter(clip.tracks, [](int64_t ticks) {
      return kStart + ticks * 100 / 9;  // 90 ticks are a millisecond.
    });
    std::vector<media::Fragment> fragments;
    for (int turn = 0; turn < minutes * kTurnsAMinute; ++turn) {
      for (media::Sample sample : clip.samples) {
        sample.pts += turn * 20 * int64_t{media::kVideoTimescale};
        auto fragment = fragmenter.Push(std::move(sample));
        LB_CHECK(fragment.has_value());
        if (*fragment) fragments.push_back(std::move(**fragment));
      }
      if ((turn + 1) % kTurnsAMinute != 0) continue;
      footage_->Record(stream, clip.tracks, fragments, kUsPerHour, false, run);
      fragments.clear();
    }
    for (const auto& stored : footage_->segments) bytes_ += stored.footage.row.bytes;
  }

  const std::string directory_;
  const std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  std::unique_ptr<test::FileFootage> footage_;
  uint64_t bytes_ = 0;
};

// User and system time of `work` in a process of its own.
double CpuSecondsOf(const std::function<int()>& work) {
  const pid_t child = fork();
  LB_CHECK(child >= 0);
  if (child == 0) _exit(work());
  int status = 0;
  rusage usage{};
  LB_CHECK(wait4(child, &status, 0, &usage) == child);
  if (status != 0) {
    std::fprintf(stderr, "bench_scrub: a contender failed (is xxhsum there?)\n");
    std::exit(1);
  }
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Contender {
  const char* name;
  std::function<int()> work;
  std::vector<double> cpu_seconds = {};

  double Median() {
    std::sort(cpu_seconds.begin(), cpu_seconds.end());
    return cpu_seconds[cpu_seconds.size() / 2];
  }
};

void Run(const std::string& directory, int minutes) {
  const Minutes footage(directory, minutes);
  Contender contenders[] = {
      {"Scrub", [&] { return footage.Check(); }},
      {"Xxhsum", [&] { return footage.Exec("xxhsum -H128"); }},
      {"Sha256sum", [&] { return footage.Exec("sha256sum"); }},
  };
  for (int round = 0; round <= kRounds; ++round) {
    for (Contender& contender : contenders) {
      const double seconds = CpuSecondsOf(contender.work);
      if (round > 0) contender.cpu_seconds.push_back(seconds);
    }
  }
  const double gigabytes = footage.gigabytes();
  std::printf("%.2f GB in %d segments, warm; medians of %d rounds\n", gigabytes, minutes, kRounds);
  for (Contender& contender : contenders) {
    const double median = contender.Median();
    std::printf("%-10s %.3f CPU s/GB (%.3f to %.3f), %.2f GB a CPU second\n", contender.name,
                median / gigabytes, contender.cpu_seconds.front() / gigabytes,
                contender.cpu_seconds.back() / gigabytes, gigabytes / median);
  }
  std::printf("speed of Scrub: %.2f of xxhsum -H128 (goal: at least 0.9), %.1f of sha256sum\n",
              contenders[1].Median() / contenders[0].Median(),
              contenders[2].Median() / contenders[0].Median());
}

}  // namespace
}  // namespace lookback

int main(int argc, char** argv) {
  std::string directory = "/tmp";
  int minutes = 30;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--directory=")) directory = argument.substr(12);
    if (argument.starts_with("--minutes=")) minutes = std::atoi(argv[i] + 10);
  }
  lookback::Run(directory, std::max(minutes, 1));
  return 0;
}
