#include "media/sample_entry.h"

#include <algorithm>
#include <string>

#include "media/h264.h"
#include "media/h265.h"

namespace lookback::media {
namespace {

constexpr size_t kMaxParameterSets = 31;         // `avcC` counts SPS in five bits.
constexpr size_t kMaxParameterSetBytes = 65535;  // And their lengths in sixteen.
constexpr size_t kMinSpsBytes = 4;               // Type, profile, constraints, level.
constexpr size_t kMaxAudioConfigBytes = 4'096;
constexpr uint32_t kDpi72 = 0x0048'0000;  // 16.16; what the standard prescribes.
constexpr uint16_t kColourDepth = 0x0018;

// MPEG-4 descriptor tags (ISO/IEC 14496-1 §7.2.2.1).
constexpr uint8_t kEsTag = 3, kDecoderConfigTag = 4, kDecoderSpecificTag = 5, kSlConfigTag = 6;
constexpr uint8_t kObjectTypeAac = 0x40, kObjectTypeJpeg = 0x6c;
constexpr uint8_t kVisualStream = 4 << 2 | 1, kAudioStream = 5 << 2 | 1;

using namespace std::string_view_literals;
constexpr std::string_view kG726Entry = "ms\x00\x45"sv;  // WAVE_FORMAT_G726_ADPCM

auto Corrupt(const std::string& what) { return Fail(Code::kCorrupt, "sample entry: " + what); }

void WriteParameterSets(const std::vector<Bytes>& sets, ByteWriter& out) {
  for (const Bytes& set : sets) {
    out.U16(static_cast<uint16_t>(set.size()));
    out.Raw(set);
  }
}

std::vector<Bytes> ReadParameterSets(ByteReader& in, size_t count) {
  std::vector<Bytes> sets;
  for (size_t i = 0; i < count && in.ok(); ++i) {
    const ByteSpan set = in.Take(in.U16());
    sets.emplace_back(set.begin(), set.end());
  }
  return sets;
}

// AVCDecoderConfigurationRecord.
void WriteAvcConfig(const TrackConfig& track, ByteWriter& out) {
  const BoxScope box(out, "avcC");
  const Bytes& sps = track.sps[0];
  out.U8(1);
  out.Raw(ByteSpan(sps).subspan(1, 3));  // Profile, constraints, level.
  out.U8(0xfc | 3);                      // Lengths of four bytes.
  out.U8(static_cast<uint8_t>(0xe0 | track.sps.size()));
  WriteParameterSets(track.sps, out);
  out.U8(static_cast<uint8_t>(track.pps.size()));
  WriteParameterSets(track.pps, out);
  const uint8_t profile = sps[1];
  if (profile == 66 || profile == 77 || profile == 88) return;
  const Result<H264Sps> parsed = ParseH264Sps(sps);
  if (!parsed) return;
  out.U8(static_cast<uint8_t>(0xfc | (parsed->chroma_format_idc & 3)));
  out.U8(static_cast<uint8_t>(0xf8 | ((parsed->bit_depth_luma - 8) & 7)));
  out.U8(static_cast<uint8_t>(0xf8 | ((parsed->bit_depth_chroma - 8) & 7)));
  out.U8(0);  // No SPS extensions.
}

Status ParseAvcConfig(ByteSpan body, TrackConfig& track) {
  ByteReader in(body);
  const uint8_t version = in.U8();
  in.Skip(3);
  const uint8_t length_size = in.U8() & 3;
  const size_t sps_count = in.U8() & 31;
  track.sps = ReadParameterSets(in, sps_count);
  track.pps = ReadParameterSets(in, in.U8());
  if (!in.ok() || version != 1 || track.sps.empty() || track.pps.empty()) {
    return Corrupt("avcC is cut short or empty");
  }
  if (length_size != 3) return Fail(Code::kUnsupported, "avcC: NAL lengths are not of four bytes");
  return Ok();
}

void WriteDescriptorHead(ByteWriter& out, uint8_t tag, size_t bytes) {
  out.U8(tag);
  out.U8(static_cast<uint8_t>(0x80 | (bytes >> 7 & 127)));  // Two bytes hold up to 16,383.
  out.U8(static_cast<uint8_t>(bytes & 127));
}

void WriteEsds(uint8_t object_type, uint8_t stream_type, ByteSpan specific, ByteWriter& out) {
  constexpr size_t kHeadBytes = 3;
  const size_t decoder = 13 + (specific.empty() ? 0 : kHeadBytes + specific.size());
  const BoxScope box(out, "esds", 0, 0);
  WriteDescriptorHead(out, kEsTag, 3 + kHeadBytes + decoder + kHeadBytes + 1);
  out.U16(0);  // ES_ID: taken from the track.
  out.U8(0);
  WriteDescriptorHead(out, kDecoderConfigTag, decoder);
  out.U8(object_type);
  out.U8(stream_type);
  out.U24(0);  // Buffer size and bit rates are not known ahead.
  out.U32(0);
  out.U32(0);
  if (!specific.empty()) {
    WriteDescriptorHead(out, kDecoderSpecificTag, specific.size());
    out.Raw(specific);
  }
  WriteDescriptorHead(out, kSlConfigTag, 1);
  out.U8(2);  // Predefined for MP4.
}

std::string_view VideoEntryType(Codec codec) {
  if (codec == Codec::kH264) return "avc1";
  return codec == Codec::kH265 ? "hvc1" : "mp4v";
}

void WriteVideoEntry(const TrackConfig& track, ByteWriter& out) {
  const BoxScope entry(out, VideoEntryType(track.codec));
  out.Zeros(6);
  out.U16(1);  // data_reference_index
  out.Zeros(16);
  out.U16(track.width);
  out.U16(track.height);
  out.U32(kDpi72);
  out.U32(kDpi72);
  out.U32(0);
  out.U16(1);     // frame_count
  out.Zeros(32);  // compressorname
  out.U16(kColourDepth);
  out.U16(0xffff);
  if (track.codec == Codec::kH264) {
    WriteAvcConfig(track, out);
  } else if (track.codec == Codec::kH265) {
    WriteHevcConfig(track, out);
  } else {
    WriteEsds(kObjectTypeJpeg, kVisualStream, {}, out);
  }
}

// The content of the next descriptor, which must carry `tag`.
ByteSpan TakeDescriptor(ByteReader& in, uint8_t tag) {
  const uint8_t found = in.U8();
  size_t size = 0;
  for (int i = 0; i < 4; ++i) {
    const uint8_t byte = in.U8();
    size = size << 7 | (byte & 127);
    if ((byte & 128) == 0) break;
  }
  return found == tag ? in.Take(size) : ByteSpan{};
}

// The DecoderSpecificInfo, which may be empty.
Result<ByteSpan> ParseEsds(ByteSpan body, uint8_t object_type) {
  ByteReader in(body);
  in.Skip(4);
  ByteReader es(TakeDescriptor(in, kEsTag));
  es.Skip(2);
  if (es.U8() != 0) return Fail(Code::kUnsupported, "esds: ES flags");
  ByteReader decoder(TakeDescriptor(es, kDecoderConfigTag));
  if (decoder.U8() != object_type) return Corrupt("esds is cut short or of another codec");
  decoder.Skip(12);
  if (!decoder.ok()) return Corrupt("esds is cut short");
  return TakeDescriptor(decoder, kDecoderSpecificTag);
}

// OpusSpecificBox. What precedes a live stream's first packet is not known, so nothing is skipped.
void WriteOpusConfig(const TrackConfig& track, ByteWriter& out) {
  const BoxScope box(out, "dOps");
  out.U8(0);
  out.U8(static_cast<uint8_t>(track.channels));
  out.U16(0);  // PreSkip
  out.U32(track.timescale);
  out.U16(0);  // OutputGain
  out.U8(0);   // ChannelMappingFamily: one stream of one or two channels.
}

Status CheckOpusConfig(ByteSpan body, const TrackConfig& track) {
  ByteReader in(body);
  const bool known = in.U8() == 0 && in.U8() == track.channels;
  in.Skip(8);
  if (!known || in.U8() != 0 || !in.ok()) return Corrupt("dOps is cut short or not of this track");
  return Ok();
}

std::string_view AudioEntryType(Codec codec) {
  switch (codec) {
    case Codec::kAac:
      return "mp4a";
    case Codec::kPcma:
      return "alaw";
    case Codec::kOpus:
      return "Opus";
    case Codec::kG726:
      return kG726Entry;
    default:
      return "ulaw";
  }
}

void WriteAudioEntry(const TrackConfig& track, ByteWriter& out) {
  constexpr uint32_t kMaxRateField = 65'535;
  constexpr uint16_t kDecodedBits = 16;
  const BoxScope entry(out, AudioEntryType(track.codec));
  out.Zeros(6);
  out.U16(1);  // data_reference_index
  out.Zeros(8);
  out.U16(track.channels);
  out.U16(track.codec == Codec::kG726 ? track.codeword_bits : kDecodedBits);
  out.U32(0);
  out.U32(track.timescale <= kMaxRateField ? track.timescale << 16 : 0);
  if (track.codec == Codec::kAac) WriteEsds(kObjectTypeAac, kAudioStream, track.audio_config, out);
  if (track.codec == Codec::kOpus) WriteOpusConfig(track, out);
}

Status ParseVideoEntry(const Box& entry, TrackConfig& track) {
  constexpr size_t kFieldBytes = 78;
  ByteReader in(entry.body);
  in.Skip(24);
  track.width = in.U16();
  track.height = in.U16();
  if (entry.body.size() < kFieldBytes) return Corrupt("video entry is cut short");
  BoxReader boxes(entry.body.subspan(kFieldBytes));
  Box box;
  while (boxes.Next(box)) {
    if (box.type == MakeFourCc("avcC") && track.codec == Codec::kH264) {
      return ParseAvcConfig(box.body, track);
    }
    if (box.type == MakeFourCc("hvcC") && track.codec == Codec::kH265) {
      return ParseHevcConfig(box.body, track);
    }
    if (box.type == MakeFourCc("esds") && track.codec == Codec::kMjpeg) {
      LB_TRY(ParseEsds(box.body, kObjectTypeJpeg));
      return Ok();
    }
  }
  return Corrupt("video entry without a decoder configuration");
}

Status ParseAudioEntry(const Box& entry, TrackConfig& track) {
  constexpr size_t kFieldBytes = 28;
  ByteReader in(entry.body);
  in.Skip(16);
  track.channels = in.U16();
  const uint16_t sample_bits = in.U16();
  if (entry.body.size() < kFieldBytes || track.channels == 0) return Corrupt("audio entry");
  if (track.codec == Codec::kG726) track.codeword_bits = sample_bits;
  if (track.codec != Codec::kAac && track.codec != Codec::kOpus) return Ok();
  BoxReader boxes(entry.body.subspan(kFieldBytes));
  Box box;
  while (boxes.Next(box)) {
    if (box.type == MakeFourCc("dOps") && track.codec == Codec::kOpus) {
      return CheckOpusConfig(box.body, track);
    }
    if (box.type == MakeFourCc("esds") && track.codec == Codec::kAac) {
      LB_TRY_ASSIGN(specific, ParseEsds(box.body, kObjectTypeAac));
      track.audio_config.assign(specific.begin(), specific.end());
      return Ok();
    }
  }
  return Corrupt("audio entry without a decoder configuration");
}

bool Fits(const std::vector<Bytes>& sets, size_t min_bytes) {
  return !sets.empty() && sets.size() <= kMaxParameterSets &&
         std::all_of(sets.begin(), sets.end(), [min_bytes](const Bytes& set) {
           return set.size() >= min_bytes && set.size() <= kMaxParameterSetBytes;
         });
}

}  // namespace

bool FitsSampleEntry(const TrackConfig& track) {
  switch (track.codec) {
    case Codec::kH264:
      return Fits(track.sps, kMinSpsBytes) && Fits(track.pps, 1);
    case Codec::kH265:
      return Fits(track.vps, 1) && Fits(track.sps, kMinSpsBytes) && Fits(track.pps, 1);
    case Codec::kAac:
      return !track.audio_config.empty() && track.audio_config.size() <= kMaxAudioConfigBytes;
    case Codec::kMjpeg:
      return track.width > 0 && track.height > 0;
    case Codec::kOpus:
      return track.channels == 1 || track.channels == 2;
    case Codec::kG726:
      return track.codeword_bits >= 2 && track.codeword_bits <= 5;
    case Codec::kPcma:
    case Codec::kPcmu:
      break;
  }
  return true;
}

void WriteSampleEntry(const TrackConfig& track, ByteWriter& out) {
  LB_CHECK(FitsSampleEntry(track));
  if (track.kind == TrackKind::kAudio) {
    WriteAudioEntry(track, out);
  } else {
    WriteVideoEntry(track, out);
  }
}

Status ParseSampleEntry(const Box& entry, TrackConfig& track) {
  switch (entry.type) {
    case MakeFourCc("avc1"):
      track.codec = Codec::kH264;
      break;
    case MakeFourCc("hvc1"):
      track.codec = Codec::kH265;
      break;
    case MakeFourCc("mp4a"):
      track.codec = Codec::kAac;
      break;
    case MakeFourCc("alaw"):
      track.codec = Codec::kPcma;
      break;
    case MakeFourCc("ulaw"):
      track.codec = Codec::kPcmu;
      break;
    case MakeFourCc("mp4v"):
      track.codec = Codec::kMjpeg;
      break;
    case MakeFourCc("Opus"):
      track.codec = Codec::kOpus;
      break;
    case MakeFourCc(kG726Entry):
      track.codec = Codec::kG726;
      break;
    default:
      return Fail(Code::kUnsupported, "sample entry of an unknown codec");
  }
  const bool video =
      track.codec == Codec::kH264 || track.codec == Codec::kH265 || track.codec == Codec::kMjpeg;
  if (video != (track.kind == TrackKind::kVideo)) return Corrupt("codec of another kind of track");
  LB_TRY(video ? ParseVideoEntry(entry, track) : ParseAudioEntry(entry, track));
  if (!FitsSampleEntry(track)) return Corrupt("parameter sets or configuration too short or long");
  return Ok();
}

}  // namespace lookback::media
