#include "index/schema.h"

#include <algorithm>

#include "base/bytes.h"

namespace lookback::index::schema {
namespace {

// Builds a key or a value, part by part.
class Builder {
 public:
  Builder& Text(std::string_view text) {
    out_.append(text);
    return *this;
  }
  Builder& U8(uint64_t value) { return Integer(value, 1); }
  Builder& U32(uint64_t value) { return Integer(value, 4); }
  Builder& U64(uint64_t value) { return Integer(value, 8); }
  Builder& Time(TimeUs value) { return Integer(static_cast<uint64_t>(value), 8); }
  Builder& Id(const Uuid& id) { return Text(AsText(id.bytes)); }
  Builder& Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) U8(0x80 | (value & 0x7f));
    return U8(value);
  }
  Builder& Varint(int64_t value) { return Varint(static_cast<uint64_t>(value)); }
  std::string Take() { return std::move(out_); }

 private:
  Builder& Integer(uint64_t value, int width) {
    for (int i = width; i-- > 0;) out_.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  std::string out_;
};

Builder ForStream(const StreamId& stream) {
  Builder builder;
  builder.Text(stream.camera.text()).U8(0).U8(static_cast<uint8_t>(stream.stream));
  return builder;
}

// The camera in front of `key`, which is then cut to what follows the 00.
bool TakeCamera(std::string_view& key, CameraId& camera) {
  const size_t end = key.find('\0');
  if (end == std::string_view::npos) return false;
  auto parsed = CameraId::Parse(key.substr(0, end));
  if (!parsed) return false;
  camera = *std::move(parsed);
  key.remove_prefix(end + 1);
  return true;
}

bool TakeStream(std::string_view& key, StreamId& stream) {
  if (!TakeCamera(key, stream.camera) || key.empty()) return false;
  const auto number = static_cast<uint8_t>(key[0]);
  if (number > static_cast<uint8_t>(Stream::kSub)) return false;
  stream.stream = static_cast<Stream>(number);
  key.remove_prefix(1);
  return true;
}

TimeUs ReadTime(ByteReader& reader) { return static_cast<TimeUs>(reader.U64()); }

// At most `max`, and in as few bytes as it needs; else false.
bool TakeVarint(ByteReader& reader, uint64_t max, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = reader.U8();
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte >= 0x80) continue;
    const bool fits = shift < 63 || byte <= 1;
    return reader.ok() && fits && value <= max && (byte != 0 || shift == 0);
  }
  return false;
}

bool TakeHour(ByteReader& reader, FootageTotals& totals) {
  constexpr auto kHour = static_cast<uint64_t>(kUsPerHour);
  uint64_t missing = 0, thinned = 0, over = 0, tail = 0;
  if (!TakeVarint(reader, UINT64_MAX, totals.segments) ||
      !TakeVarint(reader, UINT64_MAX, totals.bytes) || !TakeVarint(reader, kHour, missing) ||
      !TakeVarint(reader, kHour - missing, thinned) || !TakeVarint(reader, INT64_MAX / 2, over) ||
      !TakeVarint(reader, kHour, tail)) {
    return false;
  }
  totals.covered_us = static_cast<int64_t>(kHour - missing);
  totals.thinned_us = static_cast<int64_t>(thinned);
  totals.summed_us = totals.covered_us + static_cast<int64_t>(over);
  totals.last_end_us = static_cast<int64_t>(kHour - tail);
  return totals.segments > 0;
}

bool Whole(const ByteReader& reader) { return reader.ok() && reader.remaining() == 0; }

}  // namespace

std::string StreamPrefix(const StreamId& stream) { return ForStream(stream).Take(); }

bool ParseStreamPrefix(std::string_view key, StreamId& stream) {
  return TakeStream(key, stream) && key.empty();
}

std::string SegmentKeyBytes(const SegmentKey& key) {
  return ForStream(key.stream).Time(key.start_us).U32(key.epoch).U32(key.sequence).Take();
}

std::string CopyKey(const SegmentKey& segment, const Uuid& volume) {
  return SegmentKeyBytes(segment) + IdKey(volume);
}

std::string CopiesEnd(std::string_view segment) {
  return std::string(segment).append(sizeof(Uuid) + 1, '\xff');
}

std::string SegmentSeek(const StreamId& stream, TimeUs start_us) {
  return ForStream(stream).Time(start_us).Take();
}

std::string GapKey(const Gap& gap) {
  return ForStream(gap.stream)
      .U8(ClassOf(gap.range.duration_us()))
      .Time(gap.range.start_us)
      .Time(gap.range.end_us)
      .U8(static_cast<uint8_t>(gap.cause))
      .Take();
}

std::string GapSeek(const StreamId& stream, uint8_t interval_class, TimeUs start_us) {
  return ForStream(stream).U8(interval_class).Time(start_us).Take();
}

bool ParseGapKey(std::string_view key, Gap& gap) {
  if (!TakeStream(key, gap.stream)) return false;
  ByteReader reader(AsBytes(key));
  reader.U8();
  gap.range.start_us = ReadTime(reader);
  gap.range.end_us = ReadTime(reader);
  gap.cause = static_cast<GapCause>(reader.U8());
  return Whole(reader);
}

std::string LostKey(const StreamId& stream, GapCause cause, TimeUs start_us) {
  return ForStream(stream).U8(static_cast<uint8_t>(cause)).Time(start_us).Take();
}

bool ParseLostKey(std::string_view key, StreamId& stream, GapCause& cause, TimeUs& start_us) {
  if (!TakeStream(key, stream)) return false;
  ByteReader reader(AsBytes(key));
  cause = static_cast<GapCause>(reader.U8());
  start_us = ReadTime(reader);
  return Whole(reader);
}

std::string MarkedPrefix(const CameraId& camera, bool hold, uint8_t interval_class) {
  return Builder().Text(camera.text()).U8(0).U8(hold ? 1 : 0).U8(interval_class).Take();
}

std::string MarkedSeek(const CameraId& camera, bool hold, uint8_t interval_class, TimeUs start_us) {
  return MarkedPrefix(camera, hold, interval_class) + U64(static_cast<uint64_t>(start_us));
}

std::string MarkedKey(const Marked& marked) {
  return MarkedSeek(marked.camera, marked.hold, ClassOf(marked.range.duration_us()),
                    marked.range.start_us) +
         IdKey(marked.id);
}

std::string MarkedValue(const Marked& marked) {
  return Builder().Time(marked.range.end_us).Time(marked.expires_us).Take();
}

bool ParseMarked(std::string_view key, std::string_view value, Marked& marked) {
  if (!TakeCamera(key, marked.camera)) return false;
  ByteReader in_key(AsBytes(key));
  marked.hold = in_key.U8() != 0;
  in_key.U8();
  marked.range.start_us = ReadTime(in_key);
  const ByteSpan id = in_key.Take(marked.id.bytes.size());
  if (!Whole(in_key)) return false;
  std::copy(id.begin(), id.end(), marked.id.bytes.begin());
  ByteReader in_value(AsBytes(value));
  marked.range.end_us = ReadTime(in_value);
  marked.expires_us = ReadTime(in_value);
  return Whole(in_value);
}

std::string IdKey(const Uuid& id) { return Builder().Id(id).Take(); }

std::string U64(uint64_t value) { return Builder().U64(value).Take(); }

bool ParseU64(std::string_view bytes, uint64_t& value) {
  ByteReader reader(AsBytes(bytes));
  value = reader.U64();
  return Whole(reader);
}

std::string TotalsValue(uint64_t segments, uint64_t bytes) {
  return Builder().U64(segments).U64(bytes).Take();
}

bool ParseTotalsValue(std::string_view value, uint64_t& segments, uint64_t& bytes) {
  ByteReader reader(AsBytes(value));
  segments = reader.U64();
  bytes = reader.U64();
  return Whole(reader);
}

std::string DayKey(const StreamId& stream, int64_t day) {
  return ForStream(stream).U32(static_cast<uint64_t>(day)).Take();
}

bool ParseDayKey(std::string_view key, StreamId& stream, int64_t& day) {
  if (!TakeStream(key, stream)) return false;
  ByteReader reader(AsBytes(key));
  day = reader.U32();
  return Whole(reader);
}

std::string DayValue(const DayTotals& hours) {
  Builder builder;
  for (size_t hour = 0; hour < hours.size(); ++hour) {
    const FootageTotals& totals = hours[hour];
    if (totals.segments == 0) continue;
    builder.U8(hour)
        .Varint(totals.segments)
        .Varint(totals.bytes)
        .Varint(kUsPerHour - totals.covered_us)
        .Varint(totals.thinned_us)
        .Varint(totals.summed_us - totals.covered_us)
        .Varint(kUsPerHour - totals.last_end_us);
  }
  return builder.Take();
}

bool ParseDayValue(std::string_view value, DayTotals& hours) {
  hours = {};
  ByteReader reader(AsBytes(value));
  for (size_t next = 0; reader.remaining() > 0;) {
    const size_t hour = reader.U8();
    if (hour < next || hour >= hours.size() || !TakeHour(reader, hours[hour])) return false;
    next = hour + 1;
  }
  return !value.empty();
}

std::string ActValue(TimeUs time_us, const Record& record) {
  return Builder()
      .Time(time_us)
      .U8(static_cast<uint8_t>(KindOf(record)))
      .Text(AsText(EncodeRecord(record)))
      .Take();
}

bool ParseAct(std::string_view key, std::string_view value, uint64_t& number, TimeUs& time_us,
              RecordKind& kind, std::string_view& payload) {
  if (!ParseU64(key, number)) return false;
  ByteReader reader(AsBytes(value));
  time_us = ReadTime(reader);
  kind = static_cast<RecordKind>(reader.U8());
  if (!reader.ok()) return false;
  payload = value.substr(reader.position());
  return true;
}

std::string NoteKey(const CameraId& camera, uint64_t number) {
  return Builder().Text(camera.text()).U8(0).U64(number).Take();
}

bool ParseNote(std::string_view key, std::string_view value, CameraId& camera, uint64_t& number,
               TimeUs& time_us, RecordKind& kind, std::string_view& payload) {
  return TakeCamera(key, camera) && ParseAct(key, value, number, time_us, kind, payload);
}

std::string AlarmKey(AlarmRow row, const Uuid& id) {
  return Builder().U8(static_cast<uint8_t>(row)).Id(id).Take();
}

bool ParseAlarmKey(std::string_view key, AlarmRow& row, Uuid& id) {
  if (key.size() != 1 + id.bytes.size()) return false;
  row = static_cast<AlarmRow>(key[0]);
  std::copy(key.begin() + 1, key.end(), id.bytes.begin());
  return row <= AlarmRow::kAcknowledged;
}

}  // namespace lookback::index::schema
