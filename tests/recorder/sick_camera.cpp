#include "tests/recorder/sick_camera.h"

#include <fmt/format.h>

#include <chrono>
#include <string>

namespace lookback::test {
namespace {

constexpr size_t kSyncBytes = 4'000;
constexpr size_t kPredictedBytes = 800;

}  // namespace

SickCamera::SickCamera() {
  rtsp_.SetDescription(
      "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
      "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=" +
      kSpropSets + "\r\na=control:track1\r\n");
  rtsp_.SetAnswer([this](const FakeCamera::Request& request) { return Answer(request); });
  thread_ = std::thread([this] { Run(); });
}

SickCamera::~SickCamera() {
  rtsp_.HangUp();
  StopPictures();
}

void SickCamera::StopPictures() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

std::string SickCamera::Answer(const FakeCamera::Request& request) {
  std::shared_ptr<const Illness> illness;
  {
    const std::lock_guard lock(mutex_);
    illness = illness_;
  }
  if (illness && illness->answer) return illness->answer(*this, request);
  if (request.method == "PLAY") {
    in_gop_ = 0;
    playing_connection_ = request.connection;
  }
  return rtsp_.Usual(request);
}

void SickCamera::FallIll(Illness illness) {
  const bool begins_anew = illness.begins_anew;
  {
    const std::lock_guard lock(mutex_);
    pictures_ill_ = 0;
    illness_ = std::make_shared<const Illness>(std::move(illness));
  }
  if (begins_anew) rtsp_.HangUp();
}

void SickCamera::Recover() {
  const std::lock_guard lock(mutex_);
  illness_.reset();
}

std::set<uint64_t> SickCamera::sent() const {
  const std::lock_guard lock(mutex_);
  return sent_;
}

SickCamera::Picture SickCamera::Next() {
  Picture picture;
  const bool sync = in_gop_++ % kGop == 0;
  picture.nal = sync ? Idr(kSyncBytes) : Predicted(kPredictedBytes);
  const std::string text = fmt::format("{:016x}", number_.load());
  std::copy(text.begin(), text.end(), picture.nal.end() - kNumberBytes);
  picture.sequence = static_cast<uint16_t>(number_);
  picture.time = time_;
  time_ += frame_ticks;
  picture.ssrc = ssrc;
  ++number_;
  return picture;
}

void SickCamera::Send(const Picture& picture) {
  const bool sent = rtsp_.Send(Interleaved(0, Rtp(picture.sequence, picture.time, true, picture.nal,
                                                  picture.payload_type, picture.ssrc)));
  const auto number = NumberOf(picture.nal);
  if (!sent || !number) return;
  const std::lock_guard lock(mutex_);
  sent_.insert(*number);
}

std::optional<uint64_t> SickCamera::NumberOf(ByteSpan sample) {
  if (sample.size() < kNumberBytes) return std::nullopt;
  const std::string text(AsText(sample.last(kNumberBytes)));
  if (text[0] != '0') return std::nullopt;  // No camera gets as far as 1 << 60.
  return std::stoull(text, nullptr, 16);
}

void SickCamera::Run() {
  auto due = std::chrono::steady_clock::now();
  while (!stopping_) {
    due += std::chrono::microseconds(kFrameUs);
    std::this_thread::sleep_until(due);  // A camera's pace, not a wait for anything.
    if (playing_connection_ == 0 || playing_connection_ != rtsp_.connections()) continue;
    std::shared_ptr<const Illness> illness;
    {
      const std::lock_guard lock(mutex_);
      illness = illness_;
    }
    if (illness && illness->send) {
      illness->send(*this);
      ++pictures_ill_;
    } else {
      frame_ticks = kFrameTicks;
      SendNext();
    }
  }
}

}  // namespace lookback::test
