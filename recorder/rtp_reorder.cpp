#include "recorder/rtp_reorder.h"

#include <algorithm>

#include "recorder/rtp.h"

namespace lookback::recorder {
namespace {

constexpr int64_t kFirstExtended = 1 << 16;  // Room for what was sent before the first to arrive.

uint16_t SequenceOf(ByteSpan packet) { return ByteReader(packet.subspan(2)).U16(); }

}  // namespace

RtpReorder::RtpReorder(Deliver deliver) : deliver_(std::move(deliver)) {}

void RtpReorder::Push(ByteSpan packet, int64_t received_us) {
  const auto parsed = ParseRtp(packet);
  if (!parsed) return;
  if (!begun_ || parsed->ssrc != ssrc_) {
    Flush();
    Begin(parsed->ssrc, parsed->sequence);
  }
  const auto ahead = static_cast<int16_t>(parsed->sequence - static_cast<uint16_t>(next_));
  if (ahead < RtpSequence::kMaxDropout && ahead > -RtpSequence::kMaxMisorder) {
    stray_.reset();
    return Place(next_ + ahead, packet, received_us);
  }
  if (stray_ && parsed->sequence == static_cast<uint16_t>(SequenceOf(stray_->packet) + 1)) {
    const Held first = *std::exchange(stray_, std::nullopt);
    Flush();
    Begin(ssrc_, SequenceOf(first.packet));
    Place(next_, first.packet, first.received_us);
    return Place(next_ + 1, packet, received_us);
  }
  stray_ = Held{Bytes(packet.begin(), packet.end()), received_us};
}

void RtpReorder::Begin(uint32_t ssrc, uint16_t sequence) {
  begun_ = true;
  in_turn_ = false;
  ssrc_ = ssrc;
  next_ = kFirstExtended + sequence;
  stray_.reset();
}

void RtpReorder::Place(int64_t sequence, ByteSpan packet, int64_t received_us) {
  if (in_turn_ && sequence == next_) {
    ++next_;
    deliver_(packet, received_us);
    return Drain();
  }
  if ((in_turn_ && sequence < next_) || held_.contains(sequence)) {
    ++late_;
    return;
  }
  held_.emplace(sequence, Held{Bytes(packet.begin(), packet.end()), received_us});
  held_bytes_ += packet.size();
  while (held_.size() > kMaxPackets || held_bytes_ > kMaxBytes) SkipToHeld();
}

void RtpReorder::SkipToHeld() {
  next_ = held_.begin()->first;
  in_turn_ = true;
  Drain();
}

void RtpReorder::Drain() {
  while (!held_.empty() && held_.begin()->first == next_) {
    const Held held = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    held_bytes_ -= held.packet.size();
    ++next_;
    deliver_(held.packet, held.received_us);
  }
}

void RtpReorder::Release(int64_t now_us) {
  while (!held_.empty()) {
    const auto oldest = std::min_element(
        held_.begin(), held_.end(),
        [](const auto& a, const auto& b) { return a.second.received_us < b.second.received_us; });
    if (now_us - oldest->second.received_us < kMaxWaitUs) return;
    SkipToHeld();
  }
}

void RtpReorder::Flush() {
  while (!held_.empty()) SkipToHeld();
}

}  // namespace lookback::recorder
