// The rows of a catalog, put into an empty one, are the same catalog;
// and nothing else is put there.
#include "index/catalog_rows.h"

#include <gtest/gtest.h>

#include "index/schema.h"
#include "tests/support/temp_dir.h"

namespace lookback::index {
namespace {

constexpr TimeUs kStart = 1'777'903'200 * kUsPerSecond;

struct OwnedRow {
  std::string family, key, value;
  friend bool operator==(const OwnedRow&, const OwnedRow&) = default;
};

class CatalogRowsTest : public testing::Test {
 protected:
  std::unique_ptr<Catalog> OpenCatalog(const std::string& name) {
    auto opened = Catalog::Open(dir_.Path(name), {});
    EXPECT_TRUE(opened) << (opened ? "" : opened.message());
    return *std::move(opened);
  }
  static std::vector<OwnedRow> RowsOf(const CatalogView& view) {
    std::vector<OwnedRow> rows;
    const Status visited = view.Visit([&rows](const CatalogRow& row) {
      EXPECT_TRUE(CheckRow(row)) << row.family;
      rows.push_back({std::string(row.family), std::string(row.key), std::string(row.value)});
      return true;
    });
    EXPECT_TRUE(visited);
    return rows;
  }
  static Seal Segment(int minute) {
    Seal seal;
    seal.stream = Gate();
    seal.sequence = static_cast<uint32_t>(minute);
    seal.start_us = kStart + minute * kUsPerMinute;
    seal.end_us = seal.start_us + kUsPerMinute;
    seal.bytes = 1'000;
    return seal;
  }
  static StreamId Gate() { return {*CameraId::Parse("gate"), Stream::kMain}; }
  // One of each kind that leaves a row.
  static std::vector<NumberedRecord> Everything() {
    Camera camera;
    camera.id = Gate().camera;
    Policy policy;
    policy.scope = "default";
    Marker hold;
    hold.id = Uuid::Random();
    hold.cameras = {camera.id};
    hold.range = {kStart, kStart + kUsPerHour};
    hold.hold = true;
    Upkeep note;
    note.camera = camera.id;
    note.at_us = kStart;
    note.text = "lens";
    Alarm alarm;
    alarm.id = Uuid::Random();
    alarm.kind = "camera-down";
    alarm.since_us = kStart;
    const std::vector<Record> records = {
        camera,
        policy,
        hold,
        Person{"li.wei", "", true, false},
        note,
        alarm,
        AlarmAcknowledged{alarm.id, kStart, "li.wei", ""},
        Segment(0),
        Segment(1),
        Segment(2),
        Copy{KeyOf(Segment(0)), Uuid::Random()},
        Copy{KeyOf(Segment(1)), Uuid::Random()},
        Gap{Gate(), {kStart - 5, kStart}, GapCause::kNetwork, "refused"},
        Delete{KeyOf(Segment(1)), Segment(1).end_us, 1'000, "default/1", ""},
        Missing{KeyOf(Segment(2)), Segment(2).end_us},
        Rebuilt{3, false}};
    std::vector<NumberedRecord> numbered;
    for (const Record& record : records) numbered.push_back({numbered.size(), kStart, record});
    return numbered;
  }

  test::TempDir dir_;
};

TEST_F(CatalogRowsTest, PutBackTheyAreTheSameCatalog) {
  const auto catalog = OpenCatalog("one");
  ASSERT_TRUE(catalog->Apply(Everything()));
  const auto view = *CatalogView::Of(*catalog);
  // What comes later is not in the view.
  ASSERT_TRUE(catalog->Apply({{view->position(), kStart, Segment(9)}}));
  const auto rows = RowsOf(*view);
  EXPECT_EQ(view->position(), Everything().size());
  {
    const auto other = OpenCatalog("other");
    CatalogLoader loader(*other);
    for (const OwnedRow& row : rows) {
      ASSERT_TRUE(loader.Add({row.family, row.key, row.value})) << row.family;
    }
    ASSERT_TRUE(loader.Finish(view->position()));
    EXPECT_EQ(other->position(), view->position());
  }
  const auto again = OpenCatalog("other");
  EXPECT_EQ(again->position(), view->position());
  EXPECT_EQ(RowsOf(**CatalogView::Of(*again)), rows);
  EXPECT_FALSE(*again->PoliciesConfirmed());
  EXPECT_TRUE(*again->IsHeld(Gate().camera, Segment(0).range(), kStart));
  // It goes on where the other was.
  ASSERT_TRUE(again->Apply({{again->position(), kStart, Segment(9)}}));
  EXPECT_EQ(RowsOf(**CatalogView::Of(*again)), RowsOf(**CatalogView::Of(*catalog)));
}

TEST_F(CatalogRowsTest, WhatACatalogWouldNotHaveMadeIsRefused) {
  const auto catalog = OpenCatalog("one");
  ASSERT_TRUE(catalog->Apply(Everything()));
  for (const OwnedRow& row : RowsOf(**CatalogView::Of(*catalog))) {
    EXPECT_EQ(CheckRow({row.family, row.key + "x", row.value}).code(), Code::kCorrupt)
        << row.family;
    EXPECT_EQ(CheckRow({"unheard", row.key, row.value}).code(), Code::kUnsupported);
  }
  EXPECT_EQ(CheckRow({"default", "format", schema::U64(2)}).code(), Code::kCorrupt);
  EXPECT_EQ(CheckRow({"totals", schema::StreamPrefix(Gate()), "short"}).code(), Code::kCorrupt);
}

TEST_F(CatalogRowsTest, RowsHaveToFollowOneAnother) {
  const auto catalog = OpenCatalog("one");
  CatalogLoader loader(*catalog);
  const std::string a = schema::GapKey({Gate(), {kStart, kStart + 1}, GapCause::kNetwork, ""});
  const std::string b = schema::GapKey({Gate(), {kStart + 1, kStart + 2}, GapCause::kNetwork, ""});
  ASSERT_TRUE(loader.Add({"gaps", b, ""}));
  EXPECT_EQ(loader.Add({"gaps", b, ""}).code(), Code::kCorrupt);
  EXPECT_EQ(loader.Add({"gaps", a, ""}).code(), Code::kCorrupt);
  EXPECT_EQ(loader.Add({"default", "confirmed", "1"}).code(), Code::kCorrupt);
}

TEST_F(CatalogRowsTest, WhatPeopleSaidCanBeSaidAgain) {
  const auto catalog = OpenCatalog("one");
  ASSERT_TRUE(catalog->Apply(Everything()));
  std::vector<NumberedRecord> said;
  for (const OwnedRow& row : RowsOf(**CatalogView::Of(*catalog))) {
    auto record = RecordOfRow({row.family, row.key, row.value});
    if (record) said.push_back({said.size(), kStart, *std::move(record)});
  }
  const auto other = OpenCatalog("other");
  ASSERT_TRUE(other->Apply(said));
  EXPECT_TRUE(*other->IsHeld(Gate().camera, Segment(0).range(), kStart));
  EXPECT_EQ(other->Cameras()->size(), 1u);
  EXPECT_EQ(other->Persons()->size(), 1u);
  EXPECT_EQ(other->Notes(Gate().camera, 0, 10)->size(), 1u);
  const TimeRange ever{kTimeMinUs, kTimeMaxUs};
  const auto gaps = *catalog->Gaps(Gate(), ever), again = *other->Gaps(Gate(), ever);
  ASSERT_EQ(gaps.size(), again.size());
  for (size_t i = 0; i < gaps.size(); ++i) {
    EXPECT_EQ(EncodeRecord(gaps[i]), EncodeRecord(again[i]));
  }
}

}  // namespace
}  // namespace lookback::index
