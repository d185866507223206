// recorder/access_unit_builder.h: access units of H.264 and H.265 from the NAL units and pieces of
// NAL units that packets hold: what RFC 6184 and RFC 7798 have in common.
//
// An access unit ends at the marker bit or where the timestamp changes, whichever comes first, and
// never before it has a slice: parameter sets that a camera marks, or times, by themselves go in
// front of the picture that follows. A camera that sets the marker on each slice is found out by
// the first slice that goes on with a picture already handed over; from then on only the timestamp
// counts.
//
// Invariant: NAL units come out as they came in, each behind a 4-byte length; one that lost a piece
//            is left out.
// Threads:   one builder, one thread.
// Errors:    an access unit of more than media::kMaxSampleBytes or kMaxNalsPerAccessUnit is left
//            out whole.
#pragma once

#include "recorder/depacketizer.h"

namespace lookback::recorder {

class AccessUnitBuilder {
 public:
  static constexpr uint32_t kMaxNalsPerAccessUnit = 4'096;

  AccessUnitBuilder(media::Codec codec, SampleSink& sink) : codec_(codec), sink_(sink) {}

  // Each packet is BeginPacket(), what it holds, EndPacket().
  void BeginPacket(const PacketContext& context);
  void EndPacket(bool marker);

  void AddNal(ByteSpan nal);
  // NAL units behind 16-bit lengths, as aggregation packets hold them (RFC 6184 §5.7.1, RFC 7798
  // §4.4.2).
  void AddAggregate(ByteSpan units);
  // A NAL unit of which there are only pieces; any AddNal() leaves an unfinished one out.
  void BeginFragment(ByteSpan nal_header, ByteSpan piece);
  void ContinueFragment(ByteSpan piece);
  void EndFragment();
  // Something in the packet could not be used.
  void MarkDamaged() { damaged_ = true; }

  uint64_t dropped_access_units() const { return dropped_access_units_; }

 private:
  // Makes room for a NAL unit and its length; false when it must be left out. `beginning`: its
  // header, and of a slice at least one byte more.
  bool BeginNal(ByteSpan beginning);
  void Append(ByteSpan bytes);
  bool Fits(size_t more) const;
  // Leaves the access unit out that is coming in: it is too large.
  void GiveUp();
  void DropFragment();
  void Clear();
  void Emit();

  const media::Codec codec_;
  SampleSink& sink_;
  Bytes data_;
  uint32_t nals_ = 0;
  uint32_t whole_slices_ = 0;
  bool has_slice_ = false;  // One has begun, at least.
  bool random_access_ = false;
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
  size_t usual_bytes_[2] = {};  // Of the last picture: [1] with random access, [0] without.
  uint64_t dropped_access_units_ = 0;
};

}  // namespace lookback::recorder
