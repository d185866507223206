// tests/recorder/sick_camera.h: a scripted camera that sends numbered pictures in real
// time, and can fall ill.
//
// Well, it sends 25 pictures a second, five to a GOP, each with its number in its last bytes, and
// begins with a sync sample at each PLAY. Ill, a script answers its requests or sends in place of
// the picture that is due, or both.
//
// Threads:   the pictures come from a thread of its own; FallIll() and so on from the test's.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "tests/recorder/fake_camera.h"
#include "tests/recorder/packets.h"

namespace lookback::test {

class SickCamera {
 public:
  static constexpr int64_t kFrameUs = 40'000;
  static constexpr uint32_t kFrameTicks = 3'600;
  static constexpr uint64_t kGop = 5;
  static constexpr size_t kNumberBytes = 16;
  static constexpr uint8_t kPayloadType = 96;

  struct Illness {
    std::function<std::string(SickCamera&, const FakeCamera::Request&)> answer;
    std::function<void(SickCamera&)> send;  // Each time a picture is due.
    bool begins_anew = false;               // It shows when the camera is asked anew.
  };

  SickCamera();
  ~SickCamera();
  SickCamera(const SickCamera&) = delete;
  SickCamera& operator=(const SickCamera&) = delete;

  FakeCamera& rtsp() { return rtsp_; }

  void FallIll(Illness illness);
  void Recover();
  void StopPictures();  // Returns when the last one was sent.

  // The numbers of the pictures that were sent, whole.
  std::set<uint64_t> sent() const;

  // For scripts. A picture as it would be sent next, and one with something else in it.
  struct Picture {
    uint16_t sequence = 0;
    uint32_t time = 0;
    uint8_t payload_type = kPayloadType;
    uint32_t ssrc = 0;
    Bytes nal;
  };
  Picture Next();
  void Send(const Picture& picture);
  void SendNext() { Send(Next()); }
  void SendRaw(const Bytes& bytes) { (void)rtsp_.Send(bytes); }
  uint64_t pictures_ill() const { return pictures_ill_; }
  bool stopping() const { return stopping_; }
  uint32_t ssrc = 0x11223344;
  uint32_t frame_ticks = kFrameTicks;  // Until it recovers.

  // The number of a picture, from the end of its sample; nullopt: it has none.
  static std::optional<uint64_t> NumberOf(ByteSpan sample);

 private:
  std::string Answer(const FakeCamera::Request& request);
  void Run();

  FakeCamera rtsp_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Illness> illness_;
  std::set<uint64_t> sent_;
  std::atomic<int> playing_connection_{0};
  std::atomic<uint64_t> number_{0};
  std::atomic<uint64_t> in_gop_{0};
  uint32_t time_ = 0;
  std::atomic<uint64_t> pictures_ill_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace lookback::test
