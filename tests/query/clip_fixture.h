// tests/query/clip_fixture.h: recorded footage, clips of it, and what a player should see.
//
// Invariant: expectations come from the source's pictures and the times it was recorded at, not
//            from the code under test.
// Threads:   one.
// Errors:    by GoogleTest.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "query/clip.h"
#include "tests/query/camera_clip.h"
#include "tests/query/player.h"
#include "tests/support/file_footage.h"

namespace lookback::test {

inline constexpr TimeUs kStart = 1'777'903'200 * kUsPerSecond + 123'456;
inline constexpr TimeUs kNow = kStart + kUsPerDay;
constexpr TimeUs After(double seconds) {
  return kStart + static_cast<TimeUs>(seconds * static_cast<double>(kUsPerSecond));
}

// 20 s, 25 pictures a second, B-frames, a GOP of 2 s.
const CameraClip& StreetClip();
// The same with other dimensions, and so with other parameter sets.
const CameraClip& SmallClip();

class ClipTest : public ::testing::Test {
 protected:
  ClipTest();

  // A camera's clip recorded from `start_us` as one run.
  void Record(const CameraClip& clip, TimeUs start_us, int64_t segment_us = 6 * kUsPerSecond,
              int64_t slew_ppm = 0);

  query::ClipRequest Request(TimeUs start_us, TimeUs end_us,
                             query::GapMode gaps = query::GapMode::kKeep) const;
  std::shared_ptr<const query::Clip> Plan(const query::ClipRequest& request);
  Error PlanError(const query::ClipRequest& request);

  static Bytes ReadAll(const query::Clip& clip);
  static Played PlayClip(const query::Clip& clip);
  std::string Save(const query::Clip& clip, const std::string& name);

  // Pictures that were on screen in a range, by the recording: the expected content of a clip.
  std::vector<Picture> OnScreen(TimeUs start_us, TimeUs end_us) const;
  // That a player shows exactly those, without a word, and that the duration is right to a frame.
  void ExpectShows(const query::Clip& clip, TimeUs start_us, TimeUs end_us);

  StreamId stream_;
  TempDir dir_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  FileFootage footage_{*files_, dir_.path()};
  struct Shown {
    TimeRange on_screen;
    Picture picture;
  };
  std::vector<Shown> shown_;  // Everything recorded, by time.
};

std::vector<uint64_t> Hashes(const std::vector<Picture>& pictures);

}  // namespace lookback::test
