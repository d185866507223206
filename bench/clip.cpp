// bench_clip: one hour of one camera as a clip, against what it takes to copy the same bytes.
//
//   bench_clip [--benchmark_filter=...] [--directory DIR]     (needs 3.7 GB there, and `ffmpeg`)
//
//   Plan        the time until every byte is decided, files warm
//   FirstByte   the same, and the first 64 KiB of payload read and verified
//   Clip        plan, then the whole file written to disk, 256 KiB at a time
//   Cp          `cp --reflink=never` of the segment files: the limit
//   Ffmpeg      `ffmpeg -f concat -c copy` of the same: the peer
//
// Method: 60 segments of 60 s are recorded by the product's own fragmenter from 20 s of noisy 720p
// H.264 at 4 Mbit/s (25 pictures a second, a sync sample every 2 s), over and over. Clip, Cp and
// Ffmpeg take turns on one file system, five rounds after an unmeasured one. Before each, the last
// output is removed, the disk is synced, and a file of the same size is written and removed: so
// none pays for another's pages, nor for memory that a virtual machine's host has yet to give. CPU
// is user and system time, of the child for commands. Memory is the peak of resident pages above
// what the process had before. The last lines are the best rounds and their ratios: what a busy
// machine adds is not the program's.
#include "query/clip.h"

#include <benchmark/benchmark.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>

#include "bench/cpu_time.h"
#include "bench/noisy_footage.h"
#include "tests/query/camera_clip.h"
#include "tests/support/file_footage.h"

namespace lookback {
namespace {

using query::Clip;

constexpr TimeUs kStart = 1'777'903'200 * kUsPerSecond;
constexpr int kRounds = 5;
constexpr size_t kReadBytes = 256 << 10;

struct Cost {
  double seconds = 0;
  double cpu_seconds = 0;
  double peak_mib = 0;
};

double StatusMib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stod(line.substr(field.size() + 1)) / 1024;
  }
  return 0;
}

// The hour on disk, and what was measured on it.
class Hour {
 public:
  explicit Hour(const std::string& directory) : directory_(directory + "/lookback-bench-clip") {
    LB_CHECK(files_->MakeDirectories(directory_ + "/segments").has_value());
    footage_ = std::make_unique<test::FileFootage>(*files_, directory_ + "/segments");
    stream_.camera = *CameraId::Parse("bench");
    Record();
  }
  ~Hour() {
    for (const auto& stored : footage_->segments) (void)files_->Remove(stored.path);
    RemoveOutput();
    (void)files_->Remove(directory_ + "/list.txt");
    (void)files_->Remove(directory_ + "/segments");
    (void)files_->Remove(directory_);
  }

  std::shared_ptr<const Clip> Plan() {
    query::ClipRequest request;
    request.stream = stream_;
    request.range = {kStart + 300'000, kStart + kUsPerHour - 300'000};
    auto clip = Clip::Plan(*footage_, request, kStart + kUsPerDay);
    LB_CHECK(clip.has_value());
    return *clip;
  }

  Cost WriteClip() {
    Prepare();
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";  // Starts the peak anew.
    const double before_mib = StatusMib("VmRSS");
    const double cpu = bench::CpuSeconds();
    const auto start = std::chrono::steady_clock::now();
    const auto clip = Plan();
    auto out = files_->Open(directory_ + "/out", OpenMode::kCreateNew);
    LB_CHECK(out.has_value());
    Bytes buffer(kReadBytes);
    for (uint64_t at = 0; at < clip->size();) {
      const auto count = clip->Read(at, buffer);
      LB_CHECK(count.has_value());
      const ByteSpan part(buffer.data(), *count);
      LB_CHECK((*out)->WriteAt(at, {&part, 1}).has_value());
      at += *count;
    }
    return {Since(start), bench::CpuSeconds() - cpu, StatusMib("VmHWM") - before_mib};
  }

  Cost RunCp() {
    Prepare();
    return Run("mkdir " + directory_ + "/out && cp --reflink=never " + directory_ +
               "/segments/*.mp4 " + directory_ + "/out/");
  }

  Cost RunFfmpeg() {
    Prepare();
    std::ofstream list(directory_ + "/list.txt");
    for (const auto& stored : footage_->segments) list << "file '" << stored.path << "'\n";
    list.close();
    return Run("ffmpeg -v quiet -f concat -safe 0 -i " + directory_ + "/list.txt -c copy -f mp4 " +
               directory_ + "/out");
  }

  double gigabytes() const { return static_cast<double>(bytes_) / 1e9; }

 private:
  // Sample times of one turn of the source, shifted on and on.
  void Record() {
    const test::CameraClip clip = test::MakeCameraClip(bench::kNoisyFootage);
    constexpr int64_t kTurnTicks = 20 * int64_t{media::kVideoTimescale};
    constexpr int kTurns = 180;
    media::Fragmenter fragmenter(clip.tracks, [](int64_t ticks) {
      return kStart + ticks * 100 / 9;  // 90 ticks are a millisecond.
    });
    const Uuid run = Uuid::Random();
    std::vector<media::Fragment> fragments;
    const auto take = [&](std::optional<media::Fragment> fragment) {
      if (!fragment) return;
      if (!fragments.empty() &&
          fragment->info.start_us - fragments.front().info.start_us >= storage::kNominalSegmentUs) {
        WriteSegments(clip, run, fragments);
      }
      fragments.push_back(std::move(*fragment));
    };
    for (int turn = 0; turn < kTurns; ++turn) {
      for (media::Sample sample : clip.samples) {
        sample.pts += turn * kTurnTicks;
        auto fragment = fragmenter.Push(std::move(sample));
        LB_CHECK(fragment.has_value());
        take(std::move(*fragment));
      }
    }
    take(fragmenter.Flush());
    WriteSegments(clip, run, fragments);
    for (const auto& stored : footage_->segments) bytes_ += stored.footage.row.bytes;
  }

  void WriteSegments(const test::CameraClip& clip, const Uuid& run,
                     std::vector<media::Fragment>& fragments) {
    footage_->Record(stream_, clip.tracks, fragments, kUsPerHour, false, run);
    fragments.clear();
  }

  void RemoveOutput() { (void)test::RunCommand("rm -rf " + directory_ + "/out"); }

  void Prepare() {
    RemoveOutput();
    sync();
    const uint64_t mebibytes = bytes_ >> 20;
    (void)test::RunCommand("dd if=/dev/zero of=" + directory_ +
                           "/out bs=1M count=" + std::to_string(mebibytes));
    RemoveOutput();
  }

  static double Since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  static Cost Run(const std::string& command) {
    const auto start = std::chrono::steady_clock::now();
    const pid_t child = fork();
    if (child == 0) {
      execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    int status = 0;
    rusage usage{};
    LB_CHECK(wait4(child, &status, 0, &usage) == child && status == 0);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return {Since(start), seconds(usage.ru_utime) + seconds(usage.ru_stime), 0};
  }

  std::string directory_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  std::unique_ptr<test::FileFootage> footage_;
  StreamId stream_;
  uint64_t bytes_ = 0;
};

Hour* g_hour = nullptr;
std::map<std::string, std::vector<Cost>> g_costs;

void Measure(benchmark::State& state, const std::string& name, Cost (Hour::*run)()) {
  for (auto _ : state) {
    const Cost cost = (g_hour->*run)();
    state.SetIterationTime(cost.seconds);
    state.counters["GB/s"] = g_hour->gigabytes() / cost.seconds;
    state.counters["CPU_s/GB"] = cost.cpu_seconds / g_hour->gigabytes();
    if (cost.peak_mib > 0) state.counters["peak_MiB"] = cost.peak_mib;
    g_costs[name].push_back(cost);
  }
}

void BM_Plan(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(g_hour->Plan());
}

void BM_FirstByte(benchmark::State& state) {
  Bytes buffer(64 << 10);
  for (auto _ : state) {
    const auto clip = g_hour->Plan();
    LB_CHECK(clip->Read(clip->size() / 2, buffer).has_value());
    benchmark::DoNotOptimize(buffer.data());
  }
}

Cost Best(const std::string& name) {
  const std::vector<Cost>& costs = g_costs[name];
  if (costs.empty()) return {};
  return *std::min_element(costs.begin(), costs.end(),
                           [](const Cost& a, const Cost& b) { return a.seconds < b.seconds; });
}

void PrintRatios() {
  const Cost clip = Best("Clip");
  const Cost cp = Best("Cp");
  const Cost ffmpeg = Best("Ffmpeg");
  if (clip.seconds == 0 || cp.seconds == 0 || ffmpeg.seconds == 0) return;
  const double gb = g_hour->gigabytes();
  for (const auto& [name, cost] : {std::pair{"clip", clip}, {"cp", cp}, {"ffmpeg", ffmpeg}}) {
    std::printf("%-7s %.2f GB/s  %.2f CPU s/GB\n", name, gb / cost.seconds, cost.cpu_seconds / gb);
  }
  std::printf("memory of clip: %.1f MiB\n", clip.peak_mib);
  std::printf("throughput: %.2f of cp, %.2f of ffmpeg; CPU: %.2f times cp, %.2f times ffmpeg\n",
              cp.seconds / clip.seconds, ffmpeg.seconds / clip.seconds,
              clip.cpu_seconds / cp.cpu_seconds, clip.cpu_seconds / ffmpeg.cpu_seconds);
}

}  // namespace
}  // namespace lookback

int main(int argc, char** argv) {
  using namespace lookback;
  benchmark::Initialize(&argc, argv);
  std::string directory = "/tmp";
  if (argc == 3 && std::string_view(argv[1]) == "--directory") {
    directory = argv[2];
  } else if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  Hour hour(directory);
  g_hour = &hour;
  (void)hour.WriteClip();
  benchmark::RegisterBenchmark("Plan", BM_Plan)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("FirstByte", BM_FirstByte)->Unit(benchmark::kMillisecond);
  for (int round = 0; round < kRounds; ++round) {
    const auto add = [](const char* name, Cost (Hour::*run)()) {
      benchmark::RegisterBenchmark(
          name, [name, run](benchmark::State& state) { Measure(state, name, run); })
          ->UseManualTime()
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond);
    };
    add("Clip", &Hour::WriteClip);
    add("Cp", &Hour::RunCp);
    add("Ffmpeg", &Hour::RunFfmpeg);
  }
  benchmark::RunSpecifiedBenchmarks();
  PrintRatios();
  return 0;
}
