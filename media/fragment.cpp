#include "media/fragment.h"

#include <string>

#include "media/bmff.h"
#include "media/fragment_boxes.h"

namespace lookback::media {
namespace {

// Decoding times may run ahead of presentation times by a little in a broken stream.
constexpr int64_t kMaxDecodeTime = 2 * kMaxMediaTicks;

auto Corrupt(size_t offset, const std::string& what) {
  return Fail(Code::kCorrupt, "fragment, at byte " + std::to_string(offset) + ": " + what);
}

// Steps over the head of a box of fixed form; false when it is another.
bool Expect(ByteReader& in, uint32_t size, std::string_view type) {
  return in.U32() == size && in.U32() == MakeFourCc(type);
}
bool Expect(ByteReader& in, uint32_t size, std::string_view type, uint8_t version, uint32_t flags) {
  return Expect(in, size, type) && in.U8() == version && in.U24() == flags;
}

bool ReadSync(uint32_t flags, Sync& sync) {
  sync = flags == kSyncSampleFlags       ? Sync::kClosed
         : flags == kOpenSyncSampleFlags ? Sync::kOpen
                                         : Sync::kNone;
  return sync != Sync::kNone || flags == kOtherSampleFlags;
}

Status ReadRows(ByteReader& in, uint32_t count, FragmentTrack& track) {
  const bool video = track.kind == TrackKind::kVideo;
  track.samples.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    SampleInfo sample;
    sample.duration = in.U32();
    sample.size = in.U32();
    sample.sync = Sync::kClosed;
    const bool known = !video || ReadSync(in.U32(), sample.sync);
    if (video) sample.composition_offset = in.I32();
    if (!in.ok() || !known || sample.duration == 0 || sample.size == 0 ||
        sample.size > kMaxSampleBytes) {
      return Corrupt(in.position(), "row " + std::to_string(i) + " of trun");
    }
    track.samples.push_back(sample);
  }
  return Ok();
}

// One `moof` and the `mdat` after it.
Status ReadTrackFragment(ByteReader& in, FragmentInfo& info) {
  const size_t start = in.position();
  const uint32_t moof_bytes = in.U32();
  const uint32_t track_id = static_cast<uint32_t>(info.tracks.size()) + 1;
  if (in.U32() != MakeFourCc("moof") || moof_bytes < kMoofFixedBytes ||
      moof_bytes > in.remaining()) {
    return Corrupt(start, "moof expected");
  }
  if (!Expect(in, 16, "mfhd", 0, 0)) return Corrupt(start + 8, "mfhd expected");
  const uint32_t number = in.U32();
  if (number == 0 || (info.number != 0 && number != info.number)) {
    return Corrupt(start + 20, "fragment number " + std::to_string(number));
  }
  info.number = number;
  if (!Expect(in, moof_bytes - 24, "traf")) return Corrupt(start + 24, "traf expected");
  if (!Expect(in, 20, "tfhd", 0, kTfhdFlags) || in.U32() != track_id || in.U32() != 1) {
    return Corrupt(start + 32, "tfhd of another form or track");
  }
  FragmentTrack track;
  if (!Expect(in, 20, "tfdt", 1, 0)) return Corrupt(start + 52, "tfdt expected");
  track.base_decode_time = in.I64();
  if (track.base_decode_time < 0 || track.base_decode_time > kMaxDecodeTime) {
    return Corrupt(start + 64, "decode time out of range");
  }
  if (!Expect(in, moof_bytes - 72, "trun")) return Corrupt(start + 72, "trun expected");
  const uint32_t version_and_flags = in.U32();
  const bool video = version_and_flags == (1u << 24 | kVideoTrunFlags);
  if (!video && version_and_flags != (1u << 24 | kAudioTrunFlags)) {
    return Corrupt(start + 80, "trun of another form");
  }
  track.kind = video ? TrackKind::kVideo : TrackKind::kAudio;
  const uint32_t count = in.U32();
  const uint32_t row = video ? kVideoRowBytes : kAudioRowBytes;
  if (count == 0 || count > kMaxFragmentSamples || moof_bytes != kMoofFixedBytes + count * row ||
      in.U32() != moof_bytes + kMdatHeaderBytes) {
    return Corrupt(start + 84, "trun's count or data offset");
  }
  LB_TRY(ReadRows(in, count, track));
  const uint64_t data_bytes = track.data_bytes();
  if (data_bytes > in.remaining() ||
      !Expect(in, static_cast<uint32_t>(data_bytes + kMdatHeaderBytes), "mdat")) {
    return Corrupt(start + moof_bytes, "mdat that does not hold just the samples");
  }
  track.data_offset = static_cast<uint32_t>(in.position());
  in.Skip(data_bytes);
  if (!in.ok()) return Corrupt(start + moof_bytes, "mdat is cut short");
  info.tracks.push_back(std::move(track));
  return Ok();
}

}  // namespace

int64_t FragmentTrack::duration() const {
  int64_t sum = 0;
  for (const SampleInfo& sample : samples) sum += sample.duration;
  return sum;
}

uint64_t FragmentTrack::data_bytes() const {
  uint64_t sum = 0;
  for (const SampleInfo& sample : samples) sum += sample.size;
  return sum;
}

const FragmentTrack* FragmentInfo::Track(TrackKind kind) const {
  for (const FragmentTrack& track : tracks) {
    if (track.kind == kind) return &track;
  }
  return nullptr;
}

Result<FragmentInfo> ParseFragment(ByteSpan bytes) {
  if (bytes.size() > kMaxFragmentLength) return Corrupt(0, "longer than 48 MiB");
  ByteReader in(bytes);
  FragmentInfo info;
  info.length = static_cast<uint32_t>(bytes.size());
  if (!Expect(in, kPrftBytes, "prft", 1, 0) || in.U32() != 1) return Corrupt(0, "prft expected");
  in.Skip(8);
  const int64_t media_time = in.I64();
  while (info.tracks.size() < kMaxTracks && (in.remaining() > 0 || info.tracks.empty())) {
    LB_TRY(ReadTrackFragment(in, info));
  }
  if (in.remaining() > 0) return Corrupt(in.position(), "bytes after the last track");
  const FragmentTrack& first = info.tracks[0];
  if (media_time != first.base_decode_time) return Corrupt(24, "prft disagrees with tfdt");
  if (info.tracks.size() == 2 &&
      (first.kind != TrackKind::kVideo || info.tracks[1].kind != TrackKind::kAudio)) {
    return Corrupt(kPrftBytes, "two tracks must be video, then audio");
  }
  if (first.kind == TrackKind::kAudio) info.flags |= kAudioOnly;
  if (first.samples[0].sync == Sync::kNone) info.flags |= kContinuation;
  if (first.samples[0].sync == Sync::kOpen) info.flags |= kOpenGop;
  return info;
}

}  // namespace lookback::media
