#include "media/fragment_boxes.h"

#include "media/bmff.h"

namespace lookback::media {
namespace {

// Where in a `moof` of ours its values stand: `moof`, `mfhd`, `traf`, `tfhd`, `tfdt`, `trun`.
constexpr size_t kSequenceNumberAt = 8 + 12;
constexpr size_t kTfhdAt = 8 + 16 + 8;
constexpr size_t kSampleDescriptionAt = kTfhdAt + 12 + 4;
constexpr size_t kTfdtAt = kTfhdAt + 20;
constexpr size_t kBaseDecodeTimeAt = kTfdtAt + 12;
static_assert(kTfdtAt + 20 + 20 == kMoofFixedBytes);
constexpr size_t kPrftMediaTimeAt = 24;

void PutU32(std::span<uint8_t> bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

void PutI64(std::span<uint8_t> bytes, size_t at, int64_t value) {
  PutU32(bytes, at, static_cast<uint32_t>(static_cast<uint64_t>(value) >> 32));
  PutU32(bytes, at + 4, static_cast<uint32_t>(static_cast<uint64_t>(value)));
}

uint32_t SampleFlags(Sync sync) {
  switch (sync) {
    case Sync::kClosed:
      return kSyncSampleFlags;
    case Sync::kOpen:
      return kOpenSyncSampleFlags;
    case Sync::kNone:
      break;
  }
  return kOtherSampleFlags;
}

void WriteRun(const FragmentTrack& track, uint32_t moof_bytes, ByteWriter& out) {
  const bool video = track.kind == TrackKind::kVideo;
  const BoxScope trun(out, "trun", 1, video ? kVideoTrunFlags : kAudioTrunFlags);
  out.U32(static_cast<uint32_t>(track.samples.size()));
  out.U32(moof_bytes + kMdatHeaderBytes);
  for (const SampleInfo& sample : track.samples) {
    out.U32(sample.duration);
    out.U32(sample.size);
    if (!video) continue;
    out.U32(SampleFlags(sample.sync));
    out.I32(sample.composition_offset);
  }
}

uint32_t MoofBytes(const FragmentTrack& track) {
  const uint32_t row = track.kind == TrackKind::kVideo ? kVideoRowBytes : kAudioRowBytes;
  return kMoofFixedBytes + row * static_cast<uint32_t>(track.samples.size());
}

}  // namespace

uint64_t NtpTime(TimeUs time_us) {
  constexpr uint64_t kNtpSecondsTo1970 = 2'208'988'800;
  const uint64_t us = static_cast<uint64_t>(time_us);
  const uint64_t seconds = us / kUsPerSecond + kNtpSecondsTo1970;
  const uint64_t fraction = ((us % kUsPerSecond) << 32) / kUsPerSecond;
  return seconds << 32 | fraction;
}

void WriteProducerReferenceTime(const FragmentInfo& info, ByteWriter& out) {
  const BoxScope prft(out, "prft", 1, 0);
  out.U32(1);
  out.U64(NtpTime(info.start_us));
  out.I64(info.tracks[0].base_decode_time);
}

void WriteTrackFragment(uint32_t number, uint32_t track_id, const FragmentTrack& track,
                        ByteWriter& out) {
  const uint32_t moof_bytes = MoofBytes(track);
  {
    const BoxScope moof(out, "moof");
    {
      const BoxScope mfhd(out, "mfhd", 0, 0);
      out.U32(number);
    }
    const BoxScope traf(out, "traf");
    {
      const BoxScope tfhd(out, "tfhd", 0, kTfhdFlags);
      out.U32(track_id);
      out.U32(1);
    }
    {
      const BoxScope tfdt(out, "tfdt", 1, 0);
      out.I64(track.base_decode_time);
    }
    WriteRun(track, moof_bytes, out);
  }
  out.U32(static_cast<uint32_t>(kMdatHeaderBytes + track.data_bytes()));
  out.Text("mdat");
}

void MoveTrackFragment(const TrackFragmentPlace& place, const FragmentTrack& track,
                       std::span<uint8_t> moof) {
  LB_CHECK(moof.size() >= MoofBytes(track));
  PutU32(moof, kSequenceNumberAt, place.number);
  PutU32(moof, kSampleDescriptionAt, place.description);
  PutI64(moof, kBaseDecodeTimeAt, track.base_decode_time + place.shift);
  if (place.longer_by == 0) return;
  const uint32_t row = track.kind == TrackKind::kVideo ? kVideoRowBytes : kAudioRowBytes;
  const size_t last = kMoofFixedBytes + row * (track.samples.size() - 1);
  PutU32(moof, last, track.samples.back().duration + place.longer_by);
}

void MoveProducerReferenceTime(int64_t shift, std::span<uint8_t> prft) {
  LB_CHECK(prft.size() >= kPrftBytes);
  ByteReader in(prft.subspan(kPrftMediaTimeAt, 8));
  PutI64(prft, kPrftMediaTimeAt, in.I64() + shift);
}

uint64_t TrackFragmentBytes(const FragmentTrack& track) {
  return MoofBytes(track) + kMdatHeaderBytes;
}

}  // namespace lookback::media
