// How a ledger record changes the catalog. One batch, which can be read before it is written, so
// that records of one group see one another.

#include <rocksdb/utilities/write_batch_with_index.h>

#include "index/catalog_hours.h"
#include "index/catalog_state.h"
#include "index/schema.h"

namespace lookback::index {
namespace {

class Applier {
 public:
  explicit Applier(const Database& database)
      : database_(database),
        batch_(rocksdb::BytewiseComparator(), 0, true),
        hours_(database_, batch_) {}

  Status Apply(const NumberedRecord& numbered) {
    if (hours_.full()) LB_TRY(hours_.Settle());
    LB_TRY(std::visit([this](const auto& record) { return One(record); }, numbered.record));
    if (const CameraId* camera = NotedCamera(numbered.record)) {
      Put(Family::kNotes, schema::NoteKey(*camera, numbered.number),
          schema::ActValue(numbered.time_us, numbered.record));
    }
    if (IsAct(numbered.record)) {
      Put(Family::kActs, schema::U64(numbered.number),
          schema::ActValue(numbered.time_us, numbered.record));
    }
    return Ok();
  }

  Status Finish(uint64_t position) {
    LB_TRY(hours_.Settle());
    Put(Family::kDefault, kHoursKey, schema::U64(position));
    Put(Family::kDefault, kPositionKey, schema::U64(position));
    return Ok();
  }

  rocksdb::Status Write(bool sync) {
    rocksdb::WriteOptions options;
    options.sync = sync;
    return database_.db->Write(options, batch_.GetWriteBatch());
  }

 private:
  // The camera on whose record it stands; nullptr for what is no note.
  static const CameraId* NotedCamera(const Record& record) {
    if (const auto* upkeep = std::get_if<Upkeep>(&record)) return &upkeep->camera;
    if (const auto* check = std::get_if<ClockCheck>(&record)) return &check->camera;
    if (const auto* import = std::get_if<Import>(&record)) return &import->stream.camera;
    return nullptr;
  }

  // What an auditor reads: everything that a person did, and what befell the store as a whole.
  static bool IsAct(const Record& record) {
    switch (KindOf(record)) {
      case RecordKind::kRun:
      case RecordKind::kSeal:
      case RecordKind::kGap:
      case RecordKind::kThin:
      case RecordKind::kCopy:
      case RecordKind::kDelete:
      case RecordKind::kMissing:
      case RecordKind::kAlarm:
        return false;
      default:
        return true;
    }
  }

  void Put(Family f, std::string_view key, std::string_view value) {
    batch_.Put(database_.family(f), AsSlice(key), AsSlice(value));
  }
  void Erase(Family f, std::string_view key) { batch_.Delete(database_.family(f), AsSlice(key)); }

  Result<std::optional<std::string>> Get(Family f, std::string_view key) {
    std::string value;
    const auto status = batch_.GetFromBatchAndDB(database_.db.get(), rocksdb::ReadOptions(),
                                                 database_.family(f), AsSlice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return tl::unexpected(Translate(status, "read the catalog"));
    return std::optional<std::string>(std::move(value));
  }

  Status One(const Run&) { return Ok(); }  // Its segments tell of it.

  Status One(const Seal& seal) {
    const std::string key = schema::SegmentKeyBytes(KeyOf(seal));
    LB_TRY_ASSIGN(row, Get(Family::kSegments, key));
    Put(Family::kSegments, key, AsText(EncodeRecord(seal)));
    if (!row) {
      LB_TRY(hours_.Add(seal));
      return Count(seal, 1);
    }
    // Where a copy takes the place of the file that was lost, it is none any more.
    Erase(Family::kCopies, schema::CopyKey(KeyOf(seal), seal.volume));
    LB_TRY_ASSIGN(before, DecodeSeal(AsBytes(*row)));
    return Exchange(before, seal);
  }

  Status Exchange(const Seal& before, const Seal& after) {
    LB_TRY(hours_.Replace(before, after));
    LB_TRY(Count(before, -1));
    return Count(after, 1);
  }

  // One of a segment that was deleted while it was made says nothing.
  Status One(const Copy& copy) {
    const std::string key = schema::CopyKey(copy.segment, copy.volume);
    LB_TRY_ASSIGN(row, Get(Family::kSegments, schema::SegmentKeyBytes(copy.segment)));
    if (copy.gone || !row) {
      Erase(Family::kCopies, key);
      return Ok();
    }
    LB_TRY_ASSIGN(seal, DecodeSeal(AsBytes(*row)));
    if (seal.volume != copy.volume) Put(Family::kCopies, key, AsText(EncodeRecord(copy)));
    return Ok();
  }

  // One of a segment that is not on record says nothing.
  Status One(const Thin& thin) {
    const std::string key = schema::SegmentKeyBytes(thin.segment);
    LB_TRY_ASSIGN(row, Get(Family::kSegments, key));
    if (!row) return Ok();
    LB_TRY_ASSIGN(before, DecodeSeal(AsBytes(*row)));
    Seal seal = before;
    seal.thinned = true;
    seal.bytes = thin.bytes;
    seal.fragments = thin.fragments;
    seal.sha256 = thin.sha256;
    Put(Family::kSegments, key, AsText(EncodeRecord(seal)));
    LB_TRY(EraseCopies(key));
    return Exchange(before, seal);
  }

  Status EraseCopies(std::string_view segment) {
    // Without a bound a look for what is not there steps over all that was erased behind it.
    const std::string end = schema::CopiesEnd(segment);
    const rocksdb::Slice bound(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &bound;
    std::unique_ptr<rocksdb::Iterator> it(batch_.NewIteratorWithBase(
        database_.family(Family::kCopies),
        database_.db->NewIterator(options, database_.family(Family::kCopies)), &options));
    std::vector<std::string> gone;
    for (it->Seek(AsSlice(segment)); it->Valid() && AsView(it->key()).starts_with(segment);
         it->Next()) {
      gone.emplace_back(AsView(it->key()));
    }
    if (!it->status().ok()) return tl::unexpected(Translate(it->status(), "read the catalog"));
    for (const std::string& key : gone) Erase(Family::kCopies, key);
    return Ok();
  }

  Status Count(const Seal& seal, int sign) {
    const std::string key = schema::StreamPrefix(seal.stream);
    LB_TRY_ASSIGN(value, Get(Family::kTotals, key));
    uint64_t segments = 0, bytes = 0;
    if (value && !schema::ParseTotalsValue(*value, segments, bytes)) {
      return Fail(Code::kCorrupt,
                  "the catalog's totals of " + seal.stream.text() + " are malformed");
    }
    segments = sign > 0 ? segments + 1 : segments - 1;
    bytes = sign > 0 ? bytes + seal.bytes : bytes - seal.bytes;
    Put(Family::kTotals, key, schema::TotalsValue(segments, bytes));
    return Ok();
  }

  Status One(const Gap& gap) {
    if (!gap.range.empty()) Put(Family::kGaps, schema::GapKey(gap), gap.detail);
    return Ok();
  }

  Status One(const Delete& gone) { return Lose(gone.segment, gone.end_us, GapCause::kRetention); }
  Status One(const Missing& missing) {
    return Lose(missing.segment, missing.end_us, missing.cause);
  }

  // Takes a segment's row, and puts its range among those that were lost for that cause.
  Status Lose(const SegmentKey& segment, TimeUs end_us, GapCause cause) {
    const std::string key = schema::SegmentKeyBytes(segment);
    LB_TRY_ASSIGN(row, Get(Family::kSegments, key));
    if (row) {
      LB_TRY_ASSIGN(seal, DecodeSeal(AsBytes(*row)));
      LB_TRY(Count(seal, -1));
      LB_TRY(hours_.Remove(seal));
      Erase(Family::kSegments, key);
    }
    LB_TRY(EraseCopies(key));
    TimeRange range{segment.start_us, end_us};
    if (range.empty()) return Ok();
    LB_TRY(Coalesce(segment.stream, cause, range));
    Put(Family::kLost, schema::LostKey(segment.stream, cause, range.start_us),
        schema::U64(static_cast<uint64_t>(range.end_us)));
    return Ok();
  }

  // Grows `range` by its neighbours of the same cause, whose rows go.
  Status Coalesce(const StreamId& stream, GapCause cause, TimeRange& range) {
    std::unique_ptr<rocksdb::Iterator> it(batch_.NewIteratorWithBase(
        database_.family(Family::kLost),
        database_.db->NewIterator(rocksdb::ReadOptions(), database_.family(Family::kLost))));
    std::vector<std::string> gone;
    for (it->SeekForPrev(schema::LostKey(stream, cause, range.end_us)); it->Valid(); it->Prev()) {
      StreamId other;
      GapCause other_cause{};
      TimeUs start_us = 0;
      uint64_t end = 0;
      if (!schema::ParseLostKey(AsView(it->key()), other, other_cause, start_us) ||
          !schema::ParseU64(AsView(it->value()), end)) {
        return Fail(Code::kCorrupt,
                    "the catalog's lost ranges of " + stream.text() + " are malformed");
      }
      const auto end_us = static_cast<TimeUs>(end);
      if (other != stream || other_cause != cause || end_us < range.start_us) break;
      range = {std::min(range.start_us, start_us), std::max(range.end_us, end_us)};
      gone.emplace_back(AsView(it->key()));
    }
    if (!it->status().ok()) return tl::unexpected(Translate(it->status(), "read the catalog"));
    for (const std::string& key : gone) Erase(Family::kLost, key);
    return Ok();
  }

  Status One(const Camera& camera) {
    Put(Family::kCameras, camera.id.text(), AsText(EncodeRecord(camera)));
    return Ok();
  }
  Status One(const Policy& policy) {
    Put(Family::kPolicies, policy.scope, AsText(EncodeRecord(policy)));
    return Ok();
  }
  Status One(const Person& person) {
    Put(Family::kPersons, person.name, AsText(EncodeRecord(person)));
    return Ok();
  }

  Status One(const Marker& marker) {
    LB_TRY(RemoveMarker(marker.id));
    Put(Family::kMarkers, schema::IdKey(marker.id), AsText(EncodeRecord(marker)));
    for (const schema::Marked& row : RowsOf(marker)) {
      Put(Family::kMarked, schema::MarkedKey(row), schema::MarkedValue(row));
    }
    return Ok();
  }
  Status One(const MarkerRemoved& removed) { return RemoveMarker(removed.id); }

  static std::vector<schema::Marked> RowsOf(const Marker& marker) {
    std::vector<schema::Marked> rows;
    for (const CameraId& camera : marker.cameras) {
      rows.push_back({camera, marker.hold, marker.range, marker.expires_us, marker.id});
    }
    return rows;
  }

  Status RemoveMarker(const Uuid& id) {
    LB_TRY_ASSIGN(value, Get(Family::kMarkers, schema::IdKey(id)));
    if (!value) return Ok();
    LB_TRY_ASSIGN(record, DecodeRecord(RecordKind::kMarker, AsBytes(*value)));
    for (const schema::Marked& row : RowsOf(std::get<Marker>(record))) {
      Erase(Family::kMarked, schema::MarkedKey(row));
    }
    Erase(Family::kMarkers, schema::IdKey(id));
    return Ok();
  }

  Status One(const Act&) { return Ok(); }
  Status One(const Upkeep&) { return Ok(); }
  Status One(const ClockCheck&) { return Ok(); }
  Status One(const Import&) { return Ok(); }

  Status One(const Alarm& alarm) {
    using schema::AlarmRow;
    Put(Family::kAlarms, schema::AlarmKey(AlarmRow::kAlarm, alarm.id), AsText(EncodeRecord(alarm)));
    const std::string standing = schema::AlarmKey(AlarmRow::kStanding, alarm.id);
    if (alarm.until_us == 0) {
      Put(Family::kAlarms, standing, "");
    } else {
      Erase(Family::kAlarms, standing);
    }
    return Ok();
  }
  Status One(const AlarmAcknowledged& acknowledged) {
    Put(Family::kAlarms, schema::AlarmKey(schema::AlarmRow::kAcknowledged, acknowledged.alarm),
        AsText(EncodeRecord(acknowledged)));
    return Ok();
  }

  Status One(const Rebuilt&) {
    Put(Family::kDefault, kConfirmedKey, "0");
    return Ok();
  }
  Status One(const PoliciesConfirmed&) {
    Put(Family::kDefault, kConfirmedKey, "1");
    return Ok();
  }

  const Database& database_;
  rocksdb::WriteBatchWithIndex batch_;
  BatchHours hours_;
};

}  // namespace

Status Catalog::Apply(const std::vector<NumberedRecord>& records) {
  if (records.empty()) return Ok();
  if (state_->failed) return tl::unexpected(*state_->failed);
  LB_TRY_ASSIGN(database, state_->Use());
  Applier applier(*database);
  uint64_t next = state_->position;
  for (const NumberedRecord& record : records) {
    if (record.number < next) {
      return Fail(Code::kInvalid, "ledger record " + std::to_string(record.number) +
                                      " does not follow the catalog's position " +
                                      std::to_string(next));
    }
    next = record.number + 1;
    LB_TRY(applier.Apply(record));
  }
  LB_TRY(applier.Finish(next));
  // The first is synced: a catalog that has nothing after a power cut counts as lost,
  // and freezes deletion.
  const auto status = applier.Write(state_->position == 0);
  if (!status.ok()) {
    // RocksDB may take no more writes until it is opened again, even when space is freed.
    state_->failed = Translate(status, "write the catalog");
    return tl::unexpected(*state_->failed);
  }
  state_->position = next;
  return Ok();
}

}  // namespace lookback::index
