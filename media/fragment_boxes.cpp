#include "media/fragment_boxes.h"

#include "media/bmff.h"

namespace lookback::media {
namespace {

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

uint64_t TrackFragmentBytes(const FragmentTrack& track) {
  return MoofBytes(track) + kMdatHeaderBytes;
}

}  // namespace lookback::media
