#include "media/packet_form.h"

#include <algorithm>

#include "media/bit_reader.h"
#include "media/nal.h"
#include "media/nal_codec.h"

namespace lookback::media {
namespace {

constexpr size_t kMaxSetsOfAType = 256;
constexpr size_t kAvcHeadBytes = 4;    // Version, profile, constraints, level.
constexpr size_t kHevcHeadBytes = 21;  // All up to the length size.

auto Corrupt(const char* what) { return Fail(Code::kCorrupt, what); }

void AddSet(ByteSpan nal, TrackConfig& track) {
  const NalRole role = RoleOf(track.codec, nal);
  std::vector<Bytes>* sets = role == NalRole::kVps   ? &track.vps
                             : role == NalRole::kSps ? &track.sps
                             : role == NalRole::kPps ? &track.pps
                                                     : nullptr;
  if (sets != nullptr && sets->size() < kMaxSetsOfAType) sets->emplace_back(nal.begin(), nal.end());
}

void AddSets(ByteReader& in, size_t count, TrackConfig& track) {
  for (size_t i = 0; i < count && in.ok(); ++i) AddSet(in.Take(in.U16()), track);
}

// ISO/IEC 14496-15 §5.3.3.1 and §8.3.3.1.
Result<PacketForm> ReadRecord(ByteSpan config, TrackConfig& track) {
  ByteReader in(config);
  PacketForm form{PacketForm::Kind::kLengths, 4};
  if (track.codec == Codec::kH264) {
    in.Skip(kAvcHeadBytes);
    form.length_bytes = static_cast<uint8_t>((in.U8() & 3) + 1);
    AddSets(in, in.U8() & 31, track);
    AddSets(in, in.U8(), track);
  } else {
    in.Skip(kHevcHeadBytes);
    form.length_bytes = static_cast<uint8_t>((in.U8() & 3) + 1);
    const uint8_t arrays = in.U8();
    for (uint8_t i = 0; i < arrays && in.ok(); ++i) {
      in.Skip(1);
      AddSets(in, in.U16(), track);
    }
  }
  if (!in.ok()) return Corrupt("the decoder configuration is cut short");
  if (form.length_bytes == 3) return Corrupt("NAL unit lengths of three bytes do not exist");
  return form;
}

void AppendNal(ByteSpan nal, Bytes& sample) {
  ByteWriter out(sample);
  out.U32(static_cast<uint32_t>(nal.size()));
  out.Raw(nal);
}

Result<Bytes> FromLengths(size_t length_bytes, ByteSpan packet) {
  Bytes sample;
  sample.reserve(packet.size() + packet.size() / 64);
  ByteReader in(packet);
  while (in.ok() && in.remaining() > 0) {
    const size_t length = length_bytes == 1 ? in.U8() : length_bytes == 2 ? in.U16() : in.U32();
    const ByteSpan nal = in.Take(length);
    if (!nal.empty()) AppendNal(nal, sample);
  }
  if (!in.ok()) return Corrupt("a NAL unit runs past its packet");
  return sample;
}

Bytes FromAnnexB(ByteSpan packet) {
  Bytes sample;
  sample.reserve(packet.size() + 64);
  AnnexBReader reader(packet);
  ByteSpan nal;
  while (reader.Next(nal)) AppendNal(nal, sample);
  return sample;
}

}  // namespace

Result<PacketForm> ReadDecoderConfig(ByteSpan config, TrackConfig& track) {
  constexpr uint8_t kVersion = 1;
  if (!config.empty() && config[0] == kVersion) return ReadRecord(config, track);
  AnnexBReader reader(config);
  ByteSpan nal;
  while (reader.Next(nal)) AddSet(nal, track);
  return PacketForm{PacketForm::Kind::kAnnexB, 4};
}

Result<Bytes> SampleOf(const PacketForm& form, ByteSpan packet) {
  if (form.kind == PacketForm::Kind::kLengths) return FromLengths(form.length_bytes, packet);
  if (form.kind == PacketForm::Kind::kAnnexB) return FromAnnexB(packet);
  return Bytes(packet.begin(), packet.end());
}

Result<AdtsFrame> ParseAdts(ByteSpan packet) {
  constexpr size_t kHeadBytes = 7;
  constexpr size_t kCrcBytes = 2;
  BitReader bits(packet.first(std::min(packet.size(), kHeadBytes)), BitReader::Source::kPlainBytes);
  const bool sync = bits.Bits(12) == 0xfff;
  bits.Skip(3);  // ID and layer.
  const bool has_crc = !bits.Flag();
  const uint32_t object_type = bits.Bits(2) + 1;
  const uint32_t rate_index = bits.Bits(4);
  bits.Skip(1);
  const uint32_t channels = bits.Bits(3);
  bits.Skip(4);
  AdtsFrame adts;
  adts.bytes = bits.Bits(13);
  bits.Skip(11);  // Buffer fullness.
  const uint32_t more_blocks = bits.Bits(2);
  const size_t head = kHeadBytes + (has_crc ? kCrcBytes : 0);
  if (!bits.ok() || !sync || adts.bytes <= head || adts.bytes > packet.size()) {
    return Corrupt("AAC without an ADTS frame where one should be");
  }
  if (more_blocks > 0) return Fail(Code::kUnsupported, "ADTS frames of several data blocks");
  adts.audio_config = {static_cast<uint8_t>(object_type << 3 | rate_index >> 1),
                       static_cast<uint8_t>((rate_index & 1) << 7 | channels << 3)};
  adts.frame = packet.subspan(head, adts.bytes - head);
  return adts;
}

}  // namespace lookback::media
