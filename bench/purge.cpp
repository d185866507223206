// bench_purge: what it costs the cameras that ten thousand segments are deleted beside them.
//
//   bench_purge [--directory=/tmp] [--segments=10000] [--mib=2] [--cameras=100] [--seconds=20]
//                    (needs segments x mib there, 20 GB, and 2 GB for what is recorded)
//
//   Alone     cameras of 4 Mbit/s are recorded, and nothing else is done
//   Purge     the same while Purger::RunOnce (storage/purger.h) deletes all
//             that is past its ceiling
//
// Method: the old segments are recorded by the archive itself, a fragment each, on record as
// sealed; then each file is given so many MiB more on disk beyond its end (fallocate), for an
// unlink costs by the blocks that it frees. The cameras hand over a group of pictures a second
// each, as the recorder does, spread over the second, on the real clock. At the end the archive
// is drained and every fragment that was handed over is looked for in the segments on record. The
// lines tell what was refused, and how full the volume's queue was at most.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/log.h"
#include "bench/cpu_time.h"
#include "bench/program.h"
#include "storage/purger.h"
#include "tests/support/synthetic_footage.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

struct Asked {
  std::string directory = "/tmp";
  int64_t segments = 10'000;
  int64_t mib = 2;
  int64_t cameras = 100;
  int64_t seconds = 20;
};

constexpr int kFramesPerSecond = 25;
constexpr size_t kFrameBytes = 20'000;  // 4 Mbit/s.
constexpr int64_t kOldDays = 60;
constexpr uint32_t kMaxDays = 30;
constexpr int64_t kOldEveryUs = 2 * kUsPerSecond;  // So far apart that none overlap.

using bench::Must;

StreamId Camera(const std::string& name, int64_t i) {
  return test::MakeStream(name + std::to_string(i));
}

class Bench {
 public:
  Bench(const Asked& asked, std::string root) : asked_(asked), root_(std::move(root)) {
    storage::StoreOptions options;
    options.data = root_ + "/data";
    store_ = Must(storage::Store::Open(options, clock_, *files_));
    purger_ = storage::Purger::Start(*store_, clock_, {});
    MakeOld();
  }

  void Run() {
    Record("Alone", {});
    index::Policy policy;
    policy.scope = "default";
    policy.version = 1;
    policy.max_days = kMaxDays;
    Must(store_->journal().Commit({policy}));
    uint64_t deleted = 0;
    double took_s = 0, cpu_s = 0;
    Record("Purge", [&] {
      const auto start = std::chrono::steady_clock::now();
      const double cpu = bench::CpuSeconds(RUSAGE_THREAD);
      deleted = Must(purger_->RunOnce()).deleted_segments;
      cpu_s = bench::CpuSeconds(RUSAGE_THREAD) - cpu;
      took_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    });
    fmt::print(
        "{} segments of {} MiB on disk deleted in {:.1f} s, {:.0f} a second; its thread {:.2f} CPU "
        "s\n",
        deleted, asked_.mib, took_s, static_cast<double>(deleted) / took_s, cpu_s);
    size_t left = 0;
    for (int64_t i = 0; i < asked_.cameras; ++i) {
      left += Must(store_->catalog().Segments(Camera("old", i), {kTimeMinUs, kTimeMaxUs})).size();
    }
    fmt::print("old segments that are left: {}\n", left);
  }

 private:
  void MakeOld() {
    const TimeUs from_us = clock_.NowUs() - kOldDays * kUsPerDay;
    for (int64_t i = 0; i < asked_.segments; ++i) {
      test::SyntheticRun run(Camera("old", i % asked_.cameras),
                             from_us + i / asked_.cameras * kOldEveryUs);
      storage::RunInfo info = run.info();
      info.imported = true;
      const auto recording = Must(store_->archive().Begin(info));
      Must(recording->Append(run.Next()));
      if (i % 500 == 499) Must(store_->archive().Drain());
    }
    Must(store_->archive().Drain());
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (entry.path().extension() != ".mp4") continue;
      const int fd = open(entry.path().c_str(), O_WRONLY | O_CLOEXEC);
      const auto bytes = static_cast<off_t>(asked_.mib << 20);
      if (fd < 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, bytes) != 0) {
        Must(Status(Fail(Code::kDiskFull, "no room for " + entry.path().string())));
      }
      close(fd);
    }
    sync();
  }

  struct Live {
    explicit Live(const StreamId& stream, TimeUs start_us)
        : run(stream, start_us, {kFramesPerSecond, kFramesPerSecond, kFrameBytes}) {}
    test::SyntheticRun run;
    std::unique_ptr<storage::Recording> recording;
    uint32_t given = 0;
  };

  // Groups of all cameras at their turns, until `seconds` are over and `beside` has ended.
  void Record(const char* name, const std::function<void()>& beside) {
    const TimeUs start_us = clock_.NowUs();
    std::vector<std::unique_ptr<Live>> cameras;
    for (int64_t i = 0; i < asked_.cameras; ++i) {
      cameras.push_back(std::make_unique<Live>(
          Camera(name == std::string("Alone") ? "alone" : "live", i), start_us));
      cameras.back()->recording = Must(store_->archive().Begin(cameras.back()->run.info()));
    }
    std::atomic<bool> ended{false};
    std::thread other([&] {
      if (beside) beside();
      ended = true;
    });
    uint64_t refused = 0;
    double backlog = 0;
    const auto start = std::chrono::steady_clock::now();
    for (int64_t turn = 0;; ++turn) {
      const int64_t due_us = turn * kUsPerSecond / asked_.cameras;
      if (due_us >= asked_.seconds * kUsPerSecond && ended) break;
      Live& camera = *cameras[static_cast<size_t>(turn % asked_.cameras)];
      media::Fragment fragment = camera.run.Next();
      std::this_thread::sleep_until(start + std::chrono::microseconds(due_us));
      ++camera.given;
      if (!camera.recording->Append(std::move(fragment))) ++refused;
      backlog = std::max(backlog, store_->archive().Backlog());
    }
    other.join();
    uint64_t given = 0, stand = 0;
    for (auto& camera : cameras) camera->recording.reset();
    Must(store_->archive().Drain());
    size_t gaps = 0;
    for (const auto& camera : cameras) {
      given += camera->given;
      const StreamId& stream = camera->run.info().stream;
      for (const index::Seal& seal :
           Must(store_->catalog().Segments(stream, {kTimeMinUs, kTimeMaxUs}))) {
        stand += seal.fragments;
      }
      gaps += Must(store_->archive().Gaps(stream, {kTimeMinUs, kTimeMaxUs})).size();
    }
    fmt::print(
        "{}: {} groups of pictures given, {} on record, {} refused, {} gaps; queue {:.1f} % full "
        "at most\n",
        name, given, stand, refused, gaps, backlog * 100);
  }

  const Asked asked_;
  const std::string root_;
  SystemClock clock_;
  const std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<storage::Purger> purger_;
};

}  // namespace
}  // namespace lookback

int main(int argc, char** argv) {
  lookback::Asked asked;
  const auto number = [](int64_t& to) {
    return [&to](const std::string& value) { to = std::max<int64_t>(1, std::stoll(value)); };
  };
  const bool understood = lookback::bench::ParseOptions(
      argc, argv,
      {{"--directory", [&](const std::string& value) { asked.directory = value; }},
       {"--segments", number(asked.segments)},
       {"--mib", number(asked.mib)},
       {"--cameras", number(asked.cameras)},
       {"--seconds", number(asked.seconds)}});
  if (!understood) return 2;
  const lookback::bench::WorkDirectory work(asked.directory, "purge");
  lookback::Bench(asked, work.path()).Run();
  return 0;
}
