#include "storage/segment_thin.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "media/fragment_boxes.h"
#include "storage/layout.h"
#include "storage/live_segment.h"
#include "storage/segment_copy.h"
#include "storage/segment_reader.h"
#include "storage/segment_writer.h"

namespace lookback::storage {
namespace {

using media::FragmentInfo;
using media::FragmentTrack;
using media::Sync;
using media::TrackKind;

auto NotThinned(Code code, const index::Seal& row, const std::string& why) {
  return Fail(code, SegmentPath(index::KeyOf(row)) + " is not thinned: " + why);
}

// The old file, every byte of it good.
Result<SegmentIndex> ReadWhole(const File& from, const index::Seal& row, const Uuid& store,
                               const OnRead& on_read) {
  uint64_t told = 0;
  LB_TRY_ASSIGN(scan, ScanSegment(from, [&](uint64_t offset) {
                  const uint64_t more = offset - std::exchange(told, offset);
                  return !on_read || on_read(more);
                }));
  if (!scan.end_valid || scan.sha256 != row.sha256) {
    return NotThinned(Code::kCorrupt, row, "its bytes are not those that were sealed");
  }
  const std::string other = Contradiction(scan.index, store, index::KeyOf(row), row.end_us);
  if (!other.empty()) return NotThinned(Code::kCorrupt, row, other);
  return std::move(scan.index);
}

// A fragment of the old file of which something stays.
struct Kept {
  const SegmentFragment* from = nullptr;
  FragmentInfo info;  // As it becomes, but for length and offset of the samples.
  uint32_t old_data_offset = 0;
};

// What a fragment begins with: sync samples. No other fragment of ours has any.
FragmentTrack SyncSamplesOf(const FragmentTrack& video) {
  FragmentTrack kept = video;
  const auto end = std::find_if(kept.samples.begin(), kept.samples.end(),
                                [](const auto& sample) { return sample.sync == Sync::kNone; });
  kept.samples.erase(end, kept.samples.end());
  return kept;
}

// Makes the last sample of `info` last until `media_end`, and the fragment until `end_us`.
bool Prolong(FragmentInfo& info, int64_t media_end, TimeUs end_us) {
  FragmentTrack& track = info.tracks.front();
  const int64_t more = media_end - track.base_decode_time - track.duration();
  const int64_t last = track.samples.back().duration + more;
  if (last <= 0 || last > UINT32_MAX || end_us <= info.start_us) return false;
  track.samples.back().duration = static_cast<uint32_t>(last);
  info.end_us = end_us;
  return true;
}

// What is lost with a fragment that goes is told of the one before it.
Result<std::vector<Kept>> Choose(const SegmentIndex& index, const index::Seal& row) {
  std::vector<Kept> kept;
  int64_t media_end = 0;
  for (const SegmentFragment& fragment : index.fragments) {
    const FragmentTrack* const video = fragment.info.Track(TrackKind::kVideo);
    if (video == nullptr) return NotThinned(Code::kUnsupported, row, "a fragment has no video");
    FragmentTrack track = SyncSamplesOf(*video);
    media_end = video->base_decode_time + video->duration();
    for (const media::SampleInfo& sample : track.samples) {
      if (sample.sync == Sync::kOpen)
        return NotThinned(Code::kUnsupported, row, "its GOPs are open");
    }
    if (!track.samples.empty()) {
      if (!kept.empty() &&
          !Prolong(kept.back().info, track.base_decode_time, fragment.info.start_us)) {
        return NotThinned(Code::kUnsupported, row, "its times run back");
      }
      kept.push_back({&fragment, fragment.info, video->data_offset});
      kept.back().info.tracks = {std::move(track)};
    } else if (kept.empty()) {
      return NotThinned(Code::kUnsupported, row, "it does not begin with a sync sample");
    } else {
      kept.back().info.lost_packets += fragment.info.lost_packets;
      kept.back().info.flags |= fragment.info.flags & media::kDamaged;
    }
  }
  if (kept.empty() || !Prolong(kept.back().info, media_end, index.end_us())) {
    return NotThinned(Code::kUnsupported, row, "it has no valid times");
  }
  return kept;
}

// `old`: the bytes of the fragment that it was.
media::Fragment Build(const Kept& kept, ByteSpan old) {
  media::Fragment fragment{kept.info, {}};
  FragmentTrack& track = fragment.info.tracks.front();
  uint64_t length = media::kPrftBytes + media::TrackFragmentBytes(track);
  track.data_offset = static_cast<uint32_t>(length);
  length += track.data_bytes();
  fragment.info.length = static_cast<uint32_t>(length);
  ByteWriter out(fragment.parts.emplace_back());
  media::WriteProducerReferenceTime(fragment.info, out);
  media::WriteTrackFragment(fragment.info.number, 1, track, out);
  const ByteSpan samples = old.subspan(kept.old_data_offset, track.data_bytes());
  fragment.parts.emplace_back(samples.begin(), samples.end());
  return fragment;
}

// Writes the new file up to its LKEN; not synced yet.
Result<index::Seal> Write(const File& from, const SegmentIndex& index, const index::Seal& row,
                          SegmentWriter& writer) {
  LB_TRY_ASSIGN(kept, Choose(index, row));
  Bytes buffer;
  for (const Kept& one : kept) {
    const FragmentPlace place{index.header.run, one.info.number, one.from->offset,
                              one.from->info.length};
    LB_TRY_ASSIGN(problem, ReadFragment(from, place, buffer));
    if (!problem.empty()) return NotThinned(Code::kCorrupt, row, std::string(problem));
    LB_TRY(writer.Append(Build(one, ByteSpan(buffer).first(place.length))));
  }
  LB_TRY(writer.Close(index.recovered));
  index::Seal thinned = writer.live()->Row();
  thinned.suspect = row.suspect;
  index::Seal expected = row;  // As the catalog makes it of a THIN.
  expected.thinned = true;
  expected.bytes = thinned.bytes;
  expected.fragments = thinned.fragments;
  expected.sha256 = thinned.sha256;
  if (index::EncodeRecord(thinned) != index::EncodeRecord(expected)) {
    return NotThinned(Code::kUnsupported, row, "its seal says otherwise than its file");
  }
  if (thinned.bytes >= row.bytes) {
    return NotThinned(Code::kUnsupported, row, "it would not become smaller");
  }
  return thinned;
}

Status SyncFile(Volume& volume, const index::SegmentKey& key) {
  LB_TRY_ASSIGN(file, volume.OpenToRepair(key));
  return file->Sync();
}

}  // namespace

Result<index::Seal> WriteThinned(const File& from, const index::Seal& row, const Uuid& store,
                                 Volume& volume, const OnRead& on_read) {
  LB_TRY_ASSIGN(index, ReadWhole(from, row, store, on_read));
  if (index.header.thinned) return NotThinned(Code::kUnsupported, row, "it is already");
  SegmentHeader header = index.header;
  header.volume = volume.id();
  header.thinned = true;
  SegmentWriter writer(volume, header, index.init, 0);
  auto thinned = Write(from, index, row, writer);
  if (!thinned && writer.empty()) return thinned;  // It made no file.
  Status good = thinned ? SyncFile(volume, writer.live()->key()) : Pass(thinned.error());
  if (good) {
    good = CheckCopy(volume, *thinned, on_read);
    if (!good && good.code() == Code::kCorrupt) good.error().code = Code::kDiskFailed;
  }
  if (good) return thinned;
  (void)volume.Remove(writer.live()->key());
  return Pass(good.error());
}

Result<index::Seal> RowOfOther(Volume& volume, const index::Seal& row) {
  index::SegmentKey key = index::KeyOf(row);
  key.thinned = !key.thinned;
  LB_TRY_ASSIGN(file, volume.Open(key));
  LB_TRY_ASSIGN(scan, ScanSegment(*file));
  const std::string other =
      scan.end_valid ? Contradiction(scan.index, scan.index.header.store, key, row.end_us)
                     : scan.problem;
  if (!other.empty()) return Fail(Code::kCorrupt, SegmentPath(key) + ": " + other);
  index::Seal seal = SealOf(scan.index, scan.sha256);
  seal.volume = volume.id();
  seal.suspect = row.suspect;
  return seal;
}

}  // namespace lookback::storage
