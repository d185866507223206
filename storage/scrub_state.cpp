#include "storage/scrub_state.h"

#include <algorithm>
#include <string>

#include "base/checksum.h"
#include "base/wire.h"

namespace lookback::storage {
namespace {

constexpr size_t kMaxVolumesInState = 4'096;

Bytes Encode(const index::SegmentKey& key) {
  Bytes out;
  WireWriter wire(out);
  wire.Text(1, key.stream.camera.text());
  wire.Unsigned(2, static_cast<uint64_t>(key.stream.stream));
  wire.Signed(3, key.start_us);
  wire.Unsigned(4, key.epoch);
  wire.Unsigned(5, key.sequence);
  return out;
}

Bytes Encode(const ScrubPass& pass) {
  Bytes out;
  WireWriter wire(out);
  wire.Signed(1, pass.began_us);
  wire.Signed(2, pass.ended_us);
  wire.Unsigned(3, pass.segments);
  wire.Unsigned(4, pass.bytes);
  wire.Unsigned(5, pass.findings);
  return out;
}

Bytes Encode(const VolumeScrub& volume) {
  Bytes out;
  WireWriter wire(out);
  wire.Blob(1, volume.volume.bytes);
  if (volume.cursor) wire.Blob(2, Encode(*volume.cursor));
  if (volume.origin) wire.Blob(3, Encode(*volume.origin));
  wire.Unsigned(4, volume.wrapped ? 1 : 0);
  wire.Blob(5, Encode(volume.pass));
  wire.Blob(6, Encode(volume.last));
  wire.Unsigned(7, volume.segments);
  wire.Unsigned(8, volume.bytes);
  return out;
}

Bytes Encode(const Damage& damage) {
  Bytes out;
  WireWriter wire(out);
  wire.Blob(1, Encode(damage.segment));
  wire.Blob(2, damage.run.bytes);
  wire.Unsigned(3, damage.fragment);
  wire.Signed(4, damage.range.start_us);
  wire.Signed(5, damage.range.end_us);
  wire.Unsigned(6, static_cast<uint64_t>(damage.cause));
  wire.Text(7, damage.what);
  if (damage.volume != Uuid()) wire.Blob(8, damage.volume.bytes);
  return out;
}

auto CorruptState(std::string_view what) {
  return Fail(Code::kCorrupt, "the scrubber's state: " + std::string(what));
}

bool GoodTime(TimeUs time_us) { return kTimeMinUs <= time_us && time_us <= kTimeMaxUs; }

bool Fits32(uint64_t value) { return value <= UINT32_MAX; }

bool Read(ByteSpan bytes, Uuid& uuid) {
  if (bytes.size() != uuid.bytes.size()) return false;
  std::copy(bytes.begin(), bytes.end(), uuid.bytes.begin());
  return true;
}

Result<index::SegmentKey> ParseKey(ByteSpan bytes) {
  index::SegmentKey key;
  WireReader wire(bytes);
  while (wire.Next()) {
    if (wire.field() == 1) {
      LB_TRY_ASSIGN(camera, CameraId::Parse(wire.Text()));
      key.stream.camera = camera;
    } else if (wire.field() == 2) {
      const uint64_t stream = wire.Unsigned();
      if (stream > static_cast<uint64_t>(Stream::kSub)) return CorruptState("no such stream");
      key.stream.stream = static_cast<Stream>(stream);
    } else if (wire.field() == 3) {
      key.start_us = wire.Signed();
    } else if (wire.field() == 4 || wire.field() == 5) {
      const uint64_t value = wire.Unsigned();
      if (!Fits32(value)) return CorruptState("a number above 32 bits");
      (wire.field() == 4 ? key.epoch : key.sequence) = static_cast<uint32_t>(value);
    }
  }
  if (!wire.ok() || key.stream.camera.empty() || !GoodTime(key.start_us)) {
    return CorruptState("a segment's name");
  }
  return key;
}

Result<ScrubPass> ParsePass(ByteSpan bytes) {
  ScrubPass pass;
  WireReader wire(bytes);
  while (wire.Next()) {
    if (wire.field() == 1) pass.began_us = wire.Signed();
    if (wire.field() == 2) pass.ended_us = wire.Signed();
    if (wire.field() == 3) pass.segments = wire.Unsigned();
    if (wire.field() == 4) pass.bytes = wire.Unsigned();
    if (wire.field() == 5) pass.findings = wire.Unsigned();
  }
  if (!wire.ok() || !GoodTime(pass.began_us) || !GoodTime(pass.ended_us))
    return CorruptState("a pass");
  return pass;
}

Result<VolumeScrub> ParseVolume(ByteSpan bytes) {
  VolumeScrub volume;
  WireReader wire(bytes);
  while (wire.Next()) {
    if (wire.field() == 1) {
      if (!Read(wire.Blob(), volume.volume)) return CorruptState("a volume's id");
    } else if (wire.field() == 2 || wire.field() == 3) {
      LB_TRY_ASSIGN(key, ParseKey(wire.Blob()));
      (wire.field() == 2 ? volume.cursor : volume.origin) = std::move(key);
    } else if (wire.field() == 4) {
      volume.wrapped = wire.Unsigned() != 0;
    } else if (wire.field() == 5 || wire.field() == 6) {
      LB_TRY_ASSIGN(pass, ParsePass(wire.Blob()));
      (wire.field() == 5 ? volume.pass : volume.last) = pass;
    } else if (wire.field() == 7) {
      volume.segments = wire.Unsigned();
    } else if (wire.field() == 8) {
      volume.bytes = wire.Unsigned();
    }
  }
  if (!wire.ok() || volume.volume.zero()) return CorruptState("a volume");
  return volume;
}

Result<Damage> ParseDamage(ByteSpan bytes) {
  Damage damage;
  WireReader wire(bytes);
  uint64_t cause = 0;
  while (wire.Next()) {
    if (wire.field() == 1) {
      LB_TRY_ASSIGN(key, ParseKey(wire.Blob()));
      damage.segment = std::move(key);
    } else if (wire.field() == 2) {
      if (!Read(wire.Blob(), damage.run)) return CorruptState("a run");
    } else if (wire.field() == 3) {
      const uint64_t fragment = wire.Unsigned();
      if (!Fits32(fragment)) return CorruptState("a fragment's number");
      damage.fragment = static_cast<uint32_t>(fragment);
    } else if (wire.field() == 4) {
      damage.range.start_us = wire.Signed();
    } else if (wire.field() == 5) {
      damage.range.end_us = wire.Signed();
    } else if (wire.field() == 6) {
      cause = wire.Unsigned();
    } else if (wire.field() == 7) {
      damage.what = std::string(wire.Text());
    } else if (wire.field() == 8) {
      if (!Read(wire.Blob(), damage.volume)) return CorruptState("a volume");
    }
  }
  damage.cause = static_cast<index::GapCause>(cause);
  const bool named =
      damage.cause == index::GapCause::kCorrupt || damage.cause == index::GapCause::kMissing;
  const TimeRange& range = damage.range;
  if (!wire.ok() || damage.segment.stream.camera.empty() || !GoodTime(range.start_us) ||
      !GoodTime(range.end_us) || range.empty() || range.duration_us() > index::kMaxSegmentUs ||
      cause > UINT8_MAX || !named || damage.what.size() > index::kMaxRecordText) {
    return CorruptState("what is damaged");
  }
  return damage;
}

}  // namespace

Bytes EncodeScrubState(const ScrubState& state) {
  Bytes body;
  WireWriter wire(body);
  wire.Unsigned(1, kScrubStateFormat);
  for (const VolumeScrub& volume : state.volumes) wire.Element(2, Encode(volume));
  for (const Damage& damage : state.damage) wire.Element(3, Encode(damage));
  Bytes file;
  ByteWriter out(file);
  out.U64(Xxh3_64(body));
  out.Raw(body);
  return file;
}

Result<ScrubState> ParseScrubState(ByteSpan file) {
  if (file.size() < kXxh3Bytes) return CorruptState("the file is too short");
  const ByteSpan body = file.subspan(kXxh3Bytes);
  if (ByteReader(file).U64() != Xxh3_64(body)) return CorruptState("its checksum does not agree");
  ScrubState state;
  WireReader wire(body);
  while (wire.Next()) {
    if (wire.field() == 1) {
      const uint64_t format = wire.Unsigned();
      if (format <= kScrubStateFormat) continue;
      return Fail(Code::kUnsupported, "the scrubber's state has format " + std::to_string(format) +
                                          "; this program knows formats up to " +
                                          std::to_string(kScrubStateFormat));
    }
    if (wire.field() == 2) {
      LB_TRY_ASSIGN(volume, ParseVolume(wire.Blob()));
      state.volumes.push_back(std::move(volume));
    } else if (wire.field() == 3) {
      LB_TRY_ASSIGN(damage, ParseDamage(wire.Blob()));
      state.damage.push_back(std::move(damage));
    }
    if (state.volumes.size() > kMaxVolumesInState ||
        state.damage.size() > DamageList::kMaxFragments) {
      return CorruptState("more than a store has");
    }
  }
  if (!wire.ok()) return CorruptState("it does not parse");
  return state;
}

}  // namespace lookback::storage
