#include "index/records.h"

#include <algorithm>
#include <concepts>
#include <limits>
#include <utility>

#include "base/wire.h"
#include "index/record_fields.h"

namespace lookback::index {
namespace {

class FieldWriter {
 public:
  explicit FieldWriter(Bytes& out) : wire_(out) {}

  void operator()(uint32_t field, std::unsigned_integral auto value) {
    wire_.Unsigned(field, value);
  }
  void operator()(uint32_t field, int64_t value) { wire_.Signed(field, value); }
  void operator()(uint32_t field, const std::string& value) { wire_.Text(field, value); }
  void operator()(uint32_t field, const CameraId& value) { wire_.Text(field, value.text()); }
  void operator()(uint32_t field, const Uuid& value) { (*this)(field, value.bytes); }
  void operator()(uint32_t field, const std::vector<CameraId>& value) {
    for (const CameraId& camera : value) wire_.Element(field, AsBytes(camera.text()));
  }
  void operator()(uint32_t field, const std::vector<std::string>& value) {
    for (const std::string& text : value) wire_.Element(field, AsBytes(text));
  }
  void operator()(uint32_t field, const std::vector<Uuid>& value) {
    for (const Uuid& uuid : value) wire_.Element(field, uuid.bytes);
  }
  template <size_t size>
  void operator()(uint32_t field, const std::array<uint8_t, size>& value) {
    if (value != std::array<uint8_t, size>{}) wire_.Blob(field, value);
  }
  template <typename E>
  requires std::is_enum_v<E>
  void operator()(uint32_t field, E value) { wire_.Unsigned(field, static_cast<uint64_t>(value)); }
  // A value whose zero differs from its absence: a flag and the value.
  void Optional(uint32_t present, uint32_t field, const std::optional<int64_t>& value) {
    wire_.Unsigned(present, value.has_value() ? 1 : 0);
    wire_.Signed(field, value.value_or(0));
  }
  // A flag, latitude, longitude, and the bearing as above: five fields from `first` on.
  void Optional(uint32_t first, const std::optional<Place>& value) {
    const Place place = value.value_or(Place{});
    wire_.Unsigned(first, value.has_value() ? 1 : 0);
    wire_.Signed(first + 1, place.latitude_microdegrees);
    wire_.Signed(first + 2, place.longitude_microdegrees);
    Optional(first + 3, first + 4, place.bearing_degrees);
  }

 private:
  WireWriter wire_;
};

// Walks the payload once, beside Fields(): a field of ours that is absent keeps its zero, a field
// that we do not know is stepped over. Fields that fall in number, or a single one that stands
// twice, were not written by us.
class FieldReader {
 public:
  explicit FieldReader(ByteSpan payload) : wire_(payload) { Advance(); }

  template <typename T>
  void operator()(uint32_t field, T& value) {
    value = T{};
    if (!At(field)) return;
    Read(value);
    Advance();
    if (At(field)) Reject();
  }
  void operator()(uint32_t field, std::vector<CameraId>& value) {
    value.clear();
    while (At(field)) {
      if (value.size() == kMaxRecordCameras) return Reject();
      Read(value.emplace_back());
      Advance();
    }
  }
  void operator()(uint32_t field, std::vector<Uuid>& value) {
    value.clear();
    while (At(field)) {
      if (value.size() == kMaxImportRuns) return Reject();
      Read(value.emplace_back());
      Advance();
    }
  }
  void operator()(uint32_t field, std::vector<std::string>& value) {
    value.clear();
    while (At(field)) {
      if (value.size() == kMaxTags) return Reject();
      Read(value.emplace_back());
      Advance();
    }
  }
  void Optional(uint32_t present, uint32_t field, std::optional<int64_t>& value) {
    bool known = false;
    int64_t read = 0;
    (*this)(present, known);
    (*this)(field, read);
    value = known ? std::optional(read) : std::nullopt;
  }
  void Optional(uint32_t first, std::optional<Place>& value) {
    bool known = false;
    Place read;
    (*this)(first, known);
    (*this)(first + 1, read.latitude_microdegrees);
    (*this)(first + 2, read.longitude_microdegrees);
    Optional(first + 3, first + 4, read.bearing_degrees);
    value = known ? std::optional(read) : std::nullopt;
  }

  // Steps over what is left. 0 when all was well, else the field at which it was not.
  uint32_t Finish() {
    while (more_) Advance();
    if (bad_field_ == 0 && !wire_.ok()) bad_field_ = std::max<uint32_t>(wire_.field(), 1);
    return bad_field_;
  }

 private:
  bool At(uint32_t field) {
    while (more_ && wire_.field() < field) Advance();
    return more_ && wire_.field() == field;
  }
  void Advance() {
    const uint32_t before = wire_.field();
    more_ = more_ && wire_.Next();
    if (more_ && wire_.field() < before) Reject();
  }
  void Reject() {
    if (bad_field_ == 0) bad_field_ = std::max<uint32_t>(wire_.field(), 1);
    more_ = false;
  }

  template <std::unsigned_integral T>
  void Read(T& value) {
    const uint64_t raw = wire_.Unsigned();
    if (raw > std::numeric_limits<T>::max()) return Reject();
    value = static_cast<T>(raw);
  }
  // A value of a later version stays what it is; only Stream decides what is read where.
  template <typename E>
  requires std::is_enum_v<E>
  void Read(E& value) {
    uint8_t raw = 0;
    Read(raw);
    if (std::same_as<E, Stream> && raw > static_cast<uint8_t>(Stream::kSub)) return Reject();
    value = static_cast<E>(raw);
  }
  void Read(int64_t& value) { value = wire_.Signed(); }
  void Read(std::string& value) {
    const std::string_view text = wire_.Text();
    if (text.size() > kMaxRecordText) return Reject();
    value = text;
  }
  void Read(CameraId& value) {
    auto parsed = CameraId::Parse(wire_.Text());
    if (!parsed) return Reject();
    value = *std::move(parsed);
  }
  void Read(Uuid& value) { Read(value.bytes); }
  template <size_t size>
  void Read(std::array<uint8_t, size>& value) {
    const ByteSpan raw = wire_.Blob();
    if (raw.size() != size) return Reject();
    std::copy(raw.begin(), raw.end(), value.begin());
  }

  WireReader wire_;
  bool more_ = true;
  uint32_t bad_field_ = 0;
};

bool GoodTime(TimeUs t) { return t >= kTimeMinUs && t <= kTimeMaxUs; }
bool GoodRange(TimeUs start, TimeUs end) {
  return GoodTime(start) && GoodTime(end) && start <= end;
}
bool GoodKey(const SegmentKey& key, TimeUs end) {
  return !key.stream.camera.empty() && GoodRange(key.start_us, end);
}

// What a record must satisfy as a whole, so that keys can be made of it and sums do not overflow.
bool Whole(const Run& r) { return !r.stream.camera.empty() && GoodTime(r.start_us); }
bool Whole(const Seal& s) { return GoodKey(KeyOf(s), s.end_us); }
bool Whole(const Gap& g) {
  return !g.stream.camera.empty() && GoodRange(g.range.start_us, g.range.end_us);
}
bool Whole(const Delete& d) { return GoodKey(d.segment, d.end_us); }
bool Whole(const Thin& t) { return GoodKey(t.segment, t.end_us); }
bool Whole(const Copy& c) { return GoodKey(c.segment, c.segment.start_us) && !c.volume.zero(); }
bool Whole(const Missing& m) { return GoodKey(m.segment, m.end_us); }
bool GoodPlace(const Place& place) {
  const auto within = [](int64_t value, int64_t most) { return -most <= value && value <= most; };
  const int64_t bearing = place.bearing_degrees.value_or(0);
  return within(place.latitude_microdegrees, 90 * kMicrodegrees) &&
         within(place.longitude_microdegrees, 180 * kMicrodegrees) && bearing >= 0 && bearing < 360;
}
bool Whole(const Camera& c) { return !c.id.empty() && (!c.place || GoodPlace(*c.place)); }
bool Whole(const Policy& p) { return !p.scope.empty(); }
bool Whole(const Marker& m) {
  return !m.id.zero() && !m.cameras.empty() && GoodRange(m.range.start_us, m.range.end_us);
}
bool Whole(const MarkerRemoved& m) { return !m.id.zero(); }
bool Whole(const Person& p) { return !p.name.empty(); }
bool Whole(const Act& a) { return GoodRange(a.range.start_us, a.range.end_us); }
bool Whole(const Rebuilt&) { return true; }
bool Whole(const PoliciesConfirmed&) { return true; }
bool Whole(const Upkeep& u) { return !u.camera.empty() && GoodTime(u.at_us); }
bool Whole(const ClockCheck& c) {
  return !c.camera.empty() && GoodTime(c.shown_us) && GoodTime(c.true_us);
}
bool Whole(const Import& i) {
  return !i.id.zero() && !i.stream.camera.empty() && GoodRange(i.range.start_us, i.range.end_us);
}
bool Whole(const Alarm& a) {
  if (a.id.zero() || a.kind.empty() || !GoodTime(a.since_us)) return false;
  return a.until_us == 0 || GoodRange(a.since_us, a.until_us);
}
bool Whole(const AlarmAcknowledged& a) { return !a.alarm.zero() && GoodTime(a.at_us); }

constexpr RecordKind KindFor(const Run*) { return RecordKind::kRun; }
constexpr RecordKind KindFor(const Seal*) { return RecordKind::kSeal; }
constexpr RecordKind KindFor(const Gap*) { return RecordKind::kGap; }
constexpr RecordKind KindFor(const Thin*) { return RecordKind::kThin; }
constexpr RecordKind KindFor(const Copy*) { return RecordKind::kCopy; }
constexpr RecordKind KindFor(const Delete*) { return RecordKind::kDelete; }
constexpr RecordKind KindFor(const Missing*) { return RecordKind::kMissing; }
constexpr RecordKind KindFor(const Camera*) { return RecordKind::kCamera; }
constexpr RecordKind KindFor(const Policy*) { return RecordKind::kPolicy; }
constexpr RecordKind KindFor(const Marker*) { return RecordKind::kMarker; }
constexpr RecordKind KindFor(const MarkerRemoved*) { return RecordKind::kMarkerRemoved; }
constexpr RecordKind KindFor(const Person*) { return RecordKind::kPerson; }
constexpr RecordKind KindFor(const Act*) { return RecordKind::kAct; }
constexpr RecordKind KindFor(const Rebuilt*) { return RecordKind::kRebuilt; }
constexpr RecordKind KindFor(const PoliciesConfirmed*) { return RecordKind::kPoliciesConfirmed; }
constexpr RecordKind KindFor(const Upkeep*) { return RecordKind::kUpkeep; }
constexpr RecordKind KindFor(const ClockCheck*) { return RecordKind::kClockCheck; }
constexpr RecordKind KindFor(const Import*) { return RecordKind::kImport; }
constexpr RecordKind KindFor(const Alarm*) { return RecordKind::kAlarm; }
constexpr RecordKind KindFor(const AlarmAcknowledged*) { return RecordKind::kAlarmAcknowledged; }

template <typename T>
Result<T> DecodeAs(ByteSpan payload) {
  T value;
  FieldReader reader(payload);
  Fields(reader, value);
  const auto refuse = [](const std::string& why) {
    const std::string kind(RecordKindName(KindFor(static_cast<const T*>(nullptr))));
    return Fail(Code::kCorrupt, kind + " record: " + why);
  };
  if (const uint32_t bad = reader.Finish(); bad != 0) {
    return refuse("field " + std::to_string(bad) + " is malformed");
  }
  if (!Whole(value)) return refuse("a name is missing, or a time is out of range");
  return value;
}

// Tries the alternatives of Record one after another until `kind` matches.
template <size_t index = 0>
Result<Record> DecodeKind(RecordKind kind, ByteSpan payload) {
  if constexpr (index < std::variant_size_v<Record>) {
    using T = std::variant_alternative_t<index, Record>;
    if (kind != KindFor(static_cast<const T*>(nullptr))) {
      return DecodeKind<index + 1>(kind, payload);
    }
    LB_TRY_ASSIGN(value, DecodeAs<T>(payload));
    return Record(std::move(value));
  } else {
    return Fail(Code::kUnsupported,
                "record kind " + std::to_string(static_cast<int>(kind)) + " is of a later version");
  }
}

}  // namespace

SegmentKey KeyOf(const Seal& seal) {
  return {seal.stream, seal.start_us, seal.epoch, seal.sequence, seal.thinned};
}

RecordKind KindOf(const Record& record) {
  return std::visit([](const auto& value) { return KindFor(&value); }, record);
}

Bytes EncodeRecord(const Record& record) {
  Bytes out;
  FieldWriter writer(out);
  std::visit([&writer](const auto& value) { Fields(writer, value); }, record);
  return out;
}

Result<Record> DecodeRecord(RecordKind kind, ByteSpan payload) { return DecodeKind(kind, payload); }

Result<Seal> DecodeSeal(ByteSpan payload) { return DecodeAs<Seal>(payload); }

Status CheckRecord(const Record& record) {
  auto decoded = DecodeRecord(KindOf(record), EncodeRecord(record));
  if (!decoded) return Fail(Code::kInvalid, "cannot go on record: " + decoded.message());
  return Ok();
}

}  // namespace lookback::index
