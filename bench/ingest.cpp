// bench_ingest: cameras to disk, against what it takes to move the bytes and
// against what others do.
//
//   bench_ingest [--cameras=100] [--peer_cameras=20] [--seconds=15] [--rounds=1]
//                [--chop=picture|packet] [--directory=/tmp] [--benchmark_filter=...]
//
//   PlainLoop   one thread: epoll, recv into 256 KiB a camera, pwrite when full: the limit
//   Lookback    the recorder over a store, as `lookback serve` has them, with its SHA-256
//   Threads     one thread a camera, libavformat in and out
//   Ffmpeg      one `ffmpeg -c copy -f segment` a camera
//   Gstreamer   one gst-launch-1.0 of all, `rtspsrc ! rtph264depay ! h264parse ! splitmuxsink` each
//   Sha256      the hash alone, over 1 MiB pieces: what the seal costs of Lookback
//
// Method: a server of its own process plays one clip as many cameras, RTP over RTSP over TCP, at
// 25 pictures a second, each at another place of the clip. Each contender runs in processes of its
// own, one after another, on one file system. Before each, as much as it will record is written
// and removed, to put the page cache into the same state. Measuring begins kWarmUpSeconds after
// the last camera plays, and lasts --seconds. CPU is user and system time of its processes; a GB is
// 10^9 bytes that the server's sockets took in it, RTP headers included. Memory is resident pages
// at the end, less those of the process before it opened anything, by cameras. ffmpeg and GStreamer
// get fewer cameras, for their figures are per GB and per camera. Sending costs the same for all
// and counts for none, as do the kernel's threads that write pages back. The last lines are the
// round of the least CPU of each and the ratios.
//
// The footage of one measurement is removed before the next; the disk needs room for one.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/checksum.h"
#include "base/log.h"
#include "bench/measured.h"
#include "bench/plain_loop.h"
#include "bench/rtsp_load.h"
#include "bench/thread_per_camera.h"
#include "recorder/recorder.h"
#include "storage/store.h"

#ifndef LOOKBACK_BENCH_FOOTAGE
#error "The build gives the path of the footage."
#endif

namespace lookback::bench {
namespace {

constexpr int kWarmUpSeconds = 10;  // ffmpeg probes for 5, and the store's first sync is at 5.
constexpr int kStartSeconds = 60;   // For all cameras to play.
constexpr int kClipSeconds = 10;
constexpr double kBitsPerSecond = 4e6;  // At most, for the room on disk.
constexpr double kShownThreadShare = 0.01;

struct Options {
  int cameras = 100;
  int peer_cameras = 20;
  int seconds = 15;
  int rounds = 1;
  Chop chop = Chop::kPicture;
  std::string directory = "/tmp";
};

struct Cost {
  double cpu_seconds_per_gb = 0;
  double mib_per_camera = 0;
  double megabits_per_second = 0;
};

void Sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

std::string LoadAverage() {
  double averages[3] = {};
  (void)getloadavg(averages, 3);
  return fmt::format("{:.1f} {:.1f} {:.1f}", averages[0], averages[1], averages[2]);
}

// The product, until `stop` can be read. Says what it lost.
void RunLookback(const RtspLoad& load, int cameras, const std::string& directory, int stop) {
  SystemClock clock;
  const auto files = MakePosixFileSystem();
  auto store = storage::Store::Open({directory + "/data", {}}, clock, *files);
  LB_CHECK(store.has_value());
  uint64_t frames = 0;
  uint64_t lost = 0;
  uint64_t reconnects = 0;
  uint64_t dropped = 0;
  {
    const auto recorder = recorder::Recorder::Start({}, (*store)->archive(), clock);
    std::vector<CameraId> ids;
    for (int i = 0; i < cameras; ++i) {
      ids.push_back(*CameraId::Parse("camera-" + std::to_string(i)));
      LB_CHECK(recorder->Put({ids.back(), load.Url(i), "", "", false}).has_value());
    }
    char byte = 0;
    (void)!read(stop, &byte, 1);
    for (const CameraId& id : ids) {
      const auto status = recorder->StatusOf({id});
      LB_CHECK(status.has_value());
      frames += status->frames;
      lost += status->lost_packets;
      reconnects += status->reconnects;
      StreamId stream;
      stream.camera = id;
      dropped += (*store)->archive().StatusOf(stream).dropped_fragments;
    }
    recorder->Stop();
  }
  (*store)->Close();
  fmt::print("  lookback: {} pictures, {} packets lost, {} reconnects, {} fragments dropped\n",
             frames, lost, reconnects, dropped);
  (void)std::fflush(stdout);
}

class Ingest {
 public:
  explicit Ingest(const Options& options) : options_(options) {
    std::string name = options.directory + "/lookback-bench-ingest-XXXXXX";
    LB_CHECK(mkdtemp(name.data()) != nullptr);
    directory_ = name;
    CheckRoom();
    MakeClip();
    load_ = std::make_unique<RtspLoad>(directory_ + "/clip.mp4", options_.chop);
    malloc_trim(0);  // What is freed here would look free of charge to who is forked.
    fmt::print("{} cameras at {:.2f} Mbit/s, {} s measured, load average {}\n", options_.cameras,
               load_->bits_per_second() / 1e6, options_.seconds, LoadAverage());
  }
  ~Ingest() {
    load_.reset();
    std::filesystem::remove_all(directory_);
  }

  Cost PlainLoop() {
    return Measure("plain", options_.cameras, [this](Measured& measured, const std::string& out) {
      measured.Fork([&](int stop) { RunPlainLoop(load_->port(), options_.cameras, out, stop); });
    });
  }

  Cost Lookback() {
    return Measure(
        "lookback", options_.cameras, [this](Measured& measured, const std::string& out) {
          measured.Fork([&](int stop) { RunLookback(*load_, options_.cameras, out, stop); });
        });
  }

  Cost Ffmpeg() {
    return Measure(
        "ffmpeg", options_.peer_cameras, [this](Measured& measured, const std::string& out) {
          for (int i = 0; i < options_.peer_cameras; ++i) {
            measured.Exec({"ffmpeg", "-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i",
                           load_->Url(i), "-c", "copy", "-f", "segment", "-segment_time", "60",
                           "-segment_format", "mp4", fmt::format("{}/{}-%03d.mp4", out, i)});
          }
        });
  }

  Cost Threads() {
    return Measure("threads", options_.cameras, [this](Measured& measured, const std::string& out) {
      std::vector<std::string> urls;
      for (int i = 0; i < options_.cameras; ++i) urls.push_back(load_->Url(i));
      measured.Fork([&](int stop) { RunThreadPerCamera(urls, out, stop); });
    });
  }

  Cost Gstreamer() {
    return Measure(
        "gstreamer", options_.peer_cameras, [this](Measured& measured, const std::string& out) {
          std::vector<std::string> command = {"gst-launch-1.0", "-q", "-e"};
          for (int i = 0; i < options_.peer_cameras; ++i) {
            const std::vector<std::string> chain = {"rtspsrc",
                                                    "protocols=tcp",
                                                    "location=" + load_->Url(i),
                                                    "!",
                                                    "rtph264depay",
                                                    "!",
                                                    "h264parse",
                                                    "!",
                                                    "splitmuxsink",
                                                    "max-size-time=60000000000",
                                                    fmt::format("location={}/{}-%03d.mp4", out, i)};
            command.insert(command.end(), chain.begin(), chain.end());
          }
          measured.Exec(command);
        });
  }

 private:
  using Start = std::function<void(Measured&, const std::string& directory)>;

  void CheckRoom() const {
    struct statvfs disk {};
    LB_CHECK(statvfs(directory_.c_str(), &disk) == 0);
    const double seconds = options_.seconds + kWarmUpSeconds + kStartSeconds;
    const double needed = options_.cameras * seconds * kBitsPerSecond / 8;
    const double room = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
    if (room > 2 * needed) return;
    fmt::print(stderr, "{} has {:.1f} GB free; {:.1f} may be needed, and as much left\n",
               directory_, room / 1e9, needed / 1e9);
    std::filesystem::remove_all(directory_);
    std::exit(1);
  }

  void MakeClip() const {
    const std::string command = fmt::format(
        "ffmpeg -v error -nostdin -stream_loop -1 -i {} -t {} -an -c:v libx264 -preset ultrafast "
        "-b:v 3500k -maxrate 4000k -bufsize 3500k -g 50 -keyint_min 50 -sc_threshold 0 -bf 0 "
        "{}/clip.mp4",
        LOOKBACK_BENCH_FOOTAGE, kClipSeconds, directory_);
    LB_CHECK(std::system(command.c_str()) == 0);
  }

  Cost Measure(const std::string& name, int cameras, const Start& start) {
    const std::string out = directory_ + "/" + name;
    std::filesystem::create_directory(out);
    LoadCounters& counters = load_->counters();
    const uint64_t cut_off = counters.cut_off;
    const double empty_mib = EmptyMib(name);
    TouchMemory(cameras);
    Cost cost;
    Measured measured;
    start(measured, out);
    for (int i = 0; counters.playing != static_cast<uint32_t>(cameras); ++i) {
      LB_CHECK(i < kStartSeconds * 10);
      Sleep(0.1);
    }
    Sleep(kWarmUpSeconds);
    counters.late_us = 0;
    const auto threads = measured.ThreadCpuSeconds();
    const double cpu = measured.CpuSeconds();
    const uint64_t sent = counters.sent_bytes;
    Sleep(options_.seconds);
    const double gigabytes = static_cast<double>(counters.sent_bytes - sent) / 1e9;
    cost.cpu_seconds_per_gb = (measured.CpuSeconds() - cpu) / gigabytes;
    cost.mib_per_camera = (measured.ResidentMib() - empty_mib) / cameras;
    cost.megabits_per_second = gigabytes * 8'000 / options_.seconds;
    if (name == "lookback") PrintThreads(threads, measured.ThreadCpuSeconds(), gigabytes);
    fmt::print("  {}: latest picture {} ms behind its time, {} clients cut off, load average {}\n",
               name, counters.late_us / 1'000, counters.cut_off - cut_off, LoadAverage());
    (void)std::fflush(stdout);
    LB_CHECK(measured.Stop());
    while (counters.playing != 0) Sleep(0.01);
    std::filesystem::remove_all(out);
    sync();
    return cost;
  }

  // Writes and removes as much as will be recorded: none pays for another's dirty pages, and less
  // for memory that a virtual machine's host has yet to give.
  void TouchMemory(int cameras) const {
    const double seconds = options_.seconds + 2 * kWarmUpSeconds;
    const auto mebibytes =
        static_cast<int64_t>(load_->bits_per_second() / 8 * cameras * seconds) >> 20;
    const std::string path = directory_ + "/touch";
    const std::string command =
        fmt::format("dd if=/dev/zero of={} bs=1M count={} status=none", path, mebibytes);
    LB_CHECK(std::system(command.c_str()) == 0);
    std::filesystem::remove(path);
  }

  // What a forked process has before it opens anything; an executed one is all its own.
  static double EmptyMib(const std::string& name) {
    if (name == "ffmpeg" || name == "gstreamer") return 0;
    Measured empty;
    empty.Fork([](int stop) {
      char byte = 0;
      (void)!read(stop, &byte, 1);
    });
    Sleep(0.1);
    return empty.ResidentMib();
  }

  static void PrintThreads(const std::map<std::string, double>& before,
                           const std::map<std::string, double>& after, double gigabytes) {
    for (const auto& [name, seconds] : after) {
      const auto found = before.find(name);
      const double cost = (seconds - (found == before.end() ? 0 : found->second)) / gigabytes;
      if (cost >= kShownThreadShare) fmt::print("  thread {}: {:.2f} CPU s/GB\n", name, cost);
    }
  }

  Options options_;
  std::string directory_;
  std::unique_ptr<RtspLoad> load_;
};

Ingest* g_ingest = nullptr;
std::map<std::string, std::vector<Cost>> g_costs;
double g_sha_seconds_per_gb = 0;

void BM_Ingest(benchmark::State& state, const std::string& name, Cost (Ingest::*run)()) {
  for (auto _ : state) {
    const Cost cost = (g_ingest->*run)();
    state.SetIterationTime(cost.cpu_seconds_per_gb);
    state.counters["CPU_s/GB"] = cost.cpu_seconds_per_gb;
    state.counters["MiB/camera"] = cost.mib_per_camera;
    state.counters["Mbit/s"] = cost.megabits_per_second;
    g_costs[name].push_back(cost);
  }
}

void BM_Sha256(benchmark::State& state) {
  const Bytes piece(1 << 20, 0x5a);
  uint64_t bytes = 0;
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  Sha256Hasher hasher;
  for (auto _ : state) {
    hasher.Update(piece);
    bytes += piece.size();
  }
  benchmark::DoNotOptimize(hasher.Finish());
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  const auto seconds = [](const rusage& usage) {
    return static_cast<double>(usage.ru_utime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec) / 1e6;
  };
  g_sha_seconds_per_gb = (seconds(after) - seconds(before)) / (static_cast<double>(bytes) / 1e9);
  state.counters["CPU_s/GB"] = g_sha_seconds_per_gb;
}

Cost Best(const std::string& name) {
  const std::vector<Cost>& costs = g_costs[name];
  if (costs.empty()) return {};
  return *std::min_element(costs.begin(), costs.end(), [](const Cost& a, const Cost& b) {
    return a.cpu_seconds_per_gb < b.cpu_seconds_per_gb;
  });
}

void PrintRatios() {
  const Cost ours = Best("Lookback");
  for (const char* name : {"PlainLoop", "Lookback", "Threads", "Ffmpeg", "Gstreamer"}) {
    const Cost cost = Best(name);
    if (cost.cpu_seconds_per_gb == 0) continue;
    fmt::print("{:<10} {:6.2f} CPU s/GB  {:6.2f} MiB a camera  {:4.0f} Mbit/s", name,
               cost.cpu_seconds_per_gb, cost.mib_per_camera, cost.megabits_per_second);
    const double ratio = ours.cpu_seconds_per_gb / cost.cpu_seconds_per_gb;
    if (ratio > 0) fmt::print("  lookback is {:.2f} of it", ratio);
    if (ratio > 0 && g_sha_seconds_per_gb > 0) {
      fmt::print("; {:.2f} without SHA-256",
                 ratio - g_sha_seconds_per_gb / cost.cpu_seconds_per_gb);
    }
    fmt::print("\n");
  }
  if (g_sha_seconds_per_gb > 0) fmt::print("SHA-256    {:6.2f} CPU s/GB\n", g_sha_seconds_per_gb);
}

// Takes "--name=value" of ours; false for anything else.
bool TakeOption(std::string_view argument, Options& options) {
  const size_t equals = argument.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view name = argument.substr(0, equals);
  const std::string value(argument.substr(equals + 1));
  if (name == "--directory") {
    options.directory = value;
  } else if (name == "--chop" && (value == "picture" || value == "packet")) {
    options.chop = value == "packet" ? Chop::kPacket : Chop::kPicture;
  } else {
    int* const number = name == "--cameras"        ? &options.cameras
                        : name == "--peer_cameras" ? &options.peer_cameras
                        : name == "--seconds"      ? &options.seconds
                        : name == "--rounds"       ? &options.rounds
                                                   : nullptr;
    if (!number) return false;
    *number = std::atoi(value.c_str());
    return *number > 0;
  }
  return true;
}

}  // namespace
}  // namespace lookback::bench

int main(int argc, char** argv) {
  using namespace lookback;
  using namespace lookback::bench;
  benchmark::Initialize(&argc, argv);
  bench::Options options;
  for (int i = 1; i < argc; ++i) {
    if (TakeOption(argv[i], options)) continue;
    fmt::print(stderr, "{}: not an option\n", argv[i]);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  SetLogLevel(LogLevel::kWarning);
  Ingest ingest(options);
  g_ingest = &ingest;
  for (int round = 0; round < options.rounds; ++round) {
    const auto add = [](const char* name, Cost (Ingest::*run)()) {
      benchmark::RegisterBenchmark(
          name, [name, run](benchmark::State& state) { BM_Ingest(state, name, run); })
          ->UseManualTime()
          ->Iterations(1)
          ->Unit(benchmark::kSecond);
    };
    add("PlainLoop", &Ingest::PlainLoop);
    add("Lookback", &Ingest::Lookback);
    add("Threads", &Ingest::Threads);
    add("Ffmpeg", &Ingest::Ffmpeg);
    if (std::system("command -v gst-launch-1.0 >/dev/null") == 0) {
      add("Gstreamer", &Ingest::Gstreamer);
    } else if (round == 0) {
      fmt::print("no gst-launch-1.0 (Debian's gstreamer1.0-tools): GStreamer is left out\n");
    }
  }
  benchmark::RegisterBenchmark("Sha256", BM_Sha256)->MinTime(0.5);
  benchmark::RunSpecifiedBenchmarks();
  PrintRatios();
  return 0;
}
