#include "index/catalog_rows.h"

#include <rocksdb/sst_file_writer.h>

#include <algorithm>
#include <optional>

#include "index/catalog_hours.h"
#include "index/catalog_state.h"
#include "index/schema.h"

namespace lookback::index {
namespace {

// A file of sorted rows is begun anew when it has so many bytes.
constexpr uint64_t kFileBytes = 64 << 20;

// Hours follow from the segments, and are counted where those are put back.
bool IsRow(Family family, std::string_view key) {
  return family != Family::kHours && (family != Family::kDefault || key == kConfirmedKey);
}

std::optional<Family> FamilyOf(std::string_view name) {
  const auto it = std::find(kFamilyNames.begin(), kFamilyNames.end(), name);
  if (it == kFamilyNames.end()) return std::nullopt;
  return static_cast<Family>(it - kFamilyNames.begin());
}

bool GoodRange(TimeUs start_us, TimeUs end_us) {
  return kTimeMinUs <= start_us && start_us < end_us && end_us <= kTimeMaxUs;
}

// Whether `value` is a record of that kind, and `key` the one that belongs to it.
template <typename T, typename KeyOfRecord>
bool IsRecord(RecordKind kind, const CatalogRow& row, KeyOfRecord key_of) {
  const auto record = DecodeRecord(kind, AsBytes(row.value));
  return record && key_of(std::get<T>(*record)) == row.key;
}

bool IsGap(const CatalogRow& row) {
  Gap gap;
  if (!schema::ParseGapKey(row.key, gap) || !GoodRange(gap.range.start_us, gap.range.end_us)) {
    return false;
  }
  gap.detail = row.value;
  return CheckRecord(gap).has_value() && schema::GapKey(gap) == row.key;
}

bool IsLost(const CatalogRow& row) {
  StreamId stream;
  GapCause cause{};
  TimeUs start_us = 0;
  uint64_t end = 0;
  return schema::ParseLostKey(row.key, stream, cause, start_us) &&
         schema::ParseU64(row.value, end) && GoodRange(start_us, static_cast<TimeUs>(end)) &&
         (cause == GapCause::kRetention || cause == GapCause::kCorrupt ||
          cause == GapCause::kMissing);
}

bool IsMarked(const CatalogRow& row) {
  schema::Marked marked;
  return schema::ParseMarked(row.key, row.value, marked) &&
         GoodRange(marked.range.start_us, marked.range.end_us) &&
         schema::MarkedKey(marked) == row.key;
}

bool IsTotals(const CatalogRow& row) {
  StreamId stream;
  uint64_t segments = 0, bytes = 0;
  return schema::ParseStreamPrefix(row.key, stream) &&
         schema::ParseTotalsValue(row.value, segments, bytes);
}

// Records of a later version are passed over by whoever reads acts, and stay.
bool IsKnownOrLater(RecordKind kind, std::string_view payload) {
  const auto record = DecodeRecord(kind, AsBytes(payload));
  return record || record.code() == Code::kUnsupported;
}

bool IsAct(const CatalogRow& row) {
  uint64_t number = 0;
  TimeUs time_us = 0;
  RecordKind kind{};
  std::string_view payload;
  return schema::ParseAct(row.key, row.value, number, time_us, kind, payload) &&
         IsKnownOrLater(kind, payload);
}

bool IsNote(const CatalogRow& row) {
  CameraId camera;
  uint64_t number = 0;
  TimeUs time_us = 0;
  RecordKind kind{};
  std::string_view payload;
  return schema::ParseNote(row.key, row.value, camera, number, time_us, kind, payload) &&
         IsKnownOrLater(kind, payload);
}

bool IsAlarm(const CatalogRow& row) {
  using schema::AlarmRow;
  AlarmRow kind{};
  Uuid id;
  if (!schema::ParseAlarmKey(row.key, kind, id)) return false;
  if (kind == AlarmRow::kStanding) return row.value.empty();
  if (kind == AlarmRow::kAlarm) {
    return IsRecord<Alarm>(RecordKind::kAlarm, row, [](const Alarm& alarm) {
      return schema::AlarmKey(AlarmRow::kAlarm, alarm.id);
    });
  }
  return IsRecord<AlarmAcknowledged>(RecordKind::kAlarmAcknowledged, row,
                                     [](const AlarmAcknowledged& seen) {
                                       return schema::AlarmKey(AlarmRow::kAcknowledged, seen.alarm);
                                     });
}

bool IsGood(Family family, const CatalogRow& row) {
  switch (family) {
    case Family::kDefault:
      return row.key == kConfirmedKey && (row.value == "0" || row.value == "1");
    case Family::kSegments:
      return IsRecord<Seal>(RecordKind::kSeal, row,
                            [](const Seal& seal) { return schema::SegmentKeyBytes(KeyOf(seal)); });
    case Family::kGaps:
      return IsGap(row);
    case Family::kLost:
      return IsLost(row);
    case Family::kMarkers:
      return IsRecord<Marker>(RecordKind::kMarker, row,
                              [](const Marker& marker) { return schema::IdKey(marker.id); });
    case Family::kMarked:
      return IsMarked(row);
    case Family::kCameras:
      return IsRecord<Camera>(RecordKind::kCamera, row,
                              [](const Camera& camera) { return camera.id.text(); });
    case Family::kPolicies:
      return IsRecord<Policy>(RecordKind::kPolicy, row,
                              [](const Policy& policy) { return policy.scope; });
    case Family::kPersons:
      return IsRecord<Person>(RecordKind::kPerson, row,
                              [](const Person& person) { return person.name; });
    case Family::kTotals:
      return IsTotals(row);
    case Family::kActs:
      return IsAct(row);
    case Family::kNotes:
      return IsNote(row);
    case Family::kAlarms:
      return IsAlarm(row);
    case Family::kCopies:
      return IsRecord<Copy>(RecordKind::kCopy, row, [](const Copy& copy) {
        return schema::CopyKey(copy.segment, copy.volume);
      });
    case Family::kHours:
    case Family::kCount:
      break;
  }
  return false;
}

}  // namespace

uint32_t CatalogFormat() { return schema::kFormatVersion; }

Status CheckRow(const CatalogRow& row) {
  const auto family = FamilyOf(row.family);
  if (!family) {
    return Fail(Code::kUnsupported,
                "a catalog has no rows named \"" + std::string(row.family) + "\" in this version");
  }
  if (IsGood(*family, row)) return Ok();
  return Fail(Code::kCorrupt,
              "what is no row of a catalog stands among its " + std::string(row.family));
}

namespace {

std::optional<Record> Decoded(RecordKind kind, std::string_view payload) {
  auto record = DecodeRecord(kind, AsBytes(payload));
  if (!record) return std::nullopt;
  return *std::move(record);
}

std::optional<Record> GapOf(const CatalogRow& row) {
  Gap gap;
  if (!schema::ParseGapKey(row.key, gap)) return std::nullopt;
  gap.detail = row.value;
  return gap;
}

std::optional<Record> GapOfLost(const CatalogRow& row) {
  Gap gap;
  uint64_t end = 0;
  if (!schema::ParseLostKey(row.key, gap.stream, gap.cause, gap.range.start_us) ||
      !schema::ParseU64(row.value, end)) {
    return std::nullopt;
  }
  gap.range.end_us = static_cast<TimeUs>(end);
  return gap;
}

std::optional<Record> NoteOf(const CatalogRow& row) {
  CameraId camera;
  uint64_t number = 0;
  TimeUs time_us = 0;
  RecordKind kind{};
  std::string_view payload;
  if (!schema::ParseNote(row.key, row.value, camera, number, time_us, kind, payload)) {
    return std::nullopt;
  }
  return Decoded(kind, payload);
}

}  // namespace

std::optional<Record> RecordOfRow(const CatalogRow& row) {
  const auto family = FamilyOf(row.family);
  if (!family) return std::nullopt;
  switch (*family) {
    case Family::kGaps:
      return GapOf(row);
    case Family::kLost:
      return GapOfLost(row);
    case Family::kMarkers:
      return Decoded(RecordKind::kMarker, row.value);
    case Family::kCameras:
      return Decoded(RecordKind::kCamera, row.value);
    case Family::kPolicies:
      return Decoded(RecordKind::kPolicy, row.value);
    case Family::kPersons:
      return Decoded(RecordKind::kPerson, row.value);
    case Family::kNotes:
      return NoteOf(row);
    default:
      return std::nullopt;
  }
}

struct CatalogView::State {
  ~State() { database->db->ReleaseSnapshot(instant); }

  std::shared_ptr<const Database> database;
  const rocksdb::Snapshot* instant = nullptr;
  uint64_t position = 0;
};

CatalogView::CatalogView(std::unique_ptr<State> state) : state_(std::move(state)) {}
CatalogView::~CatalogView() = default;

Result<std::unique_ptr<CatalogView>> CatalogView::Of(const Catalog& catalog) {
  LB_TRY_ASSIGN(database, catalog.state_->Use());
  auto state = std::make_unique<State>();
  state->database = std::move(database);
  const Database& open = *state->database;
  state->instant = open.db->GetSnapshot();
  rocksdb::ReadOptions reading;
  reading.snapshot = state->instant;
  std::string stored;
  const auto status =
      open.db->Get(reading, open.family(Family::kDefault), AsSlice(kPositionKey), &stored);
  if (!status.ok() && !status.IsNotFound()) {
    return tl::unexpected(Translate(status, "read the catalog"));
  }
  if (status.ok() && !schema::ParseU64(stored, state->position)) {
    return Fail(Code::kCorrupt, "the catalog has a malformed position");
  }
  return std::unique_ptr<CatalogView>(new CatalogView(std::move(state)));
}

uint64_t CatalogView::position() const { return state_->position; }

Status CatalogView::Visit(const std::function<bool(const CatalogRow&)>& visit) const {
  const Database& open = *state_->database;
  rocksdb::ReadOptions reading;
  reading.snapshot = state_->instant;
  reading.fill_cache = false;  // Who looks for footage keeps what is in memory.
  for (size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (open.family(family) == nullptr) continue;
    const std::unique_ptr<rocksdb::Iterator> it(open.db->NewIterator(reading, open.family(family)));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const CatalogRow row{kFamilyNames[i], AsView(it->key()), AsView(it->value())};
      if (IsRow(family, row.key) && !visit(row)) return Ok();
    }
    if (!it->status().ok()) return tl::unexpected(Translate(it->status(), "read the catalog"));
  }
  return Ok();
}

// Rows that come in order are written to sorted files, which the database takes as they are:
// nothing is sorted, logged or compacted.
struct CatalogLoader::State {
  Status Begin(Family f);
  Status End();

  Catalog& catalog;
  std::shared_ptr<const Database> database;
  std::optional<Family> family;
  std::unique_ptr<rocksdb::SstFileWriter> writer;  // nullptr: no file is open.
  std::string path;
  std::string last_key;
  uint64_t files = 0;
};

CatalogLoader::CatalogLoader(Catalog& catalog)
    : state_(std::make_unique<State>(State{catalog, nullptr, {}, nullptr, {}, {}, 0})) {}
CatalogLoader::~CatalogLoader() = default;

Status CatalogLoader::State::Begin(Family f) {
  if (!database) {
    LB_TRY_ASSIGN(open, catalog.state_->Use());
    database = std::move(open);
  }
  auto* const handle = database->family(f);
  if (handle == nullptr) return Fail(Code::kUnsupported, "the catalog lacks a column family");
  family = f;
  path = catalog.state_->path + "/load-" + std::to_string(files++) + ".sst";
  writer = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(),
                                                    database->db->GetOptions(handle), handle);
  const auto status = writer->Open(path);
  if (!status.ok()) return tl::unexpected(Translate(status, "write the catalog"));
  return Ok();
}

Status CatalogLoader::State::End() {
  if (!writer) return Ok();
  auto status = writer->Finish();
  writer.reset();
  rocksdb::IngestExternalFileOptions taking;
  taking.move_files = true;
  if (status.ok()) {
    status = database->db->IngestExternalFile(database->family(*family), {path}, taking);
  }
  if (!status.ok()) return tl::unexpected(Translate(status, "write the catalog"));
  return Ok();
}

Status CatalogLoader::Add(const CatalogRow& row) {
  LB_TRY(CheckRow(row));
  State& s = *state_;
  const Family family = *FamilyOf(row.family);
  if (s.family && (family < *s.family || (family == *s.family && row.key <= s.last_key))) {
    return Fail(Code::kCorrupt, "rows of a catalog do not follow one another");
  }
  if (s.writer && (s.family != family || s.writer->FileSize() >= kFileBytes)) LB_TRY(s.End());
  if (!s.writer) LB_TRY(s.Begin(family));
  const auto status = s.writer->Put(AsSlice(row.key), AsSlice(row.value));
  if (!status.ok()) return tl::unexpected(Translate(status, "write the catalog"));
  s.last_key = row.key;
  return Ok();
}

Status CatalogLoader::Finish(uint64_t position) {
  State& s = *state_;
  LB_TRY(s.End());
  LB_TRY_ASSIGN(database, s.catalog.state_->Use());
  const std::string stored = schema::U64(position);
  const auto status = database->db->Put(rocksdb::WriteOptions(), database->family(Family::kDefault),
                                        AsSlice(kPositionKey), AsSlice(stored));
  if (!status.ok()) return tl::unexpected(Translate(status, "write the catalog"));
  LB_TRY(EnsureHours(*database, position));
  LB_TRY(s.catalog.Flush());
  s.catalog.state_->position = position;
  return Ok();
}

}  // namespace lookback::index
