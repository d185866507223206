// bench_catalog: a million segments in the catalog, against SQLite.
//
//   bench_catalog [--rows=1000000] [--directory=/tmp | --keep=DIR] [--benchmark_filter=...]
//
//   Fill        every row, 500 to a group, as the ledger hands them on; then the bytes a row
//   DayWarm     the 1,440 segments of one camera and day, every field decoded; the same day again
//   DayCold     the same right after opening, with the kernel's pages of the files dropped; other
//               days
//   Apply       one group of 500 more rows, in CPU time of its thread
//
// Method: 100 cameras record minute after minute, so that the rows of a day are written among those
// of 99 others. A row is a whole SEAL record: run, volume, times, sizes and a SHA-256 of random
// bytes. SQLite (bench/sqlite_catalog.h) holds the same fields in columns, with as much cache.
// Neither syncs a group: the ledger does that. Bytes a row are those of the files on disk once
// everything is flushed, and the logs that a flush made needless gone. A cold day is measured once
// for each opening; opening itself does not count. Pages are dropped with posix_fadvise, of these
// files alone. Days and groups are given as medians, for a busy machine spoils a mean.
// With --keep the filled stores stay in DIR, and a later run, or one after this was killed, goes on
// filling from what is there, for 100 M rows take hours. What that took so far is in DIR/*-fill.
#include "index/catalog.h"

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

#include "bench/cpu_time.h"
#include "bench/sqlite_catalog.h"

namespace lookback::bench {
namespace {

constexpr TimeUs kStart = 1'777'852'800 * kUsPerSecond;  // 2026-05-04T00:00:00Z
constexpr int kCameras = 100;
constexpr size_t kGroupRows = 500;
constexpr uint64_t kRowsANote = 1'000'000;
constexpr int kWarmUpGroups = 20;
constexpr int kMinutesADay = 1'440;
constexpr int kColdDays = 21;
constexpr double kMeanBytes = 26e6;  // A minute at 3.5 Mbit/s.

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

// Of the calling thread: what a short piece of work costs, however many wait for the processor.
double ThreadCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double MedianMs(std::vector<double>& seconds) {
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2] * 1e3;
}

// Rows in the order in which a store of kCameras seals them.
class Rows {
 public:
  index::Seal Next() {
    const int camera = static_cast<int>(next_ % kCameras);
    const auto minute = static_cast<int64_t>(next_ / kCameras);
    ++next_;
    index::Seal seal;
    seal.stream.camera = Camera(camera);
    seal.run = runs_[static_cast<size_t>(camera)];
    seal.epoch = 3;
    seal.sequence = static_cast<uint32_t>(minute);
    // Segments begin at a sync sample, each camera at its own, a little off the minute.
    seal.start_us = ends_[static_cast<size_t>(camera)];
    if (seal.start_us == 0) seal.start_us = kStart + camera * 611'003;
    seal.end_us = kStart + camera * 611'003 + (minute + 1) * kUsPerMinute +
                  static_cast<int64_t>(random_() % 40'000);
    ends_[static_cast<size_t>(camera)] = seal.end_us;
    seal.media_start_90k = (seal.start_us - kStart) * 9 / 100;
    seal.media_end_90k = (seal.end_us - kStart) * 9 / 100;
    seal.volume = volume_;
    seal.bytes = static_cast<uint64_t>(kMeanBytes) + random_() % 4'000'000;
    seal.fragments = 30;
    seal.camera_offset_us = static_cast<int64_t>(random_() % 20'000);
    for (uint8_t& byte : seal.sha256) byte = static_cast<uint8_t>(random_());
    return seal;
  }
  static CameraId Camera(int number) {
    return *CameraId::Parse("camera-" + std::to_string(number));
  }

 private:
  uint64_t next_ = 0;
  std::mt19937_64 random_{1};
  Uuid volume_ = Uuid::Random();
  std::vector<Uuid> runs_ = [] {
    std::vector<Uuid> runs(kCameras);
    for (Uuid& run : runs) run = Uuid::Random();
    return runs;
  }();
  std::vector<TimeUs> ends_ = std::vector<TimeUs>(kCameras);
};

void DropPages(const std::string& directory) {
  sync();
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const int fd = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
  }
}

uint64_t BytesIn(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename() != "LOG") bytes += entry.file_size();
  }
  return bytes;
}

// The product's.
class Ours {
 public:
  explicit Ours(std::string directory) : directory_(std::move(directory)) { Open(); }

  void Apply(const std::vector<index::Seal>& seals) {
    std::vector<index::NumberedRecord> records;
    records.reserve(seals.size());
    uint64_t number = catalog_->position();
    for (const index::Seal& seal : seals) records.push_back({number++, seal.end_us, seal});
    LB_CHECK(catalog_->Apply(records).has_value());
  }
  size_t Read(const CameraId& camera, TimeRange range) {
    const auto seals = catalog_->Segments({camera, Stream::kMain}, range);
    LB_CHECK(seals.has_value());
    return seals->size();
  }
  void Flush() { LB_CHECK(catalog_->Flush().has_value()); }
  uint64_t rows() const { return catalog_->position(); }
  void OpenCold() {
    catalog_.reset();
    Open();
    DropPages(directory_);
  }
  const std::string& directory() const { return directory_; }

 private:
  void Open() {
    auto opened = index::Catalog::Open(directory_, {});
    LB_CHECK(opened.has_value());
    catalog_ = *std::move(opened);
  }

  std::string directory_;
  std::unique_ptr<index::Catalog> catalog_;
};

class Theirs {
 public:
  explicit Theirs(std::string directory) : directory_(std::move(directory)) {
    std::filesystem::create_directory(directory_);
    Open();
  }

  void Apply(const std::vector<index::Seal>& seals) { catalog_->Apply(seals); }
  size_t Read(const CameraId& camera, TimeRange range) {
    return catalog_->Segments(camera, range).size();
  }
  void Flush() { catalog_->Checkpoint(); }
  uint64_t rows() { return catalog_->Count(); }
  void OpenCold() {
    catalog_.reset();
    Open();
    DropPages(directory_);
  }
  const std::string& directory() const { return directory_; }

 private:
  void Open() { catalog_ = std::make_unique<SqliteCatalog>(directory_ + "/catalog.db"); }

  std::string directory_;
  std::unique_ptr<SqliteCatalog> catalog_;
};

struct Figures {
  double bytes_per_row = 0;
  double fill_seconds = 0;
  double fill_cpu_seconds = 0;
  double warm_ms = 0;
  double cold_ms = 0;
  double apply_ms = 0;
};

uint64_t g_rows = 1'000'000;

template <typename Store>
class Bench {
 public:
  Bench(std::string name, const std::string& directory)
      : name_(std::move(name)), store_(directory) {
    Add("Fill", [this](benchmark::State& state) { Fill(state); })->Iterations(1);
    Add("DayWarm", [this](benchmark::State& state) { DayWarm(state); });
    Add("DayCold", [this](benchmark::State& state) { DayCold(state); })->Iterations(kColdDays);
    Add("Apply", [this](benchmark::State& state) { Apply(state); })->Iterations(100);
  }

  const Figures& figures() const { return figures_; }

 private:
  template <typename Run>
  benchmark::internal::Benchmark* Add(const std::string& what, Run run) {
    return benchmark::RegisterBenchmark((name_ + what).c_str(), run)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }

  std::vector<index::Seal> Group() {
    std::vector<index::Seal> group(kGroupRows);
    for (index::Seal& seal : group) seal = rows_.Next();
    return group;
  }

  void Fill(benchmark::State& state) {
    for (auto _ : state) {
      const uint64_t there = GoOn();
      for (uint64_t i = there; i < g_rows; i += kGroupRows) {
        const std::vector<index::Seal> group = Group();
        FillPart([&] { store_.Apply(group); });
        if ((i + kGroupRows) % kRowsANote == 0) Note(i + kGroupRows);
      }
      FillPart([this] { store_.Flush(); });
      Note(std::max(there, g_rows));
      state.SetIterationTime(figures_.fill_seconds);
    }
    store_.OpenCold();
    figures_.bytes_per_row =
        static_cast<double>(BytesIn(store_.directory())) / static_cast<double>(g_rows);
    state.counters["B/row"] = figures_.bytes_per_row;
  }

  // How many rows are there already; what they took counts.
  uint64_t GoOn() {
    const uint64_t there = store_.rows();
    for (uint64_t i = 0; i < there; ++i) (void)rows_.Next();
    std::ifstream(NotePath()) >> figures_.fill_seconds >> figures_.fill_cpu_seconds;
    return there;
  }
  void Note(uint64_t rows) {
    std::ofstream(NotePath()) << figures_.fill_seconds << ' ' << figures_.fill_cpu_seconds << ' '
                              << rows << '\n';
  }
  std::string NotePath() const { return store_.directory() + "-fill"; }

  template <typename Part>
  void FillPart(Part part) {
    const double cpu = CpuSeconds();
    const auto start = std::chrono::steady_clock::now();
    part();
    figures_.fill_seconds += Seconds(start);
    figures_.fill_cpu_seconds += CpuSeconds() - cpu;
  }

  // The `number`th day of some camera, all of it recorded.
  double ReadDay(uint64_t number) {
    const uint64_t days = std::max<uint64_t>(g_rows / kCameras / kMinutesADay, 1);
    const TimeUs start = kStart + static_cast<int64_t>(number % days) * kUsPerDay + kUsPerMinute;
    const CameraId camera = Rows::Camera(static_cast<int>(number * 31 % kCameras));
    const auto begun = std::chrono::steady_clock::now();
    const size_t count = store_.Read(camera, {start, start + kUsPerDay - kUsPerMinute});
    const double seconds = Seconds(begun);
    LB_CHECK(count >= kMinutesADay - 2 && count <= kMinutesADay + 1);
    return seconds;
  }

  void DayWarm(benchmark::State& state) {
    (void)ReadDay(0);
    std::vector<double> times;
    for (auto _ : state) {
      times.push_back(ReadDay(0));
      state.SetIterationTime(times.back());
    }
    state.counters["median_ms"] = figures_.warm_ms = MedianMs(times);
  }

  void DayCold(benchmark::State& state) {
    std::vector<double> times;
    for (auto _ : state) {
      store_.OpenCold();
      times.push_back(ReadDay(times.size()));
      state.SetIterationTime(times.back());
    }
    state.counters["median_ms"] = figures_.cold_ms = MedianMs(times);
  }

  void Apply(benchmark::State& state) {
    for (int i = 0; i < kWarmUpGroups; ++i) store_.Apply(Group());  // What DayCold has dropped.
    std::vector<double> times;
    for (auto _ : state) {
      const std::vector<index::Seal> group = Group();
      const double start = ThreadCpuSeconds();
      store_.Apply(group);
      times.push_back(ThreadCpuSeconds() - start);
      state.SetIterationTime(times.back());
    }
    state.counters["median_ms"] = figures_.apply_ms = MedianMs(times);
  }

  std::string name_;
  Store store_;
  Rows rows_;
  Figures figures_;
};

void PrintRatios(const Figures& ours, const Figures& theirs) {
  const auto line = [](const char* what, double a, double b) {
    if (a > 0 && b > 0) {
      fmt::print("{:<24} {:9.3f}  SQLite {:9.3f}  ratio {:.2f}\n", what, a, b, a / b);
    }
  };
  line("bytes a row", ours.bytes_per_row, theirs.bytes_per_row);
  line("fill, s", ours.fill_seconds, theirs.fill_seconds);
  line("fill, CPU s", ours.fill_cpu_seconds, theirs.fill_cpu_seconds);
  line("day warm, ms", ours.warm_ms, theirs.warm_ms);
  line("day cold, ms", ours.cold_ms, theirs.cold_ms);
  line("apply 500, CPU ms", ours.apply_ms, theirs.apply_ms);
}

}  // namespace
}  // namespace lookback::bench

int main(int argc, char** argv) {
  using namespace lookback::bench;
  benchmark::Initialize(&argc, argv);
  std::string directory = "/tmp";
  std::string keep;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.rfind("--rows=", 0) == 0) {
      g_rows = std::stoull(std::string(argument.substr(7)));
    } else if (argument.rfind("--directory=", 0) == 0) {
      directory = argument.substr(12);
    } else if (argument.rfind("--keep=", 0) == 0) {
      keep = argument.substr(7);
    } else {
      fmt::print(stderr, "{}: not an option\n", argument);
      return 2;
    }
  }
  if (keep.empty()) {
    directory += "/lookback-bench-catalog-XXXXXX";
    LB_CHECK(mkdtemp(directory.data()) != nullptr);
  } else {
    directory = keep;
    std::filesystem::create_directories(directory);
  }
  {
    Bench<Ours> ours("Lookback", directory + "/catalog");
    Bench<Theirs> theirs("Sqlite", directory + "/sqlite");
    benchmark::RunSpecifiedBenchmarks();
    PrintRatios(ours.figures(), theirs.figures());
  }
  if (keep.empty()) std::filesystem::remove_all(directory);
  return 0;
}
