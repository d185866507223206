#include "doctor/speed.h"

#include <algorithm>
#include <array>

#include "base/ids.h"

namespace lookback::doctor {
namespace {

// Bytes that no file system keeps in less space than they have.
Bytes Noise(uint64_t count) {
  Bytes noise(count);
  uint64_t state = 0x9e3779b97f4a7c15;
  for (uint8_t& byte : noise) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<uint8_t>(state >> 56);
  }
  return noise;
}

double PerSecond(uint64_t bytes, int64_t us) {
  return static_cast<double>(bytes) * kUsPerSecond / static_cast<double>(std::max<int64_t>(us, 1));
}

}  // namespace

Result<Speed> MeasureSpeed(const std::string& directory, const Clock& clock, FileSystem& files) {
  LB_TRY_ASSIGN(space, files.FreeSpace(directory));
  if (space.free_bytes < kSpeedFreeBytes) {
    return Fail(Code::kUnavailable, "too little space is free there");
  }
  const std::string path = JoinPath(directory, ".lookback-speed-" + Uuid::Random().text());
  LB_TRY_ASSIGN(file, files.Open(path, OpenMode::kCreateNew));
  LB_TRY(files.Remove(path));  // It lives as long as it is open.
  const Bytes noise = Noise(kSpeedPieceBytes);
  const std::array<ByteSpan, 1> parts = {ByteSpan(noise)};
  uint64_t written = 0;
  int64_t began_us = clock.MonotonicUs();
  while (written < kSpeedBytes && clock.MonotonicUs() - began_us < kSpeedTimeUs) {
    LB_TRY(file->WriteAt(written, parts));
    LB_TRY(file->Sync());
    written += noise.size();
  }
  Speed speed;
  speed.write = PerSecond(written, clock.MonotonicUs() - began_us);
  file->ForgetCached();
  Bytes piece(kSpeedPieceBytes);
  uint64_t read = 0;
  began_us = clock.MonotonicUs();
  while (read < written && clock.MonotonicUs() - began_us < kSpeedTimeUs) {
    LB_TRY_ASSIGN(got, file->ReadAt(read, piece));
    if (got == 0) break;
    read += got;
  }
  speed.read = PerSecond(read, clock.MonotonicUs() - began_us);
  return speed;
}

}  // namespace lookback::doctor
