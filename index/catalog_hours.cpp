#include "index/catalog_hours.h"

#include "base/log.h"
#include "index/schema.h"

namespace lookback::index {
namespace {

constexpr size_t kMaxDaysInBatch = 1'024;  // Waiting for Settle(), a kilobyte each.
constexpr size_t kDaysAWrite = 1'024;      // Of a count of all.

bool Overlapping(const FootageTotals& totals) { return totals.summed_us != totals.covered_us; }

void AddPiece(FootageTotals& totals, TimeRange part, const FootagePiece& piece, bool& in_doubt) {
  const TimeUs hour_us = RangeOfHour(HourOf(part.start_us)).start_us;
  if (part.start_us - hour_us < totals.last_end_us) {
    in_doubt = true;
    return;
  }
  ++totals.segments;
  totals.bytes += BytesWithin(piece, part);
  totals.covered_us += part.duration_us();
  totals.summed_us += part.duration_us();
  if (piece.thinned) totals.thinned_us += part.duration_us();
  totals.last_end_us = part.end_us - hour_us;
}

void RemovePiece(FootageTotals& totals, TimeRange part, const FootagePiece& piece, bool& in_doubt) {
  if (totals.segments == 1) {
    totals = {};
    return;
  }
  const TimeUs hour_us = RangeOfHour(HourOf(part.start_us)).start_us;
  if (Overlapping(totals) || part.end_us - hour_us >= totals.last_end_us) {
    in_doubt = true;
    return;
  }
  --totals.segments;
  totals.bytes -= BytesWithin(piece, part);
  totals.covered_us -= part.duration_us();
  totals.summed_us -= part.duration_us();
  if (piece.thinned) totals.thinned_us -= part.duration_us();
}

// Both are for one segment whose range stays as it is.
void TakeOut(FootageTotals& totals, TimeRange part, const FootagePiece& piece, bool& in_doubt) {
  in_doubt = in_doubt || Overlapping(totals);
  totals.bytes -= BytesWithin(piece, part);
  if (piece.thinned) totals.thinned_us -= part.duration_us();
}
void PutBack(FootageTotals& totals, TimeRange part, const FootagePiece& piece, bool&) {
  totals.bytes += BytesWithin(piece, part);
  if (piece.thinned) totals.thinned_us += part.duration_us();
}

tl::unexpected<Error> Malformed(const StreamId& stream) {
  return Fail(Code::kCorrupt, "the catalog's hours of " + stream.text() + " are malformed");
}

Status Written(const rocksdb::Status& status) {
  if (!status.ok()) return tl::unexpected(Translate(status, "write the catalog"));
  return Ok();
}

}  // namespace

Result<BatchHours::Day*> BatchHours::Find(const StreamId& stream, int64_t number) {
  std::string key = schema::DayKey(stream, number);
  const auto found = days_.find(key);
  if (found != days_.end()) return &found->second;
  Day day{stream, number, {}, {}};
  std::string value;
  const auto status =
      batch_.GetFromBatchAndDB(database_.db.get(), rocksdb::ReadOptions(),
                               database_.family(Family::kHours), AsSlice(key), &value);
  if (!status.ok() && !status.IsNotFound()) {
    return tl::unexpected(Translate(status, "read the catalog"));
  }
  if (status.ok() && !schema::ParseDayValue(value, day.hours)) return Malformed(stream);
  return &days_.emplace(std::move(key), std::move(day)).first->second;
}

Status BatchHours::Visit(const StreamId& stream, const FootagePiece& piece, Change change) {
  if (piece.range.empty()) return Ok();
  const int64_t last = HourOf(piece.range.end_us - 1);
  for (int64_t hour = HourOf(piece.range.start_us); hour <= last; ++hour) {
    LB_TRY_ASSIGN(day, Find(stream, hour / kHoursADay));
    const auto place = static_cast<size_t>(hour % kHoursADay);
    if (day->in_doubt[place]) continue;
    change(day->hours[place], piece.range.Intersect(RangeOfHour(hour)), piece,
           day->in_doubt[place]);
  }
  return Ok();
}

Status BatchHours::Add(const Seal& seal) { return Visit(seal.stream, PieceOf(seal), AddPiece); }

Status BatchHours::Remove(const Seal& seal) {
  return Visit(seal.stream, PieceOf(seal), RemovePiece);
}

Status BatchHours::Replace(const Seal& before, const Seal& after) {
  if (before.range() != after.range()) {
    LB_TRY(Remove(before));
    return Add(after);
  }
  LB_TRY(Visit(before.stream, PieceOf(before), TakeOut));
  return Visit(after.stream, PieceOf(after), PutBack);
}

bool BatchHours::full() const { return days_.size() >= kMaxDaysInBatch; }

Result<FootageTotals> BatchHours::Count(const StreamId& stream, int64_t hour) {
  const TimeRange range = RangeOfHour(hour);
  const std::string from =
      schema::SegmentSeek(stream, std::max(kTimeMinUs, range.start_us - kMaxSegmentUs));
  const std::string to = schema::SegmentSeek(stream, range.end_us);
  const rocksdb::Slice bound(to);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  auto* const family = database_.family(Family::kSegments);
  const std::unique_ptr<rocksdb::Iterator> it(
      batch_.NewIteratorWithBase(family, database_.db->NewIterator(options, family), &options));
  std::vector<FootagePiece> pieces;
  for (it->Seek(AsSlice(from)); it->Valid() && AsView(it->key()) < to; it->Next()) {
    LB_TRY_ASSIGN(seal, DecodeSeal(AsBytes(AsView(it->value()))));
    pieces.push_back(PieceOf(seal));
  }
  if (!it->status().ok()) return tl::unexpected(Translate(it->status(), "read the catalog"));
  return CountFootage(pieces, range);
}

Status BatchHours::Settle() {
  auto* const family = database_.family(Family::kHours);
  for (auto& [key, day] : days_) {
    for (size_t place = 0; place < day.hours.size(); ++place) {
      if (!day.in_doubt[place]) continue;
      LB_TRY_ASSIGN(totals,
                    Count(day.stream, day.number * kHoursADay + static_cast<int64_t>(place)));
      day.hours[place] = totals;
    }
    const std::string value = schema::DayValue(day.hours);
    if (value.empty()) {
      batch_.Delete(family, AsSlice(key));
    } else {
      batch_.Put(family, AsSlice(key), AsSlice(value));
    }
  }
  days_.clear();
  return Ok();
}

Result<bool> AreHoursCounted(const Database& database, uint64_t position) {
  LB_TRY_ASSIGN(counted, database.Get(Family::kDefault, kHoursKey));
  return counted && *counted == schema::U64(position);
}

Status EnsureHours(const Database& database, uint64_t position) {
  LB_TRY_ASSIGN(counted, AreHoursCounted(database, position));
  if (counted) return Ok();
  auto* const family = database.family(Family::kHours);
  rocksdb::WriteBatch batch;
  const auto kept = database.Iterate(Family::kHours);
  kept->SeekToFirst();
  if (kept->Valid()) {  // Of other rows.
    const std::string end(CameraId::kMaxLength + sizeof(uint64_t), '\xff');
    batch.DeleteRange(family, rocksdb::Slice(), AsSlice(end));
  }
  DayCounter counter([&](const StreamId& stream, int64_t day, const DayTotals& hours) -> Status {
    batch.Put(family, AsSlice(schema::DayKey(stream, day)), AsSlice(schema::DayValue(hours)));
    if (static_cast<size_t>(batch.Count()) < kDaysAWrite) return Ok();
    const Status written = Written(database.db->Write(rocksdb::WriteOptions(), &batch));
    batch.Clear();
    return written;
  });
  uint64_t segments = 0;
  const auto it = database.Iterate(Family::kSegments);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (segments++ == 0) LogInfo("catalog", "what there is in each hour is counted, once");
    LB_TRY_ASSIGN(seal, DecodeSeal(AsBytes(AsView(it->value()))));
    LB_TRY(counter.Add(seal));
  }
  if (!it->status().ok()) return tl::unexpected(Translate(it->status(), "read the catalog"));
  LB_TRY(counter.Finish());
  const std::string stored = schema::U64(position);
  batch.Put(database.family(Family::kDefault), AsSlice(kHoursKey), AsSlice(stored));
  LB_TRY(Written(database.db->Write(rocksdb::WriteOptions(), &batch)));
  if (segments > 0) {
    LogInfo("catalog", "the hours of " + std::to_string(segments) + " segments are counted");
  }
  return Ok();
}

Status Catalog::VisitHours(const StreamId& stream, TimeRange range, const VisitHour& visit) const {
  LB_TRY_ASSIGN(database, state_->Use());
  if (range.empty()) return Ok();
  bool go_on = true;
  const auto take = [&](int64_t day, const DayTotals& hours) {
    for (int64_t place = 0; place < kHoursADay && go_on; ++place) {
      const FootageTotals& totals = hours[static_cast<size_t>(place)];
      const TimeRange hour = RangeOfHour(day * kHoursADay + place);
      if (totals.segments > 0 && hour.Overlaps(range)) go_on = visit(hour.start_us, totals);
    }
  };
  const int64_t first = HourOf(std::max(kTimeMinUs, range.start_us));
  const int64_t last = HourOf(std::min(kTimeMaxUs, range.end_us) - 1);
  if (!state_->hours_counted) {
    DayCounter counter([&](const StreamId&, int64_t day, const DayTotals& hours) {
      take(day, hours);
      return Ok();
    });
    Status counted = Ok();
    const TimeRange whole{RangeOfHour(first).start_us, RangeOfHour(last).end_us};
    LB_TRY(VisitSegments(stream, whole, [&](const Seal& seal) {
      counted = counter.Add(seal);
      return go_on && counted;
    }));
    LB_TRY(counted);
    return counter.Finish();
  }
  const std::string prefix = schema::StreamPrefix(stream);
  const auto it = database->Iterate(Family::kHours);
  DayTotals hours;
  for (it->Seek(schema::DayKey(stream, first / kHoursADay)); go_on && it->Valid(); it->Next()) {
    StreamId same;
    int64_t day = 0;
    if (!AsView(it->key()).starts_with(prefix)) break;
    if (!schema::ParseDayKey(AsView(it->key()), same, day) ||
        !schema::ParseDayValue(AsView(it->value()), hours)) {
      return Malformed(stream);
    }
    if (day > last / kHoursADay) break;
    take(day, hours);
  }
  if (!it->status().ok()) return tl::unexpected(Translate(it->status(), "read the catalog"));
  return Ok();
}

Status Catalog::VisitDays(const VisitDay& visit) const {
  LB_TRY_ASSIGN(database, state_->Use());
  if (!state_->hours_counted) return Ok();
  const auto stored = database->Iterate(Family::kHours);
  const auto rows = database->Iterate(Family::kSegments);
  bool go_on = true;
  // Days that are kept, but of which there is no segment, up to that key.
  const auto pass_to = [&](const std::string* key) -> Status {
    for (; go_on && stored->Valid() && (!key || AsView(stored->key()) < *key); stored->Next()) {
      StreamId stream;
      int64_t day = 0;
      if (!schema::ParseDayKey(AsView(stored->key()), stream, day)) return Malformed(stream);
      go_on = visit(stream, day * kUsPerDay, false);
    }
    return Ok();
  };
  stored->SeekToFirst();
  DayCounter counter([&](const StreamId& stream, int64_t day, const DayTotals& hours) -> Status {
    const std::string key = schema::DayKey(stream, day);
    LB_TRY(pass_to(&key));
    const bool kept = stored->Valid() && AsView(stored->key()) == key;
    const bool agrees = kept && AsView(stored->value()) == schema::DayValue(hours);
    if (kept) stored->Next();
    if (go_on) go_on = visit(stream, day * kUsPerDay, agrees);
    return Ok();
  });
  for (rows->SeekToFirst(); go_on && rows->Valid(); rows->Next()) {
    LB_TRY_ASSIGN(seal, DecodeSeal(AsBytes(AsView(rows->value()))));
    LB_TRY(counter.Add(seal));
  }
  if (go_on) LB_TRY(counter.Finish());
  LB_TRY(pass_to(nullptr));
  for (const auto* it : {stored.get(), rows.get()}) {
    if (!it->status().ok()) return tl::unexpected(Translate(it->status(), "read the catalog"));
  }
  return Ok();
}

}  // namespace lookback::index
