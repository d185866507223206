#include "index/records.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "base/wire.h"
#include "tests/support/temp_dir.h"

namespace lookback::index {
namespace {

StreamId Gate() { return {*CameraId::Parse("gate"), Stream::kSub}; }

std::vector<Record> OneOfEach() {
  Seal seal;
  seal.stream = Gate();
  seal.run = *Uuid::Parse("00112233-4455-6677-8899-aabbccddeeff");
  seal.epoch = 7;
  seal.sequence = 12;
  seal.start_us = 1'000'000;
  seal.end_us = 61'000'000;
  seal.media_end_90k = 5'400'000;
  seal.volume = Uuid::Random();
  seal.bytes = 30'000'000;
  seal.fragments = 30;
  seal.lost_packets = 3;
  seal.recovered = true;
  seal.camera_offset_us = 0;
  seal.imported = true;
  seal.sha256.fill(0xab);
  seal.thinned = true;
  seal.sync_bytes = 3'000'000;
  const SegmentKey key = KeyOf(seal);
  const CameraId camera = Gate().camera;
  return {
      Run{Gate(), seal.run, 5, 7, true, "avc1.4d401f 768x576"},
      seal,
      Gap{Gate(), {10, 20}, GapCause::kNetwork, "connection refused"},
      Thin{key, 61'000'000, 99, seal.sha256, 9, 3, seal.sha256, "default/3", "older than 30 days"},
      Copy{key, seal.volume, seal.sha256, true},
      Delete{key, 61'000'000, 99, "default/3", "older than 30 days"},
      Missing{key, 61'000'000, GapCause::kCorrupt},
      Camera{camera,
             "市场路口东",
             "rtsp://10.0.0.1/1",
             "viewer",
             true,
             false,
             true,
             Transport::kUdp,
             "insecure",
             "rtsp://10.0.0.1/2",
             true,
             "lane",
             Place{-33'856'784, 151'215'297, 0},
             {"crossing", "路口"}},
      Policy{"default", 3, 30, 90, AtFloor::kStop, "admin", false, 60, 2, uint64_t{5} << 40, 45},
      Marker{Uuid::Random(),
             {camera, *CameraId::Parse("door")},
             {5, 6},
             "l",
             "n",
             true,
             "c",
             "p",
             7,
             8},
      MarkerRemoved{Uuid::Random(), true, "p", "case closed"},
      Person{"li.wei", "李伟", true, false},
      Act{ActKind::kView, "li.wei", "127.0.0.1", {camera}, {1, 2}, "clip.mp4", "case 7", true},
      Rebuilt{12, true},
      PoliciesConfirmed{"admin"},
      Upkeep{camera, UpkeepKind::kRepair, 1, "lens cleaned", "li.wei"},
      ClockCheck{camera, 2'000'000, 1'000'000, "by the radio clock", "li.wei"},
      Import{Uuid::Random(),
             Gate(),
             {1, 2},
             {seal.run, Uuid::Random()},
             "shop.mkv",
             4'711,
             seal.sha256,
             "li.wei",
             "10.0.0.9",
             "case 7",
             true,
             3},
      Alarm{Uuid::Random(), "camera-down", Severity::kCritical, camera, "gate", 1, 2, "no answer"},
      Alarm{Uuid::Random(), "volume-full", Severity::kWarning, {}, "/v0", 1, 0, "full"},
      AlarmAcknowledged{Uuid::Random(), 3, "li.wei", "on my way"}};
}

TEST(Records, EachKindReadsBackToTheSameBytes) {
  for (const Record& record : OneOfEach()) {
    const Bytes payload = EncodeRecord(record);
    const auto read = DecodeRecord(KindOf(record), payload);
    ASSERT_TRUE(read) << RecordKindName(KindOf(record)) << ": " << read.message();
    EXPECT_EQ(read->index(), record.index());
    EXPECT_EQ(EncodeRecord(*read), payload);
    EXPECT_TRUE(CheckRecord(record));
  }
}

TEST(Records, AnOffsetOfZeroIsNotAnUnknownOffset) {
  Seal seal = std::get<Seal>(OneOfEach()[1]);
  EXPECT_EQ(DecodeSeal(EncodeRecord(seal))->camera_offset_us, 0);
  seal.camera_offset_us.reset();
  EXPECT_FALSE(DecodeSeal(EncodeRecord(seal))->camera_offset_us.has_value());
}

TEST(Records, ProtocReadsThem) {
  test::TempDir dir;
  const Bytes payload = EncodeRecord(OneOfEach()[2]);
  std::ofstream(dir.Path("gap"), std::ios::binary)
      .write(reinterpret_cast<const char*>(payload.data()),
             static_cast<std::streamsize>(payload.size()));
  FILE* protoc = popen(("protoc --decode_raw < " + dir.Path("gap")).c_str(), "r");
  ASSERT_NE(protoc, nullptr);
  char text[512] = "";
  const size_t n = fread(text, 1, sizeof text - 1, protoc);
  ASSERT_EQ(pclose(protoc), 0) << "protobuf-compiler is needed";
  // Times are zigzag: 10 is 20.
  EXPECT_EQ(std::string(text, n),
            "1: \"gate\"\n2: 1\n3: 20\n4: 40\n5: 2\n6: \"connection refused\"\n");
}

TEST(Records, FieldsOfALaterVersionArePassedOver) {
  Bytes payload = EncodeRecord(OneOfEach()[2]);
  WireWriter(payload).Text(99, "from the future");
  const auto read = DecodeRecord(RecordKind::kGap, payload);
  ASSERT_TRUE(read) << read.message();
  EXPECT_EQ(std::get<Gap>(*read).detail, "connection refused");
  const auto kind = DecodeRecord(static_cast<RecordKind>(200), payload);
  ASSERT_FALSE(kind);
  EXPECT_EQ(kind.code(), Code::kUnsupported);
}

TEST(Records, NoDamageIsReadAsSomethingElseThanItIsOrOutOfBounds) {
  for (const Record& record : OneOfEach()) {
    const Bytes payload = EncodeRecord(record);
    for (size_t n = 0; n < payload.size(); ++n) {
      (void)DecodeRecord(KindOf(record), ByteSpan(payload).first(n));
    }
    for (size_t bit = 0; bit < payload.size() * 8; ++bit) {
      Bytes bad = payload;
      bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
      const auto read = DecodeRecord(KindOf(record), bad);
      // What is accepted can be put on record again: keys can be made of it.
      EXPECT_TRUE(!read || CheckRecord(*read));
    }
  }
}

TEST(Records, WhatCouldNotBeReadAgainIsNotWritten) {
  Gap gap{Gate(), {20, 10}, GapCause::kNetwork, ""};
  EXPECT_FALSE(CheckRecord(gap));
  gap.range = {10, 20};
  gap.detail.assign(kMaxRecordText + 1, 'x');
  EXPECT_FALSE(CheckRecord(gap));
  gap.detail.clear();
  gap.stream.camera = CameraId();
  EXPECT_FALSE(CheckRecord(gap));
}

TEST(Records, ACameraOfBeforeSubStreamsHasNone) {
  Camera camera{*CameraId::Parse("gate"), "gate", "rtsp://10.0.0.1/1", ""};
  const Bytes old = EncodeRecord(camera);
  const auto decoded = DecodeRecord(RecordKind::kCamera, old);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<Camera>(*decoded).sub_url, "");
  // Nor does one without a sub stream take a byte more than it did then.
  camera.sub_url = "rtsp://10.0.0.1/2";
  EXPECT_EQ(EncodeRecord(camera).size(), old.size() + 2 + camera.sub_url.size());
}

TEST(Records, ACameraOfBeforePlacesHasNoneAndOneThatLooksNorthIsNotOneOfUnknownBearing) {
  Camera camera{*CameraId::Parse("gate"), "gate", "rtsp://10.0.0.1/1", ""};
  const auto read = [](const Camera& one) {
    return std::get<Camera>(*DecodeRecord(RecordKind::kCamera, EncodeRecord(one)));
  };
  EXPECT_FALSE(read(camera).place.has_value());
  EXPECT_TRUE(read(camera).tags.empty());
  camera.place = Place{};
  EXPECT_EQ(read(camera).place, Place{}) << "off the coast of Africa is a place";
  camera.place->bearing_degrees = 0;
  EXPECT_EQ(read(camera).place->bearing_degrees, 0);
}

TEST(Records, APlaceThatIsNotOnEarthIsNotWritten) {
  Camera camera{*CameraId::Parse("gate"), "gate", "rtsp://10.0.0.1/1", ""};
  camera.place = Place{90 * kMicrodegrees, -180 * kMicrodegrees, 359};
  EXPECT_TRUE(CheckRecord(camera));
  for (const Place& nowhere :
       {Place{90 * kMicrodegrees + 1, 0}, Place{0, INT64_MIN}, Place{0, 0, 360}, Place{0, 0, -1}}) {
    camera.place = nowhere;
    EXPECT_FALSE(CheckRecord(camera));
  }
  camera.place.reset();
  camera.tags.assign(kMaxTags + 1, "tag");
  EXPECT_FALSE(CheckRecord(camera));
}

}  // namespace
}  // namespace lookback::index
