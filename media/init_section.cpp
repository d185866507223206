// The init section: `ftyp` and `moov` of a run.

#include <string>

#include "media/bmff.h"
#include "media/fragment_boxes.h"
#include "media/fragmenter.h"
#include "media/sample_entry.h"

namespace lookback::media {
namespace {

constexpr uint32_t kMovieTimescale = 1'000;
constexpr uint16_t kUndetermined = 0x55c4;  // "und", three letters of five bits.
constexpr uint32_t kTrackEnabledInMovie = 3;
constexpr uint32_t kSelfContained = 1;
constexpr uint16_t kFullVolume = 0x0100;
constexpr uint32_t kMaxTimescale = 1'000'000;

auto Corrupt(const std::string& what) { return Fail(Code::kCorrupt, "init section: " + what); }

void WriteMatrix(ByteWriter& out) {
  constexpr uint32_t kUnity[] = {0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000'0000};
  for (const uint32_t value : kUnity) out.U32(value);
}

void WriteMovieHeader(ByteWriter& out, size_t tracks) {
  const BoxScope box(out, "mvhd", 0, 0);
  out.U32(0);  // Created and changed at no time: an init section is a function of its tracks.
  out.U32(0);
  out.U32(kMovieTimescale);
  out.U32(0);        // Duration: all of it is in fragments.
  out.U32(0x10000);  // Rate 1.
  out.U16(kFullVolume);
  out.Zeros(10);
  WriteMatrix(out);
  out.Zeros(24);
  out.U32(static_cast<uint32_t>(tracks) + 1);
}

void WriteTrackHeader(ByteWriter& out, const TrackConfig& track, uint32_t id) {
  const bool video = track.kind == TrackKind::kVideo;
  const BoxScope box(out, "tkhd", 0, kTrackEnabledInMovie);
  out.U32(0);
  out.U32(0);
  out.U32(id);
  out.U32(0);
  out.U32(0);
  out.Zeros(8);
  out.U16(0);
  out.U16(0);
  out.U16(video ? 0 : kFullVolume);
  out.U16(0);
  WriteMatrix(out);
  out.U32(uint32_t{track.width} << 16);
  out.U32(uint32_t{track.height} << 16);
}

void WriteMediaHeaders(ByteWriter& out, const TrackConfig& track) {
  const bool video = track.kind == TrackKind::kVideo;
  {
    const BoxScope box(out, "mdhd", 0, 0);
    out.U32(0);
    out.U32(0);
    out.U32(track.timescale);
    out.U32(0);
    out.U16(kUndetermined);
    out.U16(0);
  }
  const BoxScope box(out, "hdlr", 0, 0);
  out.U32(0);
  out.Text(video ? "vide" : "soun");
  out.Zeros(12);
  out.Text(video ? "video" : "audio");
  out.U8(0);
}

void WriteSampleTable(ByteWriter& out, const TrackConfig& track) {
  const BoxScope stbl(out, "stbl");
  {
    const BoxScope box(out, "stsd", 0, 0);
    out.U32(1);
    WriteSampleEntry(track, out);
  }
  for (const char* type : {"stts", "stsc"}) {
    const BoxScope box(out, type, 0, 0);
    out.U32(0);
  }
  {
    const BoxScope box(out, "stsz", 0, 0);
    out.U32(0);
    out.U32(0);
  }
  const BoxScope box(out, "stco", 0, 0);
  out.U32(0);
}

void WriteTrack(ByteWriter& out, const TrackConfig& track, uint32_t id) {
  const BoxScope trak(out, "trak");
  WriteTrackHeader(out, track, id);
  const BoxScope mdia(out, "mdia");
  WriteMediaHeaders(out, track);
  const BoxScope minf(out, "minf");
  if (track.kind == TrackKind::kVideo) {
    const BoxScope box(out, "vmhd", 0, 1);
    out.Zeros(8);
  } else {
    const BoxScope box(out, "smhd", 0, 0);
    out.Zeros(4);
  }
  {
    const BoxScope dinf(out, "dinf");
    const BoxScope dref(out, "dref", 0, 0);
    out.U32(1);
    const BoxScope url(out, "url ", 0, kSelfContained);
  }
  WriteSampleTable(out, track);
}

void WriteExtends(ByteWriter& out, const std::vector<TrackConfig>& tracks) {
  const BoxScope mvex(out, "mvex");
  for (size_t i = 0; i < tracks.size(); ++i) {
    const BoxScope trex(out, "trex", 0, 0);
    out.U32(static_cast<uint32_t>(i) + 1);
    out.U32(1);  // default_sample_description_index
    out.U32(0);
    out.U32(0);
    out.U32(tracks[i].kind == TrackKind::kAudio ? kSyncSampleFlags : kOtherSampleFlags);
  }
}

// The body of the first box of `type` in `parent`.
bool Find(ByteSpan parent, std::string_view type, ByteSpan& body) {
  BoxReader boxes(parent);
  Box box;
  while (boxes.Next(box)) {
    if (box.type == MakeFourCc(type)) {
      body = box.body;
      return true;
    }
  }
  return false;
}

Result<TrackConfig> ParseTrack(ByteSpan trak) {
  ByteSpan mdia, mdhd, hdlr, minf, stbl, stsd;
  if (!Find(trak, "mdia", mdia) || !Find(mdia, "mdhd", mdhd) || !Find(mdia, "hdlr", hdlr) ||
      !Find(mdia, "minf", minf) || !Find(minf, "stbl", stbl) || !Find(stbl, "stsd", stsd)) {
    return Corrupt("a track lacks mdhd, hdlr or stsd");
  }
  TrackConfig track;
  ByteReader header(mdhd);
  const uint8_t version = header.U8();
  header.Skip(version == 1 ? 3 + 16 : 3 + 8);
  track.timescale = header.U32();
  ByteReader handler(hdlr);
  handler.Skip(8);
  const FourCc kind = handler.U32();
  if (!header.ok() || !handler.ok() || version > 1) return Corrupt("mdhd or hdlr is cut short");
  if (track.timescale == 0 || track.timescale > kMaxTimescale) {
    return Corrupt("timescale " + std::to_string(track.timescale) +
                   " is outside of 1 to 1,000,000");
  }
  if (kind != MakeFourCc("vide") && kind != MakeFourCc("soun")) {
    return Fail(Code::kUnsupported, "init section: a track is neither video nor audio");
  }
  track.kind = kind == MakeFourCc("vide") ? TrackKind::kVideo : TrackKind::kAudio;
  ByteReader entries(stsd);
  entries.Skip(4);
  if (entries.U32() != 1) return Corrupt("stsd has other than one entry");
  BoxReader boxes(stsd.subspan(entries.position()));
  Box entry;
  if (!boxes.Next(entry)) return Corrupt("stsd is cut short");
  LB_TRY(ParseSampleEntry(entry, track));
  return track;
}

}  // namespace

Bytes BuildSampleEntry(const TrackConfig& track) {
  Bytes bytes;
  ByteWriter out(bytes);
  WriteSampleEntry(track, out);
  return bytes;
}

Bytes BuildInitSection(const std::vector<TrackConfig>& tracks) {
  Bytes bytes;
  ByteWriter out(bytes);
  {
    const BoxScope ftyp(out, "ftyp");
    out.Text("iso6");
    out.U32(0);
    out.Text("iso6mp41cmfc");
  }
  {
    const BoxScope moov(out, "moov");
    WriteMovieHeader(out, tracks.size());
    for (size_t i = 0; i < tracks.size(); ++i) {
      WriteTrack(out, tracks[i], static_cast<uint32_t>(i) + 1);
    }
    WriteExtends(out, tracks);
  }
  return bytes;
}

Result<std::vector<TrackConfig>> ParseInitSection(ByteSpan bytes) {
  BoxReader top(bytes);
  Box ftyp, moov;
  if (!top.Next(ftyp) || ftyp.type != MakeFourCc("ftyp") || !top.Next(moov) ||
      moov.type != MakeFourCc("moov")) {
    return Corrupt("does not begin with ftyp and moov");
  }
  std::vector<TrackConfig> tracks;
  BoxReader boxes(moov.body);
  Box box;
  while (boxes.Next(box)) {
    if (box.type != MakeFourCc("trak")) continue;
    if (tracks.size() == kMaxTracks)
      return Fail(Code::kUnsupported, "init section: over two tracks");
    LB_TRY_ASSIGN(track, ParseTrack(box.body));
    if (!tracks.empty() &&
        (tracks[0].kind != TrackKind::kVideo || track.kind != TrackKind::kAudio)) {
      return Fail(Code::kUnsupported, "init section: two tracks must be video, then audio");
    }
    tracks.push_back(std::move(track));
  }
  if (!boxes.ok() || tracks.empty()) return Corrupt("moov is cut short or has no track");
  return tracks;
}

}  // namespace lookback::media
