// tests/recorder/recorder_fixture.h: a recorder, a scripted camera on loopback, and a
// clock that the test moves.
#pragma once

#include <gtest/gtest.h>

#include "recorder/recorder.h"
#include "tests/recorder/fake_camera.h"
#include "tests/recorder/packets.h"
#include "tests/support/await.h"
#include "tests/support/fake_archive.h"

namespace lookback::test {

inline constexpr TimeUs kStart = 1'777'932'000 * kUsPerSecond;

class RecorderTest : public testing::Test {
 protected:
  void Start(bool audio = false) {
    recorder::Recorder::Options options;
    options.read_tick_us = 2'000;
    recorder_ = recorder::Recorder::Start(options, archive_, clock_);
    source_.id = id_;
    source_.url = camera_.url();
    source_.audio = audio;
    ASSERT_TRUE(recorder_->Put(source_));
  }

  // For what the loop's thread brings about.
  template <typename Condition>
  [[nodiscard]] bool Await(Condition condition) {
    return test::Await(std::move(condition));
  }
  bool AwaitRequests(const std::string& method, size_t count) {
    return Await([&] { return camera_.Count(method) >= count; });
  }
  bool AwaitError(const std::string& text) {
    return Await([&] { return Status().last_error.find(text) != std::string::npos; });
  }
  // The session has its tracks and takes media once the answer to PLAY is on its way; sync samples
  // are sent until one has arrived.
  bool AwaitRecording(size_t runs = 1) {
    return Await([&] {
      SendPicture(true);
      return archive_.Read().runs.size() >= runs &&
             Status().state == recorder::CameraState::kRecording;
    });
  }
  recorder::CameraStatus Status() { return *recorder_->StatusOf({id_}); }

  void SendPicture(bool sync) {
    const Bytes payload = sync ? Idr() : Predicted();
    const auto time = static_cast<uint32_t>(clock_.MonotonicUs() * 9 / 100);
    const Bytes packet = Rtp(sequence_, time, true, payload);
    if (!camera_.SendAndAwait(Interleaved(0, packet))) return;
    ++sequence_;
    clock_.Advance(40 * kUsPerMs);
  }

  uint16_t sequence_ = 65'530;
  FakeArchive archive_;
  ManualClock clock_{kStart};
  FakeCamera camera_;
  const CameraId id_ = *CameraId::Parse("gate");
  recorder::CameraSource source_;
  std::unique_ptr<recorder::Recorder> recorder_;
};

}  // namespace lookback::test
