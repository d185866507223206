#include "index/records.h"

#include <algorithm>
#include <concepts>
#include <limits>
#include <utility>

#include "base/wire.h"

namespace lookback::index {
namespace {

template <typename S, typename T>
concept Of = std::same_as<std::remove_const_t<S>, T>;

// Each struct is described once, by a Fields() that names its fields with their numbers, in rising
// order; FieldWriter and FieldReader both follow it. The numbers stand in docs/format.md.

template <typename A, Of<Run> S>
void Fields(A& field, S& s) {
  field(1, s.stream.camera);
  field(2, s.stream.stream);
  field(3, s.run);
  field(4, s.start_us);
  field(5, s.epoch);
  field(6, s.clock_unsynchronised);
  field(7, s.tracks);
}

template <typename A, Of<Seal> S>
void Fields(A& field, S& s) {
  field(1, s.stream.camera);
  field(2, s.stream.stream);
  field(3, s.run);
  field(4, s.epoch);
  field(5, s.sequence);
  field(6, s.start_us);
  field(7, s.end_us);
  field(8, s.media_start_90k);
  field(9, s.media_end_90k);
  field(10, s.volume);
  field(11, s.bytes);
  field(12, s.fragments);
  field(13, s.lost_packets);
  field(14, s.clock_unsynchronised);
  field(15, s.recovered);
  field(16, s.suspect);
  field.Optional(17, 18, s.camera_offset_us);
  field(19, s.sha256);
  field(20, s.imported);
  field(21, s.thinned);
  field(22, s.sync_bytes);
}

template <typename A, Of<Gap> S>
void Fields(A& field, S& s) {
  field(1, s.stream.camera);
  field(2, s.stream.stream);
  field(3, s.range.start_us);
  field(4, s.range.end_us);
  field(5, s.cause);
  field(6, s.detail);
}

// The first five of a record that is of one segment.
template <typename A, Of<SegmentKey> S>
void KeyFields(A& field, S& s) {
  field(1, s.stream.camera);
  field(2, s.stream.stream);
  field(3, s.start_us);
  field(4, s.epoch);
  field(5, s.sequence);
}

template <typename A, Of<Delete> S>
void Fields(A& field, S& s) {
  KeyFields(field, s.segment);
  field(6, s.end_us);
  field(7, s.bytes);
  field(8, s.policy);
  field(9, s.reason);
}

template <typename A, Of<Thin> S>
void Fields(A& field, S& s) {
  KeyFields(field, s.segment);
  field(6, s.end_us);
  field(7, s.old_bytes);
  field(8, s.old_sha256);
  field(9, s.bytes);
  field(10, s.fragments);
  field(11, s.sha256);
  field(12, s.policy);
  field(13, s.reason);
}

template <typename A, Of<Copy> S>
void Fields(A& field, S& s) {
  KeyFields(field, s.segment);
  field(6, s.volume);
  field(7, s.sha256);
  field(8, s.gone);
}

template <typename A, Of<Missing> S>
void Fields(A& field, S& s) {
  KeyFields(field, s.segment);
  field(6, s.end_us);
  field(7, s.cause);
}

template <typename A, Of<Camera> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.name);
  field(3, s.url);
  field(4, s.user);
  field(5, s.audio);
  field(6, s.enabled);
  field(7, s.removed);
  field(8, s.transport);
  field(9, s.tls);
  field(10, s.sub_url);
  field(11, s.imported);
  field(12, s.group);
  field.Optional(13, s.place);
  field(18, s.tags);
}

template <typename A, Of<Policy> S>
void Fields(A& field, S& s) {
  field(1, s.scope);
  field(2, s.version);
  field(3, s.min_days);
  field(4, s.max_days);
  field(5, s.at_floor);
  field(6, s.person);
  field(7, s.removed);
  field(8, s.target_days);
  field(9, s.keep_class);
  field(10, s.quota_bytes);
  field(11, s.thin_days);
}

template <typename A, Of<Marker> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.cameras);
  field(3, s.range.start_us);
  field(4, s.range.end_us);
  field(5, s.label);
  field(6, s.note);
  field(7, s.hold);
  field(8, s.case_name);
  field(9, s.person);
  field(10, s.created_us);
  field(11, s.expires_us);
}

template <typename A, Of<MarkerRemoved> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.hold);
  field(3, s.person);
  field(4, s.reason);
}

template <typename A, Of<Person> S>
void Fields(A& field, S& s) {
  field(1, s.name);
  field(2, s.display_name);
  field(3, s.admin);
  field(4, s.disabled);
}

template <typename A, Of<Act> S>
void Fields(A& field, S& s) {
  field(1, s.kind);
  field(2, s.person);
  field(3, s.client);
  field(4, s.cameras);
  field(5, s.range.start_us);
  field(6, s.range.end_us);
  field(7, s.what);
  field(8, s.reason);
  field(9, s.refused);
}

template <typename A, Of<Rebuilt> S>
void Fields(A& field, S& s) {
  field(1, s.segments);
  field(2, s.ledger_lost);
  field(3, s.missing);
}

template <typename A, Of<PoliciesConfirmed> S>
void Fields(A& field, S& s) {
  field(1, s.person);
}

template <typename A, Of<Upkeep> S>
void Fields(A& field, S& s) {
  field(1, s.camera);
  field(2, s.kind);
  field(3, s.at_us);
  field(4, s.text);
  field(5, s.person);
}

template <typename A, Of<ClockCheck> S>
void Fields(A& field, S& s) {
  field(1, s.camera);
  field(2, s.shown_us);
  field(3, s.true_us);
  field(4, s.note);
  field(5, s.person);
}

template <typename A, Of<Alarm> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.kind);
  field(3, s.severity);
  field(4, s.camera);
  field(5, s.subject);
  field(6, s.since_us);
  field(7, s.until_us);
  field(8, s.sentence);
}

template <typename A, Of<AlarmAcknowledged> S>
void Fields(A& field, S& s) {
  field(1, s.alarm);
  field(2, s.at_us);
  field(3, s.person);
  field(4, s.note);
}

template <typename A, Of<Import> S>
void Fields(A& field, S& s) {
  field(1, s.id);
  field(2, s.stream.camera);
  field(3, s.stream.stream);
  field(4, s.range.start_us);
  field(5, s.range.end_us);
  field(6, s.runs);
  field(7, s.file);
  field(8, s.bytes);
  field(9, s.sha256);
  field(10, s.person);
  field(11, s.client);
  field(12, s.reason);
  field(13, s.complete);
  field(14, s.left_out);
}

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

std::string_view GapCauseName(GapCause cause) {
  constexpr std::string_view kNames[] = {
      "unknown",   "camera off",  "network",     "camera fault", "recorder down", "disk too slow",
      "disk full", "disk failed", "clock step",  "retention",    "thinned",       "stream change",
      "corrupt",   "missing",     "volume away", "upgrade"};
  const size_t index = static_cast<size_t>(cause);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

std::string_view UpkeepKindName(UpkeepKind kind) {
  constexpr std::string_view kNames[] = {"note", "fault", "repair"};
  const size_t index = static_cast<size_t>(kind);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

std::string_view SeverityName(Severity severity) {
  return severity == Severity::kCritical ? "critical" : "warning";
}

std::string_view RecordKindName(RecordKind kind) {
  switch (kind) {
    case RecordKind::kRun:
      return "RUN";
    case RecordKind::kSeal:
      return "SEAL";
    case RecordKind::kGap:
      return "GAP";
    case RecordKind::kThin:
      return "THIN";
    case RecordKind::kCopy:
      return "COPY";
    case RecordKind::kDelete:
      return "DELETE";
    case RecordKind::kMissing:
      return "MISSING";
    case RecordKind::kCamera:
      return "CAMERA";
    case RecordKind::kPolicy:
      return "POLICY";
    case RecordKind::kMarker:
      return "MARKER";
    case RecordKind::kMarkerRemoved:
      return "MARKER_REMOVED";
    case RecordKind::kPerson:
      return "PERSON";
    case RecordKind::kAct:
      return "ACT";
    case RecordKind::kRebuilt:
      return "REBUILT";
    case RecordKind::kPoliciesConfirmed:
      return "POLICIES_CONFIRMED";
    case RecordKind::kUpkeep:
      return "UPKEEP";
    case RecordKind::kClockCheck:
      return "CLOCK_CHECK";
    case RecordKind::kImport:
      return "IMPORT";
    case RecordKind::kAlarm:
      return "ALARM";
    case RecordKind::kAlarmAcknowledged:
      return "ALARM_ACKNOWLEDGED";
  }
  return "UNKNOWN";
}

bool IsKnownKind(RecordKind kind) { return RecordKindName(kind) != "UNKNOWN"; }

std::string_view TransportName(Transport transport) {
  switch (transport) {
    case Transport::kAuto:
      return "auto";
    case Transport::kTcp:
      return "tcp";
    case Transport::kUdp:
      return "udp";
  }
  return "unknown";
}

std::optional<Transport> TransportOf(std::string_view name) {
  for (const Transport one : {Transport::kAuto, Transport::kTcp, Transport::kUdp}) {
    if (TransportName(one) == name) return one;
  }
  return std::nullopt;
}

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
