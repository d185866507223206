// recorder/h264_depacketizer.h: access units of H.264 from RTP (RFC 6184, packetization modes 0 and
// 1: single NAL units, STAP-A, FU-A).
//
// An access unit ends at the marker bit or where the timestamp changes, whichever comes first, and
// never before it has a slice: parameter sets that a camera marks, or times, by themselves go in
// front of the picture that follows. A camera that sets the marker on each slice is found out by
// the first slice that goes on with a picture already handed over; from then on only the timestamp
// counts.
//
// Invariant: NAL units come out as they came in, each behind a 4-byte length; one that lost a piece
//            is left out.
// Threads:   one depacketizer, one thread.
// Errors:    an access unit of more than media::kMaxSampleBytes or kMaxNalsPerAccessUnit is left
//            out whole.
#pragma once

#include "recorder/depacketizer.h"

namespace lookback::recorder {

class H264Depacketizer : public Depacketizer {
 public:
  static constexpr uint32_t kMaxNalsPerAccessUnit = 4'096;

  explicit H264Depacketizer(SampleSink& sink) : sink_(sink) {}

  void Push(const RtpPacket& packet, const PacketContext& context) override;

  uint64_t dropped_access_units() const { return dropped_access_units_; }

 private:
  void PushFragment(ByteSpan payload);
  void PushAggregate(ByteSpan payload);
  void AddNal(ByteSpan nal);
  // Makes room for a NAL unit and its length; false when it must be left out.
  bool BeginNal(uint8_t header, ByteSpan slice_data);
  bool Fits(size_t more) const;
  // Leaves the access unit out that is coming in: it is too large.
  void GiveUp();
  void EndFragment();
  void DropFragment();
  void Clear();
  void Emit();

  SampleSink& sink_;
  Bytes data_;
  uint32_t nals_ = 0;
  uint32_t whole_slices_ = 0;
  bool has_slice_ = false;  // One has begun, at least.
  bool has_idr_ = false;
  int64_t time_ = 0;
  int64_t received_us_ = 0;
  uint32_t lost_ = 0;
  bool damaged_ = false;
  bool overflow_ = false;  // The access unit that is coming in is left out.

  bool in_fragment_ = false;
  size_t fragment_start_ = 0;  // Of its length in data_.

  bool trust_marker_ = true;
  bool emitted_ = false;  // Something was handed over, with ...
  int64_t emitted_time_ = 0;
  size_t usual_bytes_[2] = {};  // Of the last picture: [0] other, [1] IDR.
  uint64_t dropped_access_units_ = 0;
};

}  // namespace lookback::recorder
