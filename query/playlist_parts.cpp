#include "query/playlist_parts.h"

#include <algorithm>

#include "media/fragment_boxes.h"

namespace lookback::query {
namespace {

using media::FragmentInfo;
using media::FragmentTrack;
using media::TrackConfig;
using media::TrackKind;

const TrackConfig* ConfigOf(const LoadedSegment& segment, TrackKind kind) {
  for (const TrackConfig& config : segment.tracks) {
    if (config.kind == kind) return &config;
  }
  return nullptr;
}

bool BeginsGop(const FragmentInfo& info) {
  const FragmentTrack* video = info.Track(TrackKind::kVideo);
  return video != nullptr && (info.flags & media::kContinuation) == 0 &&
         video->samples.front().sync != media::Sync::kNone;
}

Part PartOf(const Stretches& loaded, const Stretch::Piece& piece, bool audio) {
  const FragmentInfo& info = piece.fragment->info;
  Part part;
  part.segment = &loaded.segments[piece.segment];
  part.first = part.last = info.number;
  part.range = {info.start_us, info.end_us};
  if (const FragmentTrack* video = info.Track(TrackKind::kVideo)) {
    part.duration_us =
        video->duration() * kUsPerSecond / ConfigOf(*part.segment, TrackKind::kVideo)->timescale;
  }
  part.bytes = PartBytes(info, audio);
  part.sync = BeginsGop(info);
  part.closed = part.sync && (info.flags & media::kOpenGop) == 0;
  return part;
}

void Join(Part& part, const Part& next) {
  part.last = next.last;
  part.range.end_us = next.range.end_us;
  part.duration_us += next.duration_us;
  part.bytes += next.bytes;
}

bool FitsTogether(const Part& a, const Part& b) {
  return a.segment == b.segment && a.duration_us + b.duration_us <= kLongestPartUs &&
         b.range.end_us - a.range.start_us <= kMaxMediaPartUs &&
         a.bytes + b.bytes <= kMaxMediaPartBytes;
}

// Fragments of a stretch, from its first sync sample on, joined where `joins` says so.
template <typename Joins>
std::vector<Part> JoinPieces(std::vector<Part> pieces, Joins joins) {
  std::vector<Part> parts;
  for (const Part& piece : pieces) {
    if (parts.empty() && !piece.sync) continue;
    if (!parts.empty() && joins(parts.back(), piece)) {
      Join(parts.back(), piece);
    } else {
      parts.push_back(piece);
    }
  }
  return parts;
}

std::vector<Part> CutStretchParts(const Stretches& loaded, const Stretch& stretch, bool audio) {
  std::vector<Part> fragments;
  for (const Stretch::Piece& piece : stretch.pieces) {
    fragments.push_back(PartOf(loaded, piece, audio));
  }
  // GOPs, or the pieces of long ones; then GOPs together.
  auto gops = JoinPieces(std::move(fragments), [](const Part& part, const Part& piece) {
    return !piece.sync && FitsTogether(part, piece);
  });
  return JoinPieces(std::move(gops), [](const Part& part, const Part& gop) {
    return part.duration_us < kPartUs && FitsTogether(part, gop);
  });
}

// Those that overlap the range, and the ones before that the first of them needs.
void Trim(std::vector<Part>& parts, TimeRange range) {
  const auto shown = [&range](const Part& part) { return part.range.Overlaps(range); };
  auto first = std::find_if(parts.begin(), parts.end(), shown);
  const auto end = std::find_if_not(first, parts.end(), shown);
  // The pictures that lead an open GOP need the one before it, which a part further back has.
  const auto can_begin = [](const Part& part) { return part.closed; };
  const auto closed = std::find_if(std::make_reverse_iterator(std::min(first + 1, parts.end())),
                                   parts.rend(), can_begin);
  if (first != end && closed != parts.rend()) {
    first = closed.base() - 1;
  } else {
    while (first != parts.begin() && first != end && !first->sync) --first;
  }
  parts.erase(end, parts.end());
  parts.erase(parts.begin(), first);
}

}  // namespace

bool HasPlayableSound(const Stretches& loaded, TimeRange range) {
  const TrackConfig* one = nullptr;
  for (const Stretch& stretch : loaded.all) {
    if (!TimeRange{stretch.start_us(), stretch.end_us()}.Overlaps(range)) continue;
    if (!stretch.Has(TrackKind::kVideo)) continue;
    const TrackConfig* sound =
        ConfigOf(loaded.segments[stretch.pieces.front().segment], TrackKind::kAudio);
    if (sound == nullptr || !IsPlayableSound(sound->codec)) return false;
    if (one != nullptr && one->codec != sound->codec) return false;
    one = sound;
  }
  return one != nullptr;
}

std::vector<PartStretch> CutParts(const Stretches& loaded, TimeRange range, bool audio) {
  std::vector<PartStretch> cut;
  for (const Stretch& stretch : loaded.all) {
    PartStretch one{CutStretchParts(loaded, stretch, audio)};
    Trim(one.parts, range);
    if (!one.parts.empty()) cut.push_back(std::move(one));
  }
  return cut;
}

std::vector<Part> CutLiveParts(const Stretches& loaded, int64_t window_us) {
  for (auto stretch = loaded.all.rbegin(); stretch != loaded.all.rend(); ++stretch) {
    std::vector<Part> fragments;
    for (const Stretch::Piece& piece : stretch->pieces) {
      fragments.push_back(PartOf(loaded, piece, true));
    }
    auto parts = JoinPieces(std::move(fragments), [](const Part&, const Part&) { return false; });
    if (parts.empty()) continue;
    const TimeUs from_us = parts.back().range.end_us - window_us;
    std::erase_if(parts, [from_us](const Part& part) { return part.range.end_us <= from_us; });
    return parts;
  }
  return {};
}

std::vector<PartStretch> CutSyncSamples(const Stretches& loaded, TimeRange range) {
  std::vector<PartStretch> cut;
  for (const Stretch& stretch : loaded.all) {
    std::vector<Part> fragments;
    for (const Stretch::Piece& piece : stretch.pieces) {
      Part part = PartOf(loaded, piece, false);
      if (part.sync) {
        const FragmentTrack& video = *piece.fragment->info.Track(TrackKind::kVideo);
        part.bytes = media::kMoofFixedBytes + media::kVideoRowBytes + media::kMdatHeaderBytes +
                     video.samples.front().size;
      } else {
        part.bytes = 0;  // Of a GOP the first sample alone is sent.
      }
      fragments.push_back(part);
    }
    PartStretch one{JoinPieces(std::move(fragments),
                               [](const Part&, const Part& piece) { return !piece.sync; })};
    std::erase_if(one.parts, [&range](const Part& part) {
      return !part.range.Overlaps(range) || part.first == GopUnderWay(*part.segment);
    });
    if (!one.parts.empty()) cut.push_back(std::move(one));
  }
  return cut;
}

}  // namespace lookback::query
