#include "recorder/parameter_sets.h"

#include <algorithm>

#include "media/bit_reader.h"
#include "media/h264.h"
#include "media/nal.h"

namespace lookback::recorder {
namespace {

constexpr uint32_t kSpsIds = 32;
constexpr uint32_t kPpsIds = 256;

std::optional<uint32_t> SpsId(ByteSpan nal) {
  media::BitReader bits(nal.subspan(1));
  bits.Skip(24);  // Profile, constraints, level.
  const uint32_t id = bits.Unsigned();
  return bits.ok() && id < kSpsIds ? std::optional(id) : std::nullopt;
}

std::optional<uint32_t> PpsId(ByteSpan nal) {
  media::BitReader bits(nal.subspan(1));
  const uint32_t id = bits.Unsigned();
  return bits.ok() && id < kPpsIds ? std::optional(id) : std::nullopt;
}

std::vector<Bytes> Values(const std::map<uint32_t, Bytes>& sets) {
  std::vector<Bytes> values;
  for (const auto& [id, bytes] : sets) values.push_back(bytes);
  return values;
}

void AppendNal(ByteSpan nal, Bytes& out) {
  ByteWriter writer(out);
  writer.U32(static_cast<uint32_t>(nal.size()));
  writer.Raw(nal);
}

}  // namespace

void ParameterSets::Add(ByteSpan nal) {
  if (nal.empty() || nal.size() > kMaxSetBytes) return;
  const auto type = media::H264NalType(nal);
  const bool is_sps = type == media::H264Nal::kSps;
  if (!is_sps && type != media::H264Nal::kPps) return;
  const auto id = is_sps ? SpsId(nal) : PpsId(nal);
  if (!id || (is_sps && !media::ParseH264Sps(nal))) return;
  Bytes& kept = (is_sps ? sps_ : pps_)[*id];
  if (std::equal(kept.begin(), kept.end(), nal.begin(), nal.end())) return;
  if (is_sps && !kept.empty()) pps_.clear();
  kept.assign(nal.begin(), nal.end());
  changed_ = true;
}

ParameterSets::Found ParameterSets::AddFrom(ByteSpan access_unit) {
  Found found;
  media::NalReader reader(access_unit);
  ByteSpan nal;
  while (reader.Next(nal)) {
    const auto type = media::H264NalType(nal);
    if (type == media::H264Nal::kSps) found.sps = true;
    if (type == media::H264Nal::kPps) found.pps = true;
    if (type == media::H264Nal::kSlice || type == media::H264Nal::kIdrSlice) break;
    Add(nal);
  }
  return found;
}

std::optional<media::TrackConfig> ParameterSets::Config() const {
  changed_ = false;
  if (sps_.empty() || pps_.empty()) return std::nullopt;
  auto track = media::MakeH264Track(Values(sps_), Values(pps_));
  if (!track) return std::nullopt;
  return std::move(*track);
}

Bytes WithParameterSets(const media::TrackConfig& track, ByteSpan access_unit) {
  size_t room = access_unit.size();
  for (const Bytes& set : track.sps) room += media::kNalLengthBytes + set.size();
  for (const Bytes& set : track.pps) room += media::kNalLengthBytes + set.size();
  Bytes out;
  out.reserve(room);
  size_t after_delimiter = 0;
  media::NalReader reader(access_unit);
  ByteSpan nal;
  if (reader.Next(nal) && media::H264NalType(nal) == media::H264Nal::kAccessUnitDelimiter) {
    after_delimiter = media::kNalLengthBytes + nal.size();
  }
  out.assign(access_unit.begin(), access_unit.begin() + static_cast<ptrdiff_t>(after_delimiter));
  for (const Bytes& set : track.sps) AppendNal(set, out);
  for (const Bytes& set : track.pps) AppendNal(set, out);
  ByteWriter(out).Raw(access_unit.subspan(after_delimiter));
  return out;
}

}  // namespace lookback::recorder
