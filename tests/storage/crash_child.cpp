// Records synthetic footage of several cameras until it is killed, and tells on standard output
// how far each is in a file and how far it is durable: "<camera> <recorded> <durable>".
//
//   storage_crash_child DATA VOLUME START_US CAMERAS
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "storage/store.h"
#include "tests/support/synthetic_footage.h"

namespace lookback::storage {
namespace {

// How far a run may be ahead of its file: the queue must not fill.
constexpr TimeUs kAheadUs = 5 * kUsPerSecond;

int Record(const StoreOptions& options, TimeUs start_us, int cameras) {
  SystemClock clock;
  const auto files = MakePosixFileSystem();
  auto store = Store::Open(options, clock, *files);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.message().c_str());
    return 1;
  }
  Archive& archive = (*store)->archive();
  std::vector<std::unique_ptr<test::SyntheticRun>> runs;
  std::vector<std::unique_ptr<Recording>> recordings;
  for (int i = 0; i < cameras; ++i) {
    runs.push_back(std::make_unique<test::SyntheticRun>(
        test::MakeStream("camera-" + std::to_string(i)), start_us));
    auto recording = archive.Begin(runs.back()->info());
    if (!recording) return 1;
    recordings.push_back(std::move(*recording));
  }
  for (;;) {
    for (int i = 0; i < cameras; ++i) {
      media::Fragment fragment = runs[size_t(i)]->Next();
      const TimeUs end_us = fragment.info.end_us;
      if (!recordings[size_t(i)]->Append(std::move(fragment))) return 1;
      StreamStatus status = archive.StatusOf(runs[size_t(i)]->info().stream);
      while (status.recorded_until_us + kAheadUs < end_us && end_us > start_us + kAheadUs) {
        std::this_thread::yield();
        status = archive.StatusOf(status.stream);
      }
      std::printf("%s %lld %lld\n", status.stream.camera.text().c_str(),
                  static_cast<long long>(status.recorded_until_us),
                  static_cast<long long>(status.durable_until_us));
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace lookback::storage

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  lookback::storage::StoreOptions options;
  options.data = argv[1];
  options.volumes = {argv[2]};
  options.sync_interval_us = lookback::kUsPerSecond / 20;  // Many groups in a short life.
  return lookback::storage::Record(options, std::strtoll(argv[3], nullptr, 10), std::atoi(argv[4]));
}
