#include "index/catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/support/temp_dir.h"

namespace lookback::index {
namespace {

constexpr TimeUs kStart = 1'777'903'200 * kUsPerSecond;

StreamId Stream1() { return {*CameraId::Parse("gate"), Stream::kMain}; }

Seal Segment(int minute, const std::string& camera = "gate") {
  Seal seal;
  seal.stream.camera = *CameraId::Parse(camera);
  seal.epoch = 1;
  seal.sequence = static_cast<uint32_t>(minute);
  seal.start_us = kStart + minute * kUsPerMinute;
  seal.end_us = seal.start_us + kUsPerMinute;
  seal.bytes = 1'000;
  return seal;
}

Delete Deletion(const Seal& seal) {
  return {KeyOf(seal), seal.end_us, seal.bytes, "default/1", ""};
}

class CatalogTest : public testing::Test {
 protected:
  CatalogTest() { Reopen(); }

  void Reopen() {
    catalog_.reset();
    auto opened = Catalog::Open(dir_.Path("catalog"), {});
    ASSERT_TRUE(opened) << opened.message();
    catalog_ = *std::move(opened);
  }

  void Apply(std::vector<Record> records) {
    std::vector<NumberedRecord> numbered;
    uint64_t number = catalog_->position();
    for (Record& record : records) numbered.push_back({number++, kStart, std::move(record)});
    const Status applied = catalog_->Apply(numbered);
    ASSERT_TRUE(applied) << applied.message();
  }

  test::TempDir dir_;
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(CatalogTest, AnOverlapQueryIsHalfOpen) {
  Apply({Segment(0), Segment(1), Segment(2), Segment(1, "gate-2")});
  const auto query = [&](TimeUs a, TimeUs b) {
    return catalog_->Segments(Stream1(), {a, b})->size();
  };
  EXPECT_EQ(query(kStart, kStart + kUsPerMinute), 1u);
  EXPECT_EQ(query(kStart + kUsPerMinute - 1, kStart + kUsPerMinute + 1), 2u);
  EXPECT_EQ(query(kStart - 5, kStart), 0u);
  EXPECT_EQ(query(kStart + 3 * kUsPerMinute, kTimeMaxUs), 0u);
  EXPECT_EQ(query(kTimeMinUs, kTimeMaxUs), 3u);
}

TEST_F(CatalogTest, AThinnedSegmentHasTheSameRowWithAnotherFileAndNoCopies) {
  const Seal seal = Segment(1);
  Thin thin{KeyOf(seal), seal.end_us, seal.bytes, {}, 100, 7, {}, "default/1", "age"};
  thin.sha256.fill(0xcd);
  const Uuid other = Uuid::Random();
  Apply({Segment(0), seal, Copy{KeyOf(seal), other}, thin});
  const Seal row = **catalog_->FindSegment(KeyOf(seal));
  EXPECT_TRUE(row.thinned);
  EXPECT_EQ(row.bytes, 100u);
  EXPECT_EQ(row.fragments, 7u);
  EXPECT_EQ(row.sha256, thin.sha256);
  EXPECT_EQ(row.range(), seal.range());
  EXPECT_EQ(catalog_->Segments(Stream1(), {kTimeMinUs, kTimeMaxUs})->size(), 2u);
  EXPECT_EQ(catalog_->Totals()->front().bytes, 1'100u);
  EXPECT_TRUE(catalog_->CopiesOf(KeyOf(seal))->empty());
  EXPECT_TRUE(catalog_->Gaps(Stream1(), {kTimeMinUs, kTimeMaxUs})->empty());
  // Of one that was deleted it says nothing; one that is thinned is deleted as any.
  Apply({Deletion(seal), thin});
  EXPECT_FALSE(catalog_->FindSegment(KeyOf(seal))->has_value());
  EXPECT_EQ(catalog_->Totals()->front().bytes, 1'000u);
}

TEST_F(CatalogTest, GapsAndHoldsAreHalfOpenToo) {
  const TimeRange minute = Segment(1).range();
  const TimeRange deleted = Segment(7).range();
  Marker hold;
  hold.id = Uuid::Random();
  hold.cameras = {Stream1().camera};
  hold.range = minute;
  hold.hold = true;
  Apply({Gap{Stream1(), minute, GapCause::kNetwork, ""}, Segment(7), Deletion(Segment(7)), hold});
  const auto gaps = [&](TimeUs a, TimeUs b) { return catalog_->Gaps(Stream1(), {a, b})->size(); };
  for (const TimeRange& range : {minute, deleted}) {
    EXPECT_EQ(gaps(range.start_us - kUsPerSecond, range.start_us), 0u);
    EXPECT_EQ(gaps(range.end_us - 1, range.end_us), 1u);
    EXPECT_EQ(gaps(range.end_us, range.end_us + kUsPerSecond), 0u);
  }
  const auto held = [&](TimeUs a, TimeUs b) {
    return *catalog_->IsHeld(Stream1().camera, {a, b}, kStart);
  };
  EXPECT_FALSE(held(minute.start_us - kUsPerSecond, minute.start_us));
  EXPECT_TRUE(held(minute.end_us - 1, minute.end_us));
  EXPECT_FALSE(held(minute.end_us, minute.end_us + kUsPerSecond));
}

TEST_F(CatalogTest, WhetherAVolumeHasAFileIsTheRowsOrACopysToSay) {
  Seal own = Segment(0), copied = Segment(1), other = Segment(2);
  const Uuid here = Uuid::Random();
  own.volume = here;
  copied.volume = other.volume = Uuid::Random();
  Apply({own, copied, other, Copy{KeyOf(copied), here, copied.sha256}});
  std::vector<bool> all, some;
  ASSERT_TRUE(catalog_->VisitAllSegments(here, [&](const Seal&, bool is_on) {
    all.push_back(is_on);
    return true;
  }));
  ASSERT_TRUE(
      catalog_->VisitSegments(Stream1(), copied.range(), here, [&](const Seal&, bool is_on) {
        some.push_back(is_on);
        return true;
      }));
  EXPECT_EQ(all, (std::vector{true, true, false}));
  EXPECT_EQ(some, std::vector{true});
}

// "It has no copy" must be what was read.
TEST_F(CatalogTest, WhereACopyCannotBeLookedUpTheWalkEndsWithTheError) {
  const Seal row = Segment(0);
  const Uuid elsewhere = Uuid::Random();
  Apply({row, Copy{KeyOf(row), elsewhere, row.sha256}});
  ASSERT_TRUE(catalog_->Flush());
  catalog_.reset();
  const std::filesystem::path whole = dir_.Path("catalog"), kept = dir_.Path("kept");
  std::filesystem::copy(whole, kept, std::filesystem::copy_options::recursive);
  bool found = false;
  for (const auto& entry : std::filesystem::directory_iterator(kept)) {
    if (entry.path().extension() != ".sst") continue;
    std::filesystem::remove_all(whole);
    std::filesystem::copy(kept, whole, std::filesystem::copy_options::recursive);
    std::fstream file(whole / entry.path().filename(),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5);
    file.put('\x5a');  // In its first block.
    file.close();
    auto opened = Catalog::Open(whole, {});
    if (!opened || !(*opened)->FindSegment(KeyOf(row)) ||
        (*opened)->HasCopy(KeyOf(row), elsewhere).has_value()) {
      continue;
    }
    found = true;
    const auto visit = [](const Seal&, bool) { return true; };
    EXPECT_EQ((*opened)->VisitAllSegments(elsewhere, visit).code(), Code::kCorrupt);
    EXPECT_EQ((*opened)->VisitSegments(row.stream, row.range(), elsewhere, visit).code(),
              Code::kCorrupt);
  }
  EXPECT_TRUE(found);
}

TEST_F(CatalogTest, TheLastSegmentIsTheOneThatEndsLast) {
  EXPECT_FALSE(catalog_->LastSegment(Stream1())->has_value());
  Seal longer = Segment(5);
  longer.end_us += 50 * kUsPerSecond;
  Seal later = Segment(5);
  later.start_us += 10 * kUsPerSecond;
  later.end_us = later.start_us + 10 * kUsPerSecond;
  Apply({Segment(0), longer, later, Segment(9, "gate-2")});
  EXPECT_EQ((*catalog_->LastSegment(Stream1()))->end_us, longer.end_us);
}

TEST_F(CatalogTest, DeletedFootageLeavesOneGapWithItsCause) {
  std::vector<Record> records;
  for (int i = 0; i < 10; ++i) records.push_back(Segment(i));
  Apply(records);
  // In one batch and in several, in order and out of it.
  Apply({Deletion(Segment(2)), Deletion(Segment(3))});
  Apply({Deletion(Segment(5))});
  Apply({Deletion(Segment(4)), Deletion(Segment(8))});
  const auto gaps = catalog_->Gaps(Stream1(), {kTimeMinUs, kTimeMaxUs});
  ASSERT_TRUE(gaps);
  ASSERT_EQ(gaps->size(), 2u);
  EXPECT_EQ((*gaps)[0].range, (TimeRange{Segment(2).start_us, Segment(5).end_us}));
  EXPECT_EQ((*gaps)[0].cause, GapCause::kRetention);
  EXPECT_EQ((*gaps)[1].range, Segment(8).range());
  EXPECT_EQ(catalog_->Segments(Stream1(), {kTimeMinUs, kTimeMaxUs})->size(), 5u);
  EXPECT_EQ(catalog_->Totals()->front().segments, 5u);
  EXPECT_EQ(catalog_->Totals()->front().bytes, 5'000u);
  // A query inside of it finds it too.
  EXPECT_EQ(catalog_->Gaps(Stream1(), {Segment(4).start_us + 1, Segment(4).start_us + 2})->size(),
            1u);
}

TEST_F(CatalogTest, OverlapAgreesWithBruteForceWhateverTheLengths) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const CameraId camera = *CameraId::Parse("c" + std::to_string(seed));
    const StreamId stream{camera, Stream::kMain};
    std::vector<Record> records;
    std::vector<TimeRange> gaps, holds;
    const auto range = [&] {
      const TimeUs start = kStart + static_cast<TimeUs>(random() % (1ull << 40));
      return TimeRange{start,
                       start + 1 + static_cast<TimeUs>(random() % (1ull << (random() % 42)))};
    };
    for (int i = 0; i < 400; ++i) {
      gaps.push_back(range());
      records.push_back(Gap{stream, gaps.back(), GapCause::kNetwork, std::to_string(i)});
      holds.push_back(range());
      records.push_back(Marker{Uuid::Random(), {camera}, holds.back(), "", "", true, "", "", 0, 0});
    }
    Apply(records);
    for (int i = 0; i < 300; ++i) {
      const TimeRange asked = range();
      const auto expect = [&](const std::vector<TimeRange>& all) {
        return std::count_if(all.begin(), all.end(),
                             [&](const TimeRange& r) { return r.Overlaps(asked); });
      };
      EXPECT_EQ(catalog_->Gaps(stream, asked)->size(), static_cast<size_t>(expect(gaps)));
      EXPECT_EQ(catalog_->Markers(camera, asked)->size(), static_cast<size_t>(expect(holds)));
      EXPECT_EQ(*catalog_->IsHeld(camera, asked, kStart), expect(holds) > 0);
    }
  }
}

TEST_F(CatalogTest, AHoldHoldsItsCamerasUntilItExpiresOrIsReleased) {
  Marker hold{Uuid::Random(),
              {Stream1().camera, *CameraId::Parse("door")},
              {100, 200},
              "",
              "",
              true,
              "case 7",
              "li",
              0,
              5'000};
  Marker plain = hold;
  plain.id = Uuid::Random();
  plain.hold = false;
  Apply({hold, plain});
  const auto held = [&](const char* camera, TimeRange range, TimeUs now) {
    return *catalog_->IsHeld(*CameraId::Parse(camera), range, now);
  };
  EXPECT_TRUE(held("gate", {199, 300}, 0));
  EXPECT_TRUE(held("door", {0, 101}, 4'999));
  EXPECT_FALSE(held("door", {0, 100}, 0));
  EXPECT_FALSE(held("gate", {200, 300}, 0));
  EXPECT_FALSE(held("gate", {100, 200}, 5'000));
  EXPECT_FALSE(held("other", {100, 200}, 0));
  EXPECT_EQ(catalog_->Markers(CameraId(), {0, 1'000})->size(), 2u);
  // Put and released in one batch: as when a catalog is rebuilt.
  Marker brief = hold;
  brief.id = Uuid::Random();
  Apply({MarkerRemoved{hold.id, true, "li", "closed"}, brief,
         MarkerRemoved{brief.id, true, "li", ""}});
  EXPECT_FALSE(held("gate", {100, 200}, 0));
  EXPECT_FALSE(catalog_->FindMarker(hold.id)->has_value());
  EXPECT_EQ(catalog_->Markers(CameraId(), {0, 1'000})->size(), 1u);
}

TEST_F(CatalogTest, NoRecordIsAppliedTwiceAndALostOneIsPassedOver) {
  Apply({Segment(0)});
  EXPECT_FALSE(catalog_->Apply({{0, kStart, Segment(1)}}));
  EXPECT_EQ(catalog_->position(), 1u);
  EXPECT_TRUE(catalog_->Apply({{5, kStart, Segment(1)}}));
  EXPECT_EQ(catalog_->position(), 6u);
}

TEST_F(CatalogTest, WhatWasAppliedIsThereAfterReopening) {
  Apply({Segment(0), Camera{Stream1().camera, "Gate", "rtsp://h/1", "", false, true, false},
         Policy{"default", 1, 30, 90, AtFloor::kStop, "admin"}, Person{"li", "Li", true, false}});
  ASSERT_TRUE(catalog_->Flush());
  Reopen();
  EXPECT_EQ(catalog_->position(), 4u);
  EXPECT_TRUE(catalog_->FindSegment(KeyOf(Segment(0)))->has_value());
  EXPECT_EQ(catalog_->Cameras()->front().name, "Gate");
  EXPECT_EQ(catalog_->Policies()->front().max_days, 90u);
  EXPECT_EQ(catalog_->Persons()->front().name, "li");
}

TEST_F(CatalogTest, ARebuildFreezesDeletionUntilThePoliciesAreConfirmed) {
  EXPECT_TRUE(*catalog_->PoliciesConfirmed());
  Apply({Rebuilt{1, false}});
  EXPECT_FALSE(*catalog_->PoliciesConfirmed());
  Apply({PoliciesConfirmed{"admin"}});
  EXPECT_TRUE(*catalog_->PoliciesConfirmed());
}

TEST_F(CatalogTest, ActsComeNewestFirstPageByPage) {
  for (int i = 0; i < 5; ++i) {
    Apply({Segment(i), Act{ActKind::kView, "li", "", {}, {1, 2}, std::to_string(i), "", false}});
  }
  const auto newest = catalog_->Acts(0, 2);
  ASSERT_EQ(newest->size(), 2u);
  EXPECT_EQ(std::get<Act>((*newest)[0].record).what, "4");
  const auto next = catalog_->Acts(newest->back().number, 10);
  ASSERT_EQ(next->size(), 3u);
  EXPECT_EQ(std::get<Act>(next->back().record).what, "0");
}

TEST_F(CatalogTest, NotesAreOfOneCameraAloneNewestFirst) {
  const CameraId gate = *CameraId::Parse("gate");
  const CameraId gate2 = *CameraId::Parse("gate2");
  Apply({Upkeep{gate, UpkeepKind::kFault, 1, "dark", "li"}, ClockCheck{gate2, 3, 2, "", "li"},
         Upkeep{gate, UpkeepKind::kRepair, 2, "new lamp", "li"}, ClockCheck{gate, 9, 4, "", "li"}});
  const auto newest = catalog_->Notes(gate, 0, 2);
  ASSERT_TRUE(newest) << newest.message();
  ASSERT_EQ(newest->size(), 2u);
  EXPECT_EQ(std::get<ClockCheck>((*newest)[0].record).offset_us(), 5);
  EXPECT_EQ(std::get<Upkeep>((*newest)[1].record).text, "new lamp");
  const auto rest = catalog_->Notes(gate, newest->back().number, 10);
  ASSERT_EQ(rest->size(), 1u);
  EXPECT_EQ(std::get<Upkeep>(rest->front().record).text, "dark");
  EXPECT_EQ(catalog_->Notes(gate2, 0, 10)->size(), 1u);
  EXPECT_TRUE(catalog_->Notes(*CameraId::Parse("gat"), 0, 10)->empty());
}

TEST_F(CatalogTest, AlarmsStandUntilTheyEndAndKeepWhoSawThem) {
  const CameraId gate = *CameraId::Parse("gate");
  std::vector<Alarm> alarms;
  for (const TimeUs since_us : {1'000'000, 2'000'000, 3'000'000}) {
    alarms.push_back({Uuid::TimeOrdered(since_us), "camera-down", Severity::kCritical, gate, "gate",
                      since_us, 0, "no answer"});
  }
  Apply({alarms[0], alarms[1], alarms[2], AlarmAcknowledged{alarms[1].id, 9, "li", "seen"}});
  alarms[1].until_us = alarms[2].until_us = 10'000'000;
  Apply({alarms[1], alarms[2]});
  const auto standing = catalog_->StandingAlarms();
  ASSERT_TRUE(standing) << standing.message();
  ASSERT_EQ(standing->size(), 1u);
  EXPECT_EQ(standing->front().alarm.id, alarms[0].id);

  std::vector<AlarmEvent> all;
  const auto keep = [&](AlarmEvent event) {
    all.push_back(std::move(event));
    return all.size() < 2;
  };
  ASSERT_TRUE(catalog_->VisitAlarms({}, keep));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].alarm.id, alarms[2].id);
  EXPECT_EQ(all[1].alarm.until_us, 10'000'000);
  EXPECT_EQ(all[1].acknowledged->note, "seen");
  all.clear();
  ASSERT_TRUE(catalog_->VisitAlarms(alarms[1].id, keep));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].alarm.id, alarms[0].id);
  EXPECT_FALSE(*catalog_->FindAlarm(Uuid::Random()));
}

TEST_F(CatalogTest, CopiesAreOfSegmentsThatAreThereAndGoWithThem) {
  const Uuid a = Uuid::Random(), b = Uuid::Random();
  Seal own = Segment(0);
  own.volume = Uuid::Random();
  const auto copies = [&](const Seal& seal) { return *catalog_->CopiesOf(KeyOf(seal)); };
  Apply({own, Segment(1), Copy{KeyOf(own), a}, Copy{KeyOf(own), own.volume},
         Copy{KeyOf(Segment(2)), a}});
  EXPECT_EQ(copies(own), std::vector<Uuid>{a});
  EXPECT_TRUE(copies(Segment(1)).empty());
  EXPECT_TRUE(copies(Segment(2)).empty()) << "there is no such segment";
  EXPECT_TRUE(*catalog_->HasCopy(KeyOf(own), a));
  EXPECT_FALSE(*catalog_->HasCopy(KeyOf(own), own.volume)) << "that is its own file";

  Apply({Copy{KeyOf(own), b}, Copy{KeyOf(own), a, {}, /*gone=*/true}});
  EXPECT_EQ(copies(own), std::vector<Uuid>{b});
  // It takes the place of the file that was lost.
  own.volume = b;
  Apply({own, Copy{KeyOf(own), a}});
  EXPECT_EQ(copies(own), std::vector<Uuid>{a});
  size_t all = 0;
  ASSERT_TRUE(catalog_->VisitAllCopies([&](const Copy& copy) {
    EXPECT_EQ(copy.volume, a);
    return ++all, true;
  }));
  EXPECT_EQ(all, 1u);
  // In one batch with what it takes away, too.
  Apply({Copy{KeyOf(Segment(1)), a}, Delete{KeyOf(own), own.end_us, 0, "", ""},
         Missing{KeyOf(Segment(1)), Segment(1).end_us}, Copy{KeyOf(own), b}});
  EXPECT_TRUE(copies(own).empty());
  EXPECT_TRUE(copies(Segment(1)).empty());
}

TEST_F(CatalogTest, AReaderBesideTheWriterSeesAConsistentPast) {
  Apply({Segment(0), Segment(1)});
  Catalog::Options options;
  options.read_only = true;
  const auto reader = Catalog::Open(dir_.Path("catalog"), options);
  ASSERT_TRUE(reader) << reader.message();
  Apply({Segment(2)});
  size_t rows = 0;
  ASSERT_TRUE((*reader)->VisitAllSegments([&](const Seal&) { return ++rows, true; }));
  EXPECT_EQ(rows, (*reader)->position());
}

TEST(Catalog, AReaderDoesNotMakeWhatIsNotThere) {
  test::TempDir dir;
  Catalog::Options options;
  options.read_only = true;
  EXPECT_FALSE(Catalog::Open(dir.Path("absent"), options));
  EXPECT_FALSE(std::filesystem::exists(dir.Path("absent")));
}

}  // namespace
}  // namespace lookback::index
