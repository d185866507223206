// Held footage over the API: what the copy on a second volume gives back, and who still lacks one.
#include "storage/held_copies.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "storage/layout.h"
#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr char kHeldClip[] =
    "/api/v1/cameras/gate/clip.mp4?start=2026-05-04T22:00:02Z&end=2026-05-04T22:00:12Z";
constexpr char kHeldClipJson[] =
    "/api/v1/cameras/gate/clip.json?start=2026-05-04T22:00:02Z&end=2026-05-04T22:00:12Z";

class HeldCopiesApiTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    AddCamera("gate");
    AddFootage("gate", test::kEvening, 20);
    volumes_ = {store_->volumes().front()->root(), dir_.Path("volume2")};
    Restart();
    auto clip = Ask("GET", kHeldClip);
    whole_ = BodyOf(clip);
    ASSERT_GT(whole_.size(), 10'000u);
  }
  void TearDown() override {
    copies_.reset();
    ServiceTest::TearDown();
  }

  void Restart() {
    copies_.reset();
    Close();
    Open();
    Serve();
    store_->WaitForRecovery();
    copies_ = storage::HeldCopies::Open(*store_, clock_);
    service_->SetHeldCopies(copies_.get());
  }
  std::string Hold() {
    const auto response = Ask("POST", "/api/v1/holds",
                              {{"cameras", {"gate"}},
                               {"start", "2026-05-04T22:00:00Z"},
                               {"end", "2026-05-04T22:00:12Z"},
                               {"case", "2026-118"}});
    EXPECT_EQ(response.status, 201) << response.body;
    return Json::parse(response.body)["id"].get<std::string>();
  }
  void Copy() {
    copies_->RunOnce([](int64_t) { return true; });
  }
  std::string FileOn(size_t volume) {
    const auto rows =
        store_->catalog().Segments(test::MakeStream("gate"), {kTimeMinUs, kTimeMaxUs});
    return volumes_[volume] + "/" + storage::SegmentPath(index::KeyOf(rows->front()));
  }
  static void Flip(const std::string& path, uint64_t part, uint64_t of) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(fs::file_size(path) * part / of);
    file.seekg(at);
    const char byte = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
  }
  void ExpectWhole() {
    auto clip = Ask("GET", kHeldClip);
    ASSERT_EQ(clip.status, 200) << clip.body;
    EXPECT_TRUE(BodyOf(clip) == whole_);
    EXPECT_EQ(Get(kHeldClipJson)["missing"], Json::array());
  }

  std::unique_ptr<storage::HeldCopies> copies_;
  std::string whole_;
};

TEST_F(HeldCopiesApiTest, AClipIsWholeWhenAByteOfTheFirstFileChangedAndTheDamageIsTold) {
  Hold();
  Copy();
  Restart();
  Flip(FileOn(0), 1, 2);
  ExpectWhole();
  ExpectWhole();
  const auto damage = store_->archive().damage().All();
  ASSERT_EQ(damage.size(), 1u);
  EXPECT_FALSE(damage[0].everywhere);
}

TEST_F(HeldCopiesApiTest, AClipIsWholeWhenEachFileIsDamagedElsewhere) {
  Hold();
  Copy();
  Restart();
  Flip(FileOn(0), 1, 4);
  Flip(FileOn(1), 1, 2);
  ExpectWhole();
}

TEST_F(HeldCopiesApiTest, WhatNoFileHasIsCutOffAndIsAGapFromThenOn) {
  Hold();
  Copy();
  Restart();
  Flip(FileOn(0), 1, 2);
  Flip(FileOn(1), 1, 2);
  auto clip = Ask("GET", kHeldClip);
  Bytes piece(whole_.size());
  EXPECT_FALSE(clip.stream->Read(piece));
  const Json missing = Get(kHeldClipJson)["missing"];
  ASSERT_EQ(missing.size(), 1u) << missing;
  EXPECT_EQ(missing[0]["cause"], "corrupt");
}

TEST_F(HeldCopiesApiTest, AClipIsWholeWhenTheFirstFileIsGone) {
  Hold();
  Copy();
  Restart();
  fs::remove(FileOn(0));
  ExpectWhole();
  EXPECT_EQ(store_->archive().damage().All().size(), 1u);
}

TEST_F(HeldCopiesApiTest, AClipIsWholeWhenTheFirstVolumeIsAway) {
  Hold();
  Copy();
  copies_.reset();
  Close();
  fs::rename(volumes_[0], volumes_[0] + ".away");
  Restart();
  ExpectWhole();
}

TEST_F(HeldCopiesApiTest, WhatIsDamagedHereIsWholeAgainOnceTheVolumeOfItsCopyIsBack) {
  for (const bool gone : {false, true}) {
    SCOPED_TRACE(gone);
    Hold();
    Copy();
    copies_.reset();
    Close();
    fs::rename(volumes_[1], volumes_[1] + ".away");
    Restart();
    if (gone) {
      fs::rename(FileOn(0), dir_.Path("kept"));
    } else {
      Flip(FileOn(0), 1, 2);
    }
    auto clip = Ask("GET", kHeldClip);
    if (clip.stream) {
      Bytes piece(whole_.size());
      EXPECT_FALSE(clip.stream->Read(piece));
    }
    EXPECT_NE(Get("/api/v1/cameras/gate/timeline?start=2026-05-04T22:00:02Z"
                  "&end=2026-05-04T22:00:12Z")["gaps"],
              Json::array());
    fs::rename(volumes_[1] + ".away", volumes_[1]);
    store_->LookForVolumes();
    ExpectWhole();
    if (!gone) Flip(FileOn(0), 1, 2);
  }
}

TEST_F(HeldCopiesApiTest, WhoLacksACopyAndWhyIsTold) {
  EXPECT_EQ(Get("/api/v1/status")["held_copies"], Json()) << "nobody has looked";
  const std::string hold = Hold();
  EXPECT_EQ(Get("/api/v1/holds")["holds"][0]["copies"], Json());
  const std::string path = store_->volumes()[1]->root();
  files_.FailNextBelow(test::Op::kWrite, path, Code::kDiskFull);
  Copy();
  Json held = Get("/api/v1/status")["held_copies"];
  EXPECT_EQ(held["segments"], 1);
  EXPECT_EQ(held["lacking"], 1);
  EXPECT_EQ(held["waiting"], 1);
  EXPECT_THAT(held["trouble"].get<std::string>(), HasSubstr(path));
  EXPECT_THAT(Ask("GET", "/api/v1/metrics").body + Ask("GET", "/metrics").body,
              HasSubstr("lookback_held_segments_without_copy{why=\"waiting\"} 1\n"));
  Copy();
  held = Get("/api/v1/status")["held_copies"];
  EXPECT_EQ(held["lacking"], 0);
  EXPECT_EQ(held["copied_segments"], 1);
  EXPECT_EQ(held["trouble"], Json());
  const Json listed = Get("/api/v1/holds")["holds"][0];
  EXPECT_EQ(listed["id"], hold);
  EXPECT_EQ(listed["copies"]["segments"], 1);
  EXPECT_EQ(listed["copies"]["lacking"], 0);
}

}  // namespace
}  // namespace lookback::api
