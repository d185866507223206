// bench_rebuild: how fast a lost catalog is made again.
//
//   bench_rebuild [--directory=/tmp] [--segments=1000000] [--files=20000] [--rounds=5]
//                                                  (needs 1.5 GB there; less with fewer segments)
//
//   Snapshot    Rebuild (storage/check.h) from a snapshot that has 99 of 100 segments, and the
//               ledger records after it
//   Ledger      the same store without its snapshot: every record of the ledger
//   Files       RebuildFromFiles: ledger and snapshots gone, every segment file read to its end
//
// Method: an archive of 20 cameras, minute after minute, with a gap for each seven
// segments, a deletion or loss for each ten, and markers, holds, notes and alarms between
// (tests/support/synthetic_archive.h). The segments of Snapshot and Ledger have no files, for those
// are not looked at. The files of Files have two kilobytes, so what is measured is what a file
// costs, not a byte: bytes are read at the rate of SHA-256, or of the disk. All of it is in the
// page cache. Snapshot and Ledger take turns; the lines are medians, with the least and the most,
// of wall time and of CPU time, which a busy machine lengthens less.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>

#include "bench/cpu_time.h"
#include "bench/program.h"
#include "storage/check.h"
#include "storage/snapshot.h"
#include "storage/store.h"
#include "tests/support/synthetic_archive.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

struct Asked {
  std::string directory = "/tmp";
  uint64_t segments = 1'000'000;
  uint64_t files = 20'000;
  int rounds = 5;
};

using bench::Must;

class Archive {
 public:
  Archive(std::string root, uint64_t segments, bool with_files)
      : data_(std::move(root) + "/data"), volume_(data_ + "/volume") {
    storage::StoreOptions options;
    options.data = data_;
    options.copy_ledger = false;
    auto store = Must(storage::Store::Open(options, clock_, *files_));
    const Uuid id = store->id(), volume = store->volumes().front()->id();
    store.reset();
    test::SyntheticArchive archive({id, volume, with_files ? volume_ : ""}, *files_);
    const auto ledger = Must(storage::Ledger::Open(data_ + "/ledger", id, clock_, *files_));
    const auto catalog = Must(index::Catalog::Open(data_ + "/catalog", {}));
    bool taken = false;
    for (uint64_t done = 0; done < segments; done += test::SyntheticArchive::kGroup) {
      const auto numbered = Must(ledger->Append(archive.Next(test::SyntheticArchive::kGroup)));
      Must(ledger->Sync());
      Must(catalog->Apply(numbered));
      if (taken || (done + test::SyntheticArchive::kGroup) * 100 < segments * 99) continue;
      taken = true;
      const auto start = std::chrono::steady_clock::now();
      snapshot_ = Must(storage::WriteSnapshot(Snapshots(), id, *catalog, *ledger, 0, *files_));
      written_in_ = std::chrono::steady_clock::now() - start;
    }
    ledger_bytes_ = ledger->bytes();
    live_ = archive.live().size();
  }

  std::string Snapshots() const { return data_ + "/snapshots"; }
  const std::string& data() const { return data_; }
  uint64_t live() const { return live_; }

  void Tell() const {
    fmt::print(
        "{} segments on record; ledger {:.0f} MB; snapshot of {} rows {:.0f} MB ({:.0f} "
        "bytes a row), written in {:.1f} s\n",
        live_, static_cast<double>(ledger_bytes_) / 1e6, snapshot_.rows,
        static_cast<double>(snapshot_.bytes) / 1e6,
        static_cast<double>(snapshot_.bytes) / static_cast<double>(snapshot_.rows),
        written_in_.count());
  }
  void RebuildNow() {
    const auto report = Must(storage::Rebuild(data_, clock_, *files_, {}));
    LB_CHECK(report.segments == live_);
  }
  void FromFiles() {
    const auto report = Must(storage::RebuildFromFiles({data_, {}, true}, clock_, *files_, {}));
    LB_CHECK(report.segments == live_);
    for (const std::string& path : report.set_apart) fs::remove_all(path);
  }

 private:
  const std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  ManualClock clock_{test::kEvening};
  const std::string data_, volume_;
  storage::Snapshot snapshot_;
  std::chrono::duration<double> written_in_{};
  uint64_t ledger_bytes_ = 0, live_ = 0;
};

class Times {
 public:
  void Measure(const std::function<void()>& work) {
    const double cpu = bench::CpuSeconds();
    const auto start = std::chrono::steady_clock::now();
    work();
    wall_.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    cpu_.push_back(bench::CpuSeconds() - cpu);
  }
  void Tell(const char* name, uint64_t segments) {
    std::sort(wall_.begin(), wall_.end());
    std::sort(cpu_.begin(), cpu_.end());
    const double wall = wall_[wall_.size() / 2], cpu = cpu_[cpu_.size() / 2];
    const auto count = static_cast<double>(segments);
    fmt::print(
        "{:<9} {:7.2f} s ({:.2f} to {:.2f}), {:8.0f} segments a second; CPU {:7.2f} s ({:.2f} "
        "to {:.2f}), {:8.0f} a CPU second\n",
        name, wall, wall_.front(), wall_.back(), count / wall, cpu, cpu_.front(), cpu_.back(),
        count / cpu);
  }

 private:
  std::vector<double> wall_, cpu_;
};

void Run(const Asked& asked, const std::string& root) {
  {
    Archive archive(root + "/rows", asked.segments, /*with_files=*/false);
    archive.Tell();
    const std::string hidden = archive.data() + "/hidden";
    Times snapshot, ledger;
    for (int round = 0; round < asked.rounds; ++round) {
      snapshot.Measure([&] { archive.RebuildNow(); });
      fs::rename(archive.Snapshots(), hidden);
      ledger.Measure([&] { archive.RebuildNow(); });
      fs::rename(hidden, archive.Snapshots());
    }
    snapshot.Tell("Snapshot", archive.live());
    ledger.Tell("Ledger", archive.live());
  }
  fs::remove_all(root + "/rows");
  Archive archive(root + "/files", asked.files, /*with_files=*/true);
  fs::remove_all(archive.Snapshots());
  Times files;
  for (int round = 0; round < asked.rounds; ++round) files.Measure([&] { archive.FromFiles(); });
  files.Tell("Files", archive.live());
}

}  // namespace
}  // namespace lookback

int main(int argc, char** argv) {
  lookback::Asked asked;
  const bool understood = lookback::bench::ParseOptions(
      argc, argv,
      {{"--directory", [&](const std::string& value) { asked.directory = value; }},
       {"--segments", [&](const std::string& value) { asked.segments = std::stoull(value); }},
       {"--files", [&](const std::string& value) { asked.files = std::stoull(value); }},
       {"--rounds",
        [&](const std::string& value) { asked.rounds = std::max(1, std::stoi(value)); }}});
  if (!understood) return 2;
  const lookback::bench::WorkDirectory work(asked.directory, "rebuild");
  lookback::Run(asked, work.path());
  return 0;
}
