#include "index/catalog.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "index/catalog_state.h"
#include "index/schema.h"

namespace lookback::index {
namespace {

bool StartsWith(const rocksdb::Slice& key, std::string_view prefix) {
  return AsView(key).starts_with(prefix);
}

Status Finished(const rocksdb::Iterator& it) {
  if (!it.status().ok()) return tl::unexpected(Translate(it.status(), "read the catalog"));
  return Ok();
}

tl::unexpected<Error> Malformed(std::string_view what) {
  return Fail(Code::kCorrupt, "the catalog has a malformed row among its " + std::string(what));
}

// Every value of a small family, decoded.
template <typename T>
Result<std::vector<T>> All(const Database& database, Family family, RecordKind kind) {
  std::vector<T> all;
  const auto it = database.Iterate(family);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    LB_TRY_ASSIGN(record, DecodeRecord(kind, AsBytes(AsView(it->value()))));
    all.push_back(std::move(std::get<T>(record)));
  }
  LB_TRY(Finished(*it));
  return all;
}

template <typename T>
Result<std::optional<T>> One(const Database& database, Family family, RecordKind kind,
                             std::string_view key) {
  LB_TRY_ASSIGN(value, database.Get(family, key));
  if (!value) return std::optional<T>();
  LB_TRY_ASSIGN(record, DecodeRecord(kind, AsBytes(*value)));
  return std::optional<T>(std::move(std::get<T>(record)));
}

// The first start at which an interval of the class could still reach `start_us`.
TimeUs ScanFrom(TimeUs start_us, uint8_t interval_class) {
  return std::max<TimeUs>(kTimeMinUs, start_us - schema::ClassLengthUs(interval_class));
}

// Marker rows of one camera and kind that overlap; `visit` returns false to stop.
Status VisitMarked(const Database& database, const CameraId& camera, bool hold, TimeRange range,
                   const std::function<bool(const schema::Marked&)>& visit) {
  const auto it = database.Iterate(Family::kMarked);
  for (uint8_t c = 0; c < schema::kClasses; ++c) {
    const std::string prefix = schema::MarkedPrefix(camera, hold, c);
    for (it->Seek(schema::MarkedSeek(camera, hold, c, ScanFrom(range.start_us, c)));
         it->Valid() && StartsWith(it->key(), prefix); it->Next()) {
      schema::Marked marked;
      if (!schema::ParseMarked(AsView(it->key()), AsView(it->value()), marked)) {
        return Malformed("markers");
      }
      if (marked.range.start_us >= range.end_us) break;
      if (marked.range.Overlaps(range) && !visit(marked)) return Ok();
    }
    LB_TRY(Finished(*it));
  }
  return Ok();
}

Status AddGaps(const Database& database, const StreamId& stream, TimeRange range,
               std::vector<Gap>& gaps) {
  const auto it = database.Iterate(Family::kGaps);
  for (uint8_t c = 0; c < schema::kClasses; ++c) {
    const std::string prefix = schema::StreamPrefix(stream) + static_cast<char>(c);
    for (it->Seek(schema::GapSeek(stream, c, ScanFrom(range.start_us, c)));
         it->Valid() && StartsWith(it->key(), prefix); it->Next()) {
      Gap gap;
      if (!schema::ParseGapKey(AsView(it->key()), gap)) return Malformed("gaps");
      if (gap.range.start_us >= range.end_us) break;
      if (!gap.range.Overlaps(range)) continue;
      gap.detail = AsView(it->value());
      gaps.push_back(std::move(gap));
    }
    LB_TRY(Finished(*it));
  }
  return Ok();
}

// Ranges lost for one cause are disjoint, so only the first can begin before `range`.
Status AddLost(const Database& database, const StreamId& stream, GapCause cause, TimeRange range,
               std::vector<Gap>& gaps) {
  const std::string prefix = schema::StreamPrefix(stream) + static_cast<char>(cause);
  const auto it = database.Iterate(Family::kLost);
  it->SeekForPrev(schema::LostKey(stream, cause, range.start_us));
  if (!it->Valid() || !StartsWith(it->key(), prefix)) it->Seek(prefix);
  for (; it->Valid() && StartsWith(it->key(), prefix); it->Next()) {
    Gap gap;
    uint64_t end = 0;
    if (!schema::ParseLostKey(AsView(it->key()), gap.stream, gap.cause, gap.range.start_us) ||
        !schema::ParseU64(AsView(it->value()), end)) {
      return Malformed("lost ranges");
    }
    gap.range.end_us = static_cast<TimeUs>(end);
    if (gap.range.start_us >= range.end_us) break;
    if (gap.range.Overlaps(range)) gaps.push_back(std::move(gap));
  }
  return Finished(*it);
}

}  // namespace

Status Catalog::VisitSegments(const StreamId& stream, TimeRange range,
                              const std::function<bool(const Seal&)>& visit) const {
  LB_TRY_ASSIGN(database, state_->Use());
  if (range.empty()) return Ok();
  const std::string prefix = schema::StreamPrefix(stream);
  const TimeUs from_us = std::max<TimeUs>(kTimeMinUs, range.start_us - kMaxSegmentUs);
  const auto it = database->Iterate(Family::kSegments);
  for (it->Seek(schema::SegmentSeek(stream, from_us)); it->Valid(); it->Next()) {
    if (!StartsWith(it->key(), prefix)) break;
    LB_TRY_ASSIGN(seal, DecodeSeal(AsBytes(AsView(it->value()))));
    if (seal.start_us >= range.end_us) break;
    if (seal.range().Overlaps(range) && !visit(seal)) return Ok();
  }
  return Finished(*it);
}

Result<std::vector<Seal>> Catalog::Segments(const StreamId& stream, TimeRange range) const {
  std::vector<Seal> segments;
  LB_TRY(VisitSegments(stream, range, [&](const Seal& seal) {
    segments.push_back(seal);
    return true;
  }));
  return segments;
}

Result<std::optional<Seal>> Catalog::FindSegment(const SegmentKey& key) const {
  LB_TRY_ASSIGN(database, state_->Use());
  return One<Seal>(*database, Family::kSegments, RecordKind::kSeal, schema::SegmentKeyBytes(key));
}

Result<std::optional<Seal>> Catalog::LastSegment(const StreamId& stream) const {
  LB_TRY_ASSIGN(database, state_->Use());
  const std::string prefix = schema::StreamPrefix(stream);
  const auto it = database->Iterate(Family::kSegments);
  std::optional<Seal> last;
  TimeUs newest_start_us = 0;
  // The one that ends last began at most a segment's length before the one that began last.
  for (it->SeekForPrev(schema::SegmentSeek(stream, kTimeMaxUs)); it->Valid(); it->Prev()) {
    if (!StartsWith(it->key(), prefix)) break;
    LB_TRY_ASSIGN(seal, DecodeSeal(AsBytes(AsView(it->value()))));
    newest_start_us = std::max(newest_start_us, seal.start_us);
    if (seal.start_us < newest_start_us - kMaxSegmentUs) break;
    if (!last || seal.end_us > last->end_us) last = std::move(seal);
  }
  LB_TRY(Finished(*it));
  return last;
}

Status Catalog::VisitAllSegments(const std::function<bool(const Seal&)>& visit) const {
  LB_TRY_ASSIGN(database, state_->Use());
  const auto it = database->Iterate(Family::kSegments);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    LB_TRY_ASSIGN(seal, DecodeSeal(AsBytes(AsView(it->value()))));
    if (!visit(seal)) return Ok();
  }
  return Finished(*it);
}

Result<std::vector<StreamTotals>> Catalog::Totals() const {
  LB_TRY_ASSIGN(database, state_->Use());
  std::vector<StreamTotals> totals;
  const auto it = database->Iterate(Family::kTotals);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    StreamTotals one;
    if (!schema::ParseStreamPrefix(AsView(it->key()), one.stream) ||
        !schema::ParseTotalsValue(AsView(it->value()), one.segments, one.bytes)) {
      return Malformed("totals");
    }
    totals.push_back(std::move(one));
  }
  LB_TRY(Finished(*it));
  return totals;
}

Result<std::vector<Uuid>> Catalog::CopiesOf(const SegmentKey& key) const {
  LB_TRY_ASSIGN(database, state_->Use());
  const std::string prefix = schema::SegmentKeyBytes(key);
  std::vector<Uuid> volumes;
  const std::string end = schema::CopiesEnd(prefix);
  const rocksdb::Slice bound(end);
  const auto it = database->Iterate(Family::kCopies, &bound);
  for (it->Seek(prefix); it->Valid() && StartsWith(it->key(), prefix); it->Next()) {
    LB_TRY_ASSIGN(record, DecodeRecord(RecordKind::kCopy, AsBytes(AsView(it->value()))));
    volumes.push_back(std::get<Copy>(record).volume);
  }
  LB_TRY(Finished(*it));
  return volumes;
}

Result<bool> Catalog::HasCopy(const SegmentKey& key, const Uuid& volume) const {
  LB_TRY_ASSIGN(database, state_->Use());
  LB_TRY_ASSIGN(value, database->Get(Family::kCopies, schema::CopyKey(key, volume)));
  return value.has_value();
}

Result<bool> Catalog::IsOn(const Seal& row, const Uuid& volume) const {
  return row.volume == volume ? Result<bool>(true) : HasCopy(KeyOf(row), volume);
}

// All three must outlive what is returned.
std::function<bool(const Seal&)> Catalog::AskingOn(const Uuid& volume, const VisitOn& visit,
                                                   Status& asked) const {
  return [&, this](const Seal& row) {
    const auto is_on = IsOn(row, volume);
    if (!is_on.has_value()) asked = Pass(is_on.error());
    return is_on.has_value() && visit(row, *is_on);
  };
}

Status Catalog::VisitSegments(const StreamId& stream, TimeRange range, const Uuid& volume,
                              const VisitOn& visit) const {
  Status asked = Ok();
  LB_TRY(VisitSegments(stream, range, AskingOn(volume, visit, asked)));
  return asked;
}

Status Catalog::VisitAllSegments(const Uuid& volume, const VisitOn& visit) const {
  Status asked = Ok();
  LB_TRY(VisitAllSegments(AskingOn(volume, visit, asked)));
  return asked;
}

Status Catalog::VisitAllCopies(const std::function<bool(const Copy&)>& visit) const {
  LB_TRY_ASSIGN(database, state_->Use());
  const auto it = database->Iterate(Family::kCopies);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    LB_TRY_ASSIGN(record, DecodeRecord(RecordKind::kCopy, AsBytes(AsView(it->value()))));
    if (!visit(std::get<Copy>(record))) return Ok();
  }
  return Finished(*it);
}

Result<std::vector<Gap>> Catalog::Gaps(const StreamId& stream, TimeRange range) const {
  LB_TRY_ASSIGN(database, state_->Use());
  std::vector<Gap> gaps;
  if (range.empty()) return gaps;
  LB_TRY(AddGaps(*database, stream, range, gaps));
  for (const GapCause cause : {GapCause::kRetention, GapCause::kCorrupt, GapCause::kMissing}) {
    LB_TRY(AddLost(*database, stream, cause, range, gaps));
  }
  std::sort(gaps.begin(), gaps.end(), [](const Gap& a, const Gap& b) {
    return std::tie(a.range.start_us, a.range.end_us, a.cause) <
           std::tie(b.range.start_us, b.range.end_us, b.cause);
  });
  return gaps;
}

Result<std::vector<Camera>> Catalog::Cameras() const {
  LB_TRY_ASSIGN(database, state_->Use());
  return All<Camera>(*database, Family::kCameras, RecordKind::kCamera);
}

Result<std::optional<Camera>> Catalog::FindCamera(const CameraId& id) const {
  LB_TRY_ASSIGN(database, state_->Use());
  return One<Camera>(*database, Family::kCameras, RecordKind::kCamera, id.text());
}

Result<std::vector<Policy>> Catalog::Policies() const {
  LB_TRY_ASSIGN(database, state_->Use());
  return All<Policy>(*database, Family::kPolicies, RecordKind::kPolicy);
}

Result<std::vector<Person>> Catalog::Persons() const {
  LB_TRY_ASSIGN(database, state_->Use());
  return All<Person>(*database, Family::kPersons, RecordKind::kPerson);
}

Result<std::vector<Marker>> Catalog::Markers(const CameraId& camera, TimeRange range) const {
  LB_TRY_ASSIGN(database, state_->Use());
  std::vector<Marker> markers;
  if (range.empty()) return markers;
  std::vector<CameraId> cameras{camera};
  if (camera.empty()) {
    // Every camera that ever had a marker: one step a camera, over all of its rows.
    cameras.clear();
    const auto it = database->Iterate(Family::kMarked);
    for (it->SeekToFirst(); it->Valid();) {
      const std::string_view key = AsView(it->key());
      auto id = CameraId::Parse(key.substr(0, key.find('\0')));
      if (!id) return Malformed("markers");
      it->Seek(id->text() + '\x01');
      cameras.push_back(*std::move(id));
    }
    LB_TRY(Finished(*it));
  }
  std::set<Uuid> ids;
  for (const CameraId& one : cameras) {
    for (const bool hold : {false, true}) {
      LB_TRY(VisitMarked(*database, one, hold, range, [&](const schema::Marked& marked) {
        ids.insert(marked.id);
        return true;
      }));
    }
  }
  for (const Uuid& id : ids) {
    LB_TRY_ASSIGN(marker, FindMarker(id));
    if (marker) markers.push_back(*std::move(marker));
  }
  std::sort(markers.begin(), markers.end(), [](const Marker& a, const Marker& b) {
    return std::tie(a.range.start_us, a.id) < std::tie(b.range.start_us, b.id);
  });
  return markers;
}

Result<std::optional<Marker>> Catalog::FindMarker(const Uuid& id) const {
  LB_TRY_ASSIGN(database, state_->Use());
  return One<Marker>(*database, Family::kMarkers, RecordKind::kMarker, schema::IdKey(id));
}

Result<bool> Catalog::IsHeld(const CameraId& camera, TimeRange range, TimeUs now_us) const {
  LB_TRY_ASSIGN(database, state_->Use());
  bool held = false;
  LB_TRY(VisitMarked(*database, camera, true, range, [&](const schema::Marked& marked) {
    held = StandsAt(marked.expires_us, now_us);
    return !held;
  }));
  return held;
}

Result<std::vector<NumberedRecord>> Catalog::Acts(uint64_t before, size_t limit) const {
  LB_TRY_ASSIGN(database, state_->Use());
  std::vector<NumberedRecord> acts;
  const auto it = database->Iterate(Family::kActs);
  if (before == 0) {
    it->SeekToLast();
  } else {
    it->SeekForPrev(schema::U64(before - 1));
  }
  for (; it->Valid() && acts.size() < limit; it->Prev()) {
    NumberedRecord act;
    RecordKind kind{};
    std::string_view payload;
    if (!schema::ParseAct(AsView(it->key()), AsView(it->value()), act.number, act.time_us, kind,
                          payload)) {
      return Malformed("acts");
    }
    auto record = DecodeRecord(kind, AsBytes(payload));
    if (!record && record.code() == Code::kUnsupported) continue;
    if (!record) return Pass(record.error());
    act.record = *std::move(record);
    acts.push_back(std::move(act));
  }
  LB_TRY(Finished(*it));
  return acts;
}

Result<std::vector<NumberedRecord>> Catalog::Notes(const CameraId& camera, uint64_t before,
                                                   size_t limit) const {
  LB_TRY_ASSIGN(database, state_->Use());
  std::vector<NumberedRecord> notes;
  const auto it = database->Iterate(Family::kNotes);
  const uint64_t last = before == 0 ? std::numeric_limits<uint64_t>::max() : before - 1;
  for (it->SeekForPrev(schema::NoteKey(camera, last)); it->Valid() && notes.size() < limit;
       it->Prev()) {
    NumberedRecord note;
    CameraId noted;
    RecordKind kind{};
    std::string_view payload;
    if (!schema::ParseNote(AsView(it->key()), AsView(it->value()), noted, note.number, note.time_us,
                           kind, payload)) {
      return Malformed("notes");
    }
    if (noted != camera) break;  // Before a camera's first note stands another camera's last.
    auto record = DecodeRecord(kind, AsBytes(payload));
    if (!record && record.code() == Code::kUnsupported) continue;
    if (!record) return Pass(record.error());
    note.record = *std::move(record);
    notes.push_back(std::move(note));
  }
  LB_TRY(Finished(*it));
  return notes;
}

namespace {

Result<std::optional<AlarmEvent>> ReadAlarm(const Database& database, const Uuid& id) {
  using schema::AlarmRow;
  LB_TRY_ASSIGN(alarm, One<Alarm>(database, Family::kAlarms, RecordKind::kAlarm,
                                  schema::AlarmKey(AlarmRow::kAlarm, id)));
  if (!alarm) return std::optional<AlarmEvent>();
  LB_TRY_ASSIGN(acknowledged,
                One<AlarmAcknowledged>(database, Family::kAlarms, RecordKind::kAlarmAcknowledged,
                                       schema::AlarmKey(AlarmRow::kAcknowledged, id)));
  return std::optional<AlarmEvent>({*std::move(alarm), std::move(acknowledged)});
}

}  // namespace

Result<std::vector<AlarmEvent>> Catalog::StandingAlarms() const {
  LB_TRY_ASSIGN(database, state_->Use());
  std::vector<AlarmEvent> standing;
  const auto it = database->Iterate(Family::kAlarms);
  for (it->Seek(AsSlice(schema::AlarmKey(schema::AlarmRow::kStanding, Uuid{}))); it->Valid();
       it->Next()) {
    schema::AlarmRow row{};
    Uuid id;
    if (!schema::ParseAlarmKey(AsView(it->key()), row, id)) return Malformed("alarms");
    if (row != schema::AlarmRow::kStanding) break;
    LB_TRY_ASSIGN(event, ReadAlarm(*database, id));
    if (event) standing.push_back(*std::move(event));
  }
  LB_TRY(Finished(*it));
  return standing;
}

Status Catalog::VisitAlarms(const Uuid& before,
                            const std::function<bool(AlarmEvent)>& visit) const {
  LB_TRY_ASSIGN(database, state_->Use());
  const auto it = database->Iterate(Family::kAlarms);
  // The first row of the next kind stands behind every alarm.
  it->SeekForPrev(AsSlice(before.zero() ? schema::AlarmKey(schema::AlarmRow::kStanding, Uuid{})
                                        : schema::AlarmKey(schema::AlarmRow::kAlarm, before)));
  for (; it->Valid(); it->Prev()) {
    schema::AlarmRow row{};
    Uuid id;
    if (!schema::ParseAlarmKey(AsView(it->key()), row, id)) return Malformed("alarms");
    if (row != schema::AlarmRow::kAlarm || id == before) continue;
    LB_TRY_ASSIGN(event, ReadAlarm(*database, id));
    if (event && !visit(*std::move(event))) return Ok();
  }
  return Finished(*it);
}

Result<std::optional<AlarmEvent>> Catalog::FindAlarm(const Uuid& id) const {
  LB_TRY_ASSIGN(database, state_->Use());
  return ReadAlarm(*database, id);
}

Result<bool> Catalog::PoliciesConfirmed() const {
  LB_TRY_ASSIGN(database, state_->Use());
  LB_TRY_ASSIGN(value, database->Get(Family::kDefault, kConfirmedKey));
  return !value || *value == "1";
}

}  // namespace lookback::index
