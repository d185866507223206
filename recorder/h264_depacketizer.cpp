#include "recorder/h264_depacketizer.h"

#include <utility>

#include "media/fragment.h"
#include "media/h264.h"
#include "media/nal.h"

namespace lookback::recorder {
namespace {

// RFC 6184 §5.2.
constexpr uint8_t kLastSingleNal = 23;
constexpr uint8_t kStapA = 24;
constexpr uint8_t kFuA = 28;
constexpr uint8_t kTypeMask = 0x1f;

// Memory that a sample may waste before it is copied into as much as it needs.
constexpr size_t kMaxSlackBytes = 4 << 10;

bool IsSlice(uint8_t type) { return type >= 1 && type <= 5; }

}  // namespace

void H264Depacketizer::Push(const RtpPacket& packet, const PacketContext& context) {
  if (packet.payload.empty()) return;
  if (context.lost > 0) {
    lost_ += context.lost;
    damaged_ = true;
    DropFragment();
  }
  if (context.time != time_) {
    DropFragment();
    if (has_slice_) Emit();
    if (overflow_) {
      overflow_ = false;
      damaged_ = true;
    }
    time_ = context.time;
    if (context.lost > 0) damaged_ = true;
  }
  received_us_ = context.received_us;
  const uint8_t type = packet.payload[0] & kTypeMask;
  if (type == kFuA) {
    PushFragment(packet.payload);
  } else if (type == kStapA) {
    PushAggregate(packet.payload.subspan(1));
  } else if (type >= 1 && type <= kLastSingleNal) {
    DropFragment();
    AddNal(packet.payload);
  } else {
    damaged_ = true;  // Interleaved mode, which no camera was asked for.
  }
  if (!packet.marker) return;
  if (in_fragment_) EndFragment();  // Some cameras forget the end bit.
  if (trust_marker_ && has_slice_) Emit();
}

void H264Depacketizer::PushFragment(ByteSpan payload) {
  constexpr uint8_t kStart = 0x80;
  constexpr uint8_t kEnd = 0x40;
  if (payload.size() < 3) return;
  const uint8_t head = payload[1];
  const ByteSpan piece = payload.subspan(2);
  if ((head & kStart) != 0) {
    DropFragment();
    const auto nal_header = static_cast<uint8_t>((payload[0] & ~kTypeMask) | (head & kTypeMask));
    fragment_start_ = data_.size();
    if (!BeginNal(nal_header, piece)) return;
    in_fragment_ = true;
    data_.push_back(nal_header);
  } else if (!in_fragment_) {
    damaged_ = damaged_ || !overflow_;
    return;
  }
  if (!Fits(piece.size())) return GiveUp();
  data_.insert(data_.end(), piece.begin(), piece.end());
  if ((head & kEnd) != 0) EndFragment();
}

void H264Depacketizer::PushAggregate(ByteSpan payload) {
  DropFragment();
  ByteReader reader(payload);
  while (reader.remaining() > 0) {
    const ByteSpan nal = reader.Take(reader.U16());
    if (!reader.ok()) {
      damaged_ = true;
      return;
    }
    if (!nal.empty()) AddNal(nal);
  }
}

void H264Depacketizer::AddNal(ByteSpan nal) {
  const size_t start = data_.size();
  if (!BeginNal(nal[0], nal.subspan(1))) return;
  if (!Fits(nal.size())) return GiveUp();
  data_.insert(data_.end(), nal.begin(), nal.end());
  ByteWriter(data_).PatchU32(start, static_cast<uint32_t>(nal.size()));
  if (IsSlice(nal[0] & kTypeMask)) ++whole_slices_;
}

bool H264Depacketizer::BeginNal(uint8_t header, ByteSpan slice_data) {
  const uint8_t type = header & kTypeMask;
  if (overflow_) return false;
  if (type == 0 || type > kLastSingleNal) {
    damaged_ = true;
    return false;
  }
  if (IsSlice(type)) {
    // first_mb_in_slice is 0 exactly if its Exp-Golomb code begins with a one.
    const bool begins_picture = !slice_data.empty() && (slice_data[0] & 0x80) != 0;
    if (!has_slice_ && !begins_picture && emitted_ && time_ == emitted_time_) {
      trust_marker_ = false;
      damaged_ = true;
      return false;
    }
    if (!has_slice_) {
      has_idr_ = type == static_cast<uint8_t>(media::H264Nal::kIdrSlice);
      data_.reserve(data_.size() + usual_bytes_[has_idr_ ? 1 : 0]);
    }
    has_slice_ = true;
  }
  if (++nals_ > kMaxNalsPerAccessUnit || !Fits(media::kNalLengthBytes + 1)) {
    GiveUp();
    return false;
  }
  ByteWriter(data_).Zeros(media::kNalLengthBytes);
  return true;
}

bool H264Depacketizer::Fits(size_t more) const {
  return data_.size() + more <= media::kMaxSampleBytes;
}

void H264Depacketizer::GiveUp() {
  overflow_ = true;
  ++dropped_access_units_;
  Clear();
}

void H264Depacketizer::EndFragment() {
  in_fragment_ = false;
  const size_t bytes = data_.size() - fragment_start_ - media::kNalLengthBytes;
  ByteWriter(data_).PatchU32(fragment_start_, static_cast<uint32_t>(bytes));
  if (IsSlice(data_[fragment_start_ + media::kNalLengthBytes] & kTypeMask)) ++whole_slices_;
}

void H264Depacketizer::DropFragment() {
  if (!in_fragment_) return;
  in_fragment_ = false;
  damaged_ = true;
  data_.resize(fragment_start_);
}

void H264Depacketizer::Clear() {
  data_ = Bytes();
  nals_ = 0;
  whole_slices_ = 0;
  has_slice_ = false;
  in_fragment_ = false;
}

void H264Depacketizer::Emit() {
  if (whole_slices_ == 0) {  // Each lost a piece: there is no picture.
    Clear();
    return;
  }
  media::Sample sample;
  sample.track = media::TrackKind::kVideo;
  sample.pts = time_;
  sample.received_us = received_us_;
  sample.damaged = std::exchange(damaged_, false);
  sample.lost_packets = std::exchange(lost_, 0);
  if (data_.capacity() > data_.size() + data_.size() / 4 + kMaxSlackBytes) {
    sample.data.assign(data_.begin(), data_.end());
  } else {
    sample.data = std::move(data_);
  }
  Clear();
  emitted_ = true;
  emitted_time_ = time_;
  usual_bytes_[has_idr_ ? 1 : 0] = sample.data.size() + sample.data.size() / 8;
  sample.sync = media::InspectH264(sample.data).sync();
  sink_.OnSample(std::move(sample));
}

}  // namespace lookback::recorder
