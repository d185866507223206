#include "recorder/access_unit_builder.h"

#include <array>
#include <utility>

#include "media/fragment.h"
#include "media/nal.h"
#include "media/nal_codec.h"

namespace lookback::recorder {
namespace {

using media::NalRole;

// Memory that a sample may waste before it is copied into as much as it needs.
constexpr size_t kMaxSlackBytes = 4 << 10;
constexpr size_t kMaxNalHeaderBytes = 2;

}  // namespace

void AccessUnitBuilder::BeginPacket(const PacketContext& context) {
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
}

void AccessUnitBuilder::EndPacket(bool marker) {
  if (!marker) return;
  EndFragment();  // Some cameras forget the end bit.
  if (trust_marker_ && has_slice_) Emit();
}

void AccessUnitBuilder::AddNal(ByteSpan nal) {
  DropFragment();
  const size_t start = data_.size();
  if (!BeginNal(nal)) return;
  if (!Fits(nal.size())) return GiveUp();
  Append(nal);
  ByteWriter(data_).PatchU32(start, static_cast<uint32_t>(nal.size()));
  if (media::RoleOf(codec_, nal) == NalRole::kSlice) ++whole_slices_;
}

void AccessUnitBuilder::AddAggregate(ByteSpan units) {
  ByteReader reader(units);
  while (reader.remaining() > 0) {
    const ByteSpan nal = reader.Take(reader.U16());
    if (!reader.ok()) return MarkDamaged();
    if (!nal.empty()) AddNal(nal);
  }
}

void AccessUnitBuilder::BeginFragment(ByteSpan nal_header, ByteSpan piece) {
  DropFragment();
  fragment_start_ = data_.size();
  std::array<uint8_t, kMaxNalHeaderBytes + 1> beginning{};
  std::copy(nal_header.begin(), nal_header.end(), beginning.begin());
  if (!piece.empty()) beginning[nal_header.size()] = piece[0];
  if (!BeginNal(ByteSpan(beginning).first(nal_header.size() + 1))) return;
  in_fragment_ = true;
  Append(nal_header);
  ContinueFragment(piece);
}

void AccessUnitBuilder::ContinueFragment(ByteSpan piece) {
  if (!in_fragment_) {
    damaged_ = damaged_ || !overflow_;
    return;
  }
  if (!Fits(piece.size())) return GiveUp();
  Append(piece);
}

void AccessUnitBuilder::EndFragment() {
  if (!in_fragment_) return;
  in_fragment_ = false;
  const ByteSpan nal = ByteSpan(data_).subspan(fragment_start_ + media::kNalLengthBytes);
  if (media::RoleOf(codec_, nal) == NalRole::kSlice) ++whole_slices_;
  ByteWriter(data_).PatchU32(fragment_start_, static_cast<uint32_t>(nal.size()));
}

bool AccessUnitBuilder::BeginNal(ByteSpan beginning) {
  if (overflow_) return false;
  const NalRole role = media::RoleOf(codec_, beginning);
  if (role == NalRole::kUnusable) {
    damaged_ = true;
    return false;
  }
  if (role == NalRole::kSlice) {
    const bool goes_on = !media::BeginsPicture(codec_, beginning);
    if (!has_slice_ && goes_on && emitted_ && time_ == emitted_time_) {
      trust_marker_ = false;
      damaged_ = true;
      return false;
    }
    if (!has_slice_) {
      random_access_ = media::IsRandomAccessSlice(codec_, beginning);
      data_.reserve(data_.size() + usual_bytes_[random_access_ ? 1 : 0]);
    }
    has_slice_ = true;
  }
  if (++nals_ > kMaxNalsPerAccessUnit || !Fits(media::kNalLengthBytes + kMaxNalHeaderBytes)) {
    GiveUp();
    return false;
  }
  ByteWriter(data_).Zeros(media::kNalLengthBytes);
  return true;
}

void AccessUnitBuilder::Append(ByteSpan bytes) {
  data_.insert(data_.end(), bytes.begin(), bytes.end());
}

bool AccessUnitBuilder::Fits(size_t more) const {
  return data_.size() + more <= media::kMaxSampleBytes;
}

void AccessUnitBuilder::GiveUp() {
  overflow_ = true;
  ++dropped_access_units_;
  Clear();
}

void AccessUnitBuilder::DropFragment() {
  if (!in_fragment_) return;
  in_fragment_ = false;
  damaged_ = true;
  data_.resize(fragment_start_);
}

void AccessUnitBuilder::Clear() {
  data_ = Bytes();
  nals_ = 0;
  whole_slices_ = 0;
  has_slice_ = false;
  in_fragment_ = false;
}

void AccessUnitBuilder::Emit() {
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
  usual_bytes_[random_access_ ? 1 : 0] = sample.data.size() + sample.data.size() / 8;
  sample.sync = media::SyncOf(codec_, sample.data);
  sink_.OnSample(std::move(sample));
}

}  // namespace lookback::recorder
