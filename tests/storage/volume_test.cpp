#include "storage/volume.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/storage/store_fixture.h"

namespace lookback::storage {
namespace {

using test::kEvening;
using test::MakeStream;
using test::Op;

class VolumeTest : public StoreFixture {
 protected:
  Result<std::unique_ptr<Volume>> OpenVolume(const std::string& name, const Uuid* known = nullptr) {
    return OpenLocalVolume(root_ + "/" + name, store_id_, known, *files_);
  }
  static Status WriteSegment(Volume& volume, const index::SegmentKey& key, std::string_view text) {
    LB_TRY_ASSIGN(file, volume.Create(key));
    const ByteSpan part = AsBytes(text);
    return file->WriteAt(0, std::span(&part, 1));
  }
  void Touch(const std::string& path) {
    std::filesystem::create_directories(std::filesystem::path(root_ + "/" + path).parent_path());
    std::ofstream(root_ + "/" + path) << "x";
  }

  const Uuid store_id_ = Uuid::Random();
  const index::SegmentKey key_{MakeStream("gate"), kEvening, 1, 0};
};

TEST_F(VolumeTest, AnEmptyDirectoryBecomesAVolumeAndStaysTheSame) {
  const auto first = OpenVolume("a");
  ASSERT_OK(first);
  EXPECT_EQ((*first)->state(), VolumeState::kOnline);
  const Uuid id = (*first)->id();
  const auto again = OpenVolume("a", &id);
  ASSERT_OK(again);
  EXPECT_EQ((*again)->id(), id);
}

TEST_F(VolumeTest, ADirectoryWithOtherThingsIsRefused) {
  Touch("a/holiday.jpg");
  const auto volume = OpenVolume("a");
  ASSERT_FALSE(volume.has_value());
  EXPECT_EQ(volume.code(), Code::kInvalid);
}

TEST_F(VolumeTest, AnotherStoresVolumeIsRefusedWithBothNames) {
  ASSERT_OK(OpenVolume("a"));
  const Uuid other = Uuid::Random();
  const auto volume = OpenLocalVolume(root_ + "/a", other, nullptr, *files_);
  ASSERT_FALSE(volume.has_value());
  EXPECT_EQ(volume.code(), Code::kInvalid);
  EXPECT_NE(volume.message().find(store_id_.text()), std::string::npos);
  EXPECT_NE(volume.message().find(other.text()), std::string::npos);
}

TEST_F(VolumeTest, ANewerFormatIsRefused) {
  std::filesystem::create_directories(root_ + "/a");
  std::ofstream(root_ + "/a/volume.json") << R"({"format": 2, "shape": "unheard of"})";
  const auto volume = OpenVolume("a");
  ASSERT_FALSE(volume.has_value());
  EXPECT_EQ(volume.code(), Code::kUnsupported);
}

TEST_F(VolumeTest, AKnownVolumeThatIsEmptyIsOffline) {
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  const Uuid id = (*volume)->id();
  std::filesystem::remove_all(root_ + "/a");
  for (const bool directory_stays : {false, true}) {
    if (directory_stays) std::filesystem::create_directories(root_ + "/a");
    const auto known = OpenVolume("a", &id);
    ASSERT_OK(known);
    EXPECT_EQ((*known)->state(), VolumeState::kOffline);
    EXPECT_EQ((*known)->id(), id);
    EXPECT_EQ((*known)->Create(key_).code(), Code::kUnavailable);
  }
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/a"));
}

TEST_F(VolumeTest, AForeignDiskInAKnownPlaceIsOffline) {
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  const Uuid known = Uuid::Random();
  const auto other = OpenVolume("a", &known);
  ASSERT_OK(other);
  EXPECT_EQ((*other)->state(), VolumeState::kOffline);
}

TEST_F(VolumeTest, NothingIsWrittenIntoABareMountPoint) {
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  std::filesystem::remove_all(root_ + "/a");
  std::filesystem::create_directories(root_ + "/a");
  EXPECT_FALSE((*volume)->Create(key_).has_value());
  EXPECT_FALSE((*volume)->Probe().has_value());
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/a"));
}

TEST_F(VolumeTest, AnotherVolumeInItsPlaceWithTheSameDirectoriesIsNotTouched) {
  const auto ours = OpenVolume("a");
  const auto other = OpenVolume("b");
  ASSERT_OK(ours);
  ASSERT_OK(other);
  ASSERT_OK(WriteSegment(**ours, key_, "ours"));
  ASSERT_OK(WriteSegment(**other, key_, "a copy"));
  std::filesystem::rename(root_ + "/a", root_ + "/away");
  std::filesystem::rename(root_ + "/b", root_ + "/a");

  index::SegmentKey next = key_;
  ++next.sequence;
  const auto created = (*ours)->Create(next);
  ASSERT_FALSE(created);
  EXPECT_EQ(created.code(), Code::kDiskFailed);
  EXPECT_THAT(created.message(), testing::HasSubstr("was exchanged"));
  EXPECT_FALSE((*ours)->Remove(key_));
  EXPECT_FALSE((*ours)->OpenToRepair(key_));
  EXPECT_TRUE(std::filesystem::exists(root_ + "/a/" + SegmentPath(key_)));
  EXPECT_FALSE(std::filesystem::exists(root_ + "/a/" + SegmentPath(next)));

  std::filesystem::rename(root_ + "/a", root_ + "/b");
  std::filesystem::rename(root_ + "/away", root_ + "/a");
  EXPECT_TRUE((*ours)->Create(next));
}

TEST_F(VolumeTest, AFileIsGoneOnlyWhereTheVolumeIsThere) {
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  EXPECT_EQ((*volume)->Open(key_).code(), Code::kNotFound);
  std::filesystem::rename(root_ + "/a", root_ + "/away");
  std::filesystem::create_directories(root_ + "/a");
  EXPECT_EQ((*volume)->Open(key_).code(), Code::kUnavailable);
}

TEST_F(VolumeTest, SyncKeepsFilesAndTheirNames) {
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  ASSERT_OK(WriteSegment(**volume, key_, "kept"));
  ASSERT_OK((*volume)->Sync());
  const uint64_t syncs = files_->calls(Op::kSync);
  ASSERT_OK((*volume)->Sync());  // Nothing is dirty.
  EXPECT_EQ(files_->calls(Op::kSync), syncs);
  index::SegmentKey lost = key_;
  lost.sequence = 1;
  ASSERT_OK(WriteSegment(**volume, lost, "lost"));
  files_->CutPower();
  files_->RestorePower();
  EXPECT_TRUE((*volume)->Open(key_).has_value());
  EXPECT_EQ((*volume)->Open(lost).code(), Code::kNotFound);
}

TEST_F(VolumeTest, AFilesOwnSyncKeepsItsName) {
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  {
    auto file = (*volume)->Create(key_);
    ASSERT_OK(file);
    ASSERT_OK((*file)->Sync());
  }
  files_->CutPower();
  files_->RestorePower();
  EXPECT_TRUE((*volume)->Open(key_).has_value());
}

TEST_F(VolumeTest, ADaysDirectoryGoesWithItsLastFileAndComesBack) {
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  ASSERT_OK(WriteSegment(**volume, key_, "x"));
  ASSERT_OK((*volume)->Remove(key_));
  EXPECT_FALSE(std::filesystem::exists(root_ + "/a/v1/gate/main/20260504"));
  ASSERT_OK((*volume)->Sync());
  index::SegmentKey next = key_;
  next.sequence = 1;
  ASSERT_OK(WriteSegment(**volume, next, "y"));
  ASSERT_OK((*volume)->Sync());
  files_->CutPower();
  files_->RestorePower();
  EXPECT_TRUE((*volume)->Open(next).has_value());
}

TEST_F(VolumeTest, StraysAreToldAndSegmentsComeNewestDayFirst) {
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  ASSERT_OK(WriteSegment(**volume, key_, "x"));
  index::SegmentKey next = key_;
  next.start_us += kUsPerDay;
  ASSERT_OK(WriteSegment(**volume, next, "y"));
  Touch("a/v1/notes.txt");
  Touch("a/v1/gate/main/20260504/copy of 1.mp4");
  std::vector<std::string> strays;
  std::vector<index::SegmentKey> keys;
  const auto visit = [&](const Volume::Found& found) {
    if (found.stray) {
      strays.push_back(found.path);
    } else {
      keys.push_back(found.key);
    }
    return true;
  };
  ASSERT_OK((*volume)->VisitFiles(visit, Volume::EveryDay));
  EXPECT_EQ(strays,
            (std::vector<std::string>{"v1/notes.txt", "v1/gate/main/20260504/copy of 1.mp4"}));
  EXPECT_EQ(keys, (std::vector<index::SegmentKey>{next, key_}));
}

TEST_F(VolumeTest, AFailedVolumeIsOnlineAgainAfterAProbe) {
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  (*volume)->SetFailed("cable");
  files_->FailNth(Op::kSync, 1, Code::kDiskFailed);
  EXPECT_FALSE((*volume)->Probe());
  EXPECT_EQ((*volume)->state(), VolumeState::kFailed);
  ASSERT_OK((*volume)->Probe());
  EXPECT_EQ((*volume)->state(), VolumeState::kOnline);
}

TEST_F(VolumeTest, ADiskThatWasPluggedInAgainIsSyncedByItsNewMount) {
  files_->SetMount(root_ + "/a");
  const auto volume = OpenVolume("a");
  ASSERT_OK(volume);
  (*volume)->SetFailed("cable");
  files_->SetMount("");
  ASSERT_OK((*volume)->Probe());
  const uint64_t before = files_->calls(Op::kSyncAll);
  ASSERT_OK(WriteSegment(**volume, key_, "x"));
  ASSERT_OK((*volume)->Sync());
  EXPECT_EQ(files_->calls(Op::kSyncAll), before) << "through what is no mount any more";

  (*volume)->SetFailed("cable");
  files_->SetMount(root_ + "/a");
  ASSERT_OK((*volume)->Probe());
  ASSERT_OK(WriteSegment(**volume, {MakeStream("yard"), kEvening, 1, 0}, "x"));
  ASSERT_OK((*volume)->Sync());
  EXPECT_GT(files_->calls(Op::kSyncAll), before);
}

}  // namespace
}  // namespace lookback::storage
