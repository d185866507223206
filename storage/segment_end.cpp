// LKEN: the tables of a closed segment (docs/format.md, "LKEN").

#include <algorithm>
#include <string>

#include "media/bmff.h"
#include "storage/segment_format.h"
#include "storage/varint.h"

namespace lookback::storage {
namespace {

using media::FragmentInfo;
using media::FragmentTrack;
using media::SampleInfo;
using media::Sync;
using media::TrackKind;

constexpr size_t kHeadBytes = 24 + 8 + 16;  // Box head; version, flags, count; digest of the file.
constexpr size_t kTailBytes = 16;           // Digest of the box, length of the box.
constexpr uint8_t kVersion = 1;
constexpr uint8_t kRecoveredFlag = 1;
constexpr int64_t kMaxTicks = 4 * media::kMaxMediaTicks;

auto CorruptEnd(const std::string& what) { return Fail(Code::kCorrupt, "LKEN: " + what); }

// A column of a sample table: the number of runs, then per run the value as a difference from the
// run before and its length; or, where runs would not pay, 0 and each value's difference from the
// one before.
template <typename Get>
void WriteColumn(const std::vector<SampleInfo>& samples, VarintWriter& out, Get get) {
  size_t runs = 1;
  for (size_t i = 1; i < samples.size(); ++i) runs += get(samples[i]) != get(samples[i - 1]);
  int64_t before = 0;
  if (runs > 1 && runs * 2 >= samples.size()) {
    out.Unsigned(0);
    for (const SampleInfo& sample : samples) {
      out.Signed(get(sample) - before);
      before = get(sample);
    }
    return;
  }
  out.Unsigned(runs);
  for (size_t i = 0; i < samples.size();) {
    const int64_t value = get(samples[i]);
    size_t end = i + 1;
    while (end < samples.size() && get(samples[end]) == value) ++end;
    out.Signed(value - before);
    out.Unsigned(end - i);
    before = value;
    i = end;
  }
}

// `set(sample, value)` says whether the value is one that a sample may have.
template <typename Set>
bool ReadColumn(VarintReader& in, std::vector<SampleInfo>& samples, Set set) {
  const uint64_t runs = in.Unsigned();
  uint64_t value = 0;  // Unsigned: hostile differences may wrap around.
  size_t filled = 0;
  while (in.ok() && filled < samples.size()) {
    value += static_cast<uint64_t>(in.Signed());
    const uint64_t length = runs == 0 ? 1 : in.Unsigned();
    if (!in.ok() || length == 0 || length > samples.size() - filled) return false;
    for (uint64_t i = 0; i < length; ++i) {
      if (!set(samples[filled++], static_cast<int64_t>(value))) return false;
    }
  }
  return in.ok();
}

bool SetPositive(uint32_t& field, int64_t value) {
  field = static_cast<uint32_t>(value);
  return value > 0 && value <= UINT32_MAX;
}

// What the table of a fragment is coded against: where the one before it ended.
struct Expected {
  uint32_t number = 0;
  TimeUs start_us = 0;
  int64_t decode_time[media::kMaxTracks] = {};
};

size_t Slot(TrackKind kind) { return kind == TrackKind::kVideo ? 0 : 1; }

void WriteTrack(const FragmentTrack& track, Expected& expected, VarintWriter& out) {
  int64_t& decode_time = expected.decode_time[Slot(track.kind)];
  out.Signed(track.base_decode_time - decode_time);
  decode_time = track.base_decode_time + track.duration();
  out.Unsigned(track.data_offset);
  out.Unsigned(track.samples.size());
  WriteColumn(track.samples, out, [](const SampleInfo& s) { return int64_t{s.duration}; });
  WriteColumn(track.samples, out, [](const SampleInfo& s) { return int64_t{s.size}; });
  if (track.kind != TrackKind::kVideo) return;
  WriteColumn(track.samples, out,
              [](const SampleInfo& s) { return int64_t{s.composition_offset}; });
  WriteColumn(track.samples, out, [](const SampleInfo& s) { return static_cast<int64_t>(s.sync); });
}

void WriteFragment(const FragmentInfo& info, Expected& expected, VarintWriter& out) {
  out.Signed(int64_t{info.number} - int64_t{expected.number});
  out.Unsigned(info.flags);
  out.Signed(info.start_us - expected.start_us);
  out.Unsigned(static_cast<uint64_t>(info.end_us - info.start_us));
  out.Unsigned(info.length);
  out.Unsigned(info.lost_packets);
  uint64_t kinds = 0;
  for (const FragmentTrack& track : info.tracks) kinds |= uint64_t{1} << Slot(track.kind);
  out.Unsigned(kinds);
  for (const FragmentTrack& track : info.tracks) WriteTrack(track, expected, out);
  expected.number = info.number + 1;
  expected.start_us = info.end_us;
}

// Bounded: what may still be read of samples is counted down over the whole box.
Status ReadTrack(VarintReader& in, Expected& expected, uint64_t& samples_left,
                 FragmentTrack& track) {
  int64_t& decode_time = expected.decode_time[Slot(track.kind)];
  const int64_t difference = in.Signed();
  if (difference < -kMaxTicks || difference > kMaxTicks)
    return CorruptEnd("decode time out of range");
  track.base_decode_time = decode_time + difference;
  if (track.base_decode_time < 0 || track.base_decode_time > kMaxTicks) {
    return CorruptEnd("decode time out of range");
  }
  const uint64_t data_offset = in.Unsigned();
  const uint64_t count = in.Unsigned();
  if (!in.ok() || data_offset > media::kMaxFragmentLength || count == 0 ||
      count > media::kMaxFragmentSamples || count > samples_left) {
    return CorruptEnd("data offset or sample count out of range");
  }
  samples_left -= count;
  track.data_offset = static_cast<uint32_t>(data_offset);
  track.samples.resize(count);
  bool good = ReadColumn(in, track.samples, [](SampleInfo& sample, int64_t value) {
    return SetPositive(sample.duration, value);
  });
  good = good && ReadColumn(in, track.samples, [](SampleInfo& sample, int64_t value) {
           return SetPositive(sample.size, value);
         });
  if (track.kind == TrackKind::kVideo) {
    good = good && ReadColumn(in, track.samples, [](SampleInfo& sample, int64_t value) {
             sample.composition_offset = static_cast<int32_t>(value);
             return value >= INT32_MIN && value <= INT32_MAX;
           });
    good = good && ReadColumn(in, track.samples, [](SampleInfo& sample, int64_t value) {
             sample.sync = static_cast<Sync>(value);
             return value >= 0 && value <= static_cast<int64_t>(Sync::kOpen);
           });
  } else {
    for (SampleInfo& sample : track.samples) sample.sync = Sync::kClosed;
  }
  if (!good) return CorruptEnd("sample table");
  decode_time = track.base_decode_time + track.duration();
  return Ok();
}

Status ReadFragment(VarintReader& in, Expected& expected, uint64_t& samples_left,
                    FragmentInfo& info) {
  const uint64_t number = uint64_t{expected.number} + static_cast<uint64_t>(in.Signed());
  const uint64_t flags = in.Unsigned();
  const uint64_t start =
      static_cast<uint64_t>(expected.start_us) + static_cast<uint64_t>(in.Signed());
  const uint64_t duration = in.Unsigned();
  const uint64_t length = in.Unsigned();
  const uint64_t lost = in.Unsigned();
  const uint64_t kinds = in.Unsigned();
  if (!in.ok() || number == 0 || number >= UINT32_MAX || flags > UINT32_MAX ||
      start >= uint64_t{kTimeMaxUs} || duration == 0 || duration >= uint64_t{kTimeMaxUs} - start ||
      length > media::kMaxFragmentLength || lost > UINT32_MAX || kinds == 0 || kinds > 3) {
    return CorruptEnd("fragment with a field out of range");
  }
  info.number = static_cast<uint32_t>(number);
  info.flags = static_cast<uint32_t>(flags);
  info.start_us = static_cast<TimeUs>(start);
  info.end_us = static_cast<TimeUs>(start + duration);
  info.length = static_cast<uint32_t>(length);
  info.lost_packets = static_cast<uint32_t>(lost);
  uint64_t data_end = 0;
  for (const TrackKind kind : {TrackKind::kVideo, TrackKind::kAudio}) {
    if ((kinds >> Slot(kind) & 1) == 0) continue;
    FragmentTrack& track = info.tracks.emplace_back();
    track.kind = kind;
    LB_TRY(ReadTrack(in, expected, samples_left, track));
    if (track.data_offset < data_end) return CorruptEnd("tracks that overlap");
    data_end = track.data_offset + track.data_bytes();
    if (data_end > length) return CorruptEnd("samples beyond the end of their fragment");
  }
  expected.number = info.number + 1;
  expected.start_us = info.end_us;
  return Ok();
}

}  // namespace

Bytes EncodeSegmentEnd(const SegmentIndex& index, const Xxh128& preceding) {
  Bytes box;
  ByteWriter out(box);
  out.U32(0);
  out.Text("uuid");
  out.Raw(kSegmentEndType.bytes);
  out.U8(kVersion);
  out.U8(index.recovered ? kRecoveredFlag : 0);
  out.U16(0);
  out.U32(static_cast<uint32_t>(index.fragments.size()));
  out.Raw(preceding);
  VarintWriter table(box);
  table.Unsigned(index.fragments.empty() ? 0 : index.fragments[0].offset);
  Expected expected;
  expected.start_us = index.header.start_us;
  table.Signed(expected.start_us);
  for (const SegmentFragment& fragment : index.fragments) {
    WriteFragment(fragment.info, expected, table);
  }
  const size_t length = box.size() + kTailBytes;
  out.PatchU32(0, static_cast<uint32_t>(length));
  out.U64(Xxh3_64(box));
  out.U64(length);
  return box;
}

Result<SegmentEnd> ParseSegmentEnd(ByteSpan box) {
  media::BoxReader boxes(box);
  media::Box found;
  if (box.size() < kHeadBytes + kTailBytes || box.size() > kMaxSegmentEndBytes ||
      !boxes.Next(found) || found.size != box.size() || found.extended_type != kSegmentEndType) {
    return CorruptEnd("box expected");
  }
  const size_t covered = box.size() - kTailBytes;
  ByteReader tail(box.subspan(covered));
  if (tail.U64() != Xxh3_64(box.first(covered))) return CorruptEnd("wrong digest");
  if (tail.U64() != box.size()) return CorruptEnd("wrong length at its end");
  ByteReader head(box);
  head.Skip(24);
  if (head.U8() != kVersion) return Fail(Code::kUnsupported, "LKEN of a later version");
  SegmentEnd end;
  end.recovered = (head.U8() & kRecoveredFlag) != 0;
  head.Skip(2);
  const uint32_t count = head.U32();
  const ByteSpan preceding = head.Take(end.preceding.size());
  std::copy(preceding.begin(), preceding.end(), end.preceding.begin());
  if (count > kMaxSegmentFragments) return CorruptEnd("more than 65,536 fragments");

  VarintReader in(box.subspan(kHeadBytes, covered - kHeadBytes));
  uint64_t offset = in.Unsigned();
  Expected expected;
  expected.start_us = in.Signed();
  if (!in.ok() || offset > kMaxInitBytes * 2) return CorruptEnd("offset of the first fragment");
  uint64_t samples_left = kMaxSegmentSamples;
  for (uint32_t i = 0; i < count; ++i) {
    SegmentFragment& fragment = end.fragments.emplace_back();
    fragment.offset = offset;
    LB_TRY(ReadFragment(in, expected, samples_left, fragment.info));
    offset += fragment.info.length + kFragmentTrailerBytes;
  }
  if (!in.ok() || in.remaining() != 0) return CorruptEnd("bytes after the last fragment");
  return end;
}

uint64_t SegmentEndLength(ByteSpan last_bytes) {
  if (last_bytes.size() < 8) return 0;
  ByteReader reader(last_bytes.last(8));
  const uint64_t length = reader.U64();
  return length >= kHeadBytes + kTailBytes && length <= kMaxSegmentEndBytes ? length : 0;
}

}  // namespace lookback::storage
