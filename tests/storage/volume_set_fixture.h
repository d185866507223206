// tests/storage/volume_set_fixture.h: a store on two volumes that record, with room for a third;
// each is a disk that can be taken away.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/storage/store_fixture.h"
#include "tests/support/await.h"

namespace lookback::storage {

inline constexpr int64_t kOneSecond = kUsPerSecond;  // A fragment lasts as long.

class VolumeSetTest : public StoreFixture {
 protected:
  void SetUp() override {
    StoreFixture::SetUp();
    options_.volumes = {first_(), second_()};
    files_->SetFreeBytes(uint64_t{1} << 40);
  }

  std::string first_() const { return root_ + "/first"; }
  std::string second_() const { return root_ + "/second"; }
  std::string third_() const { return root_ + "/third"; }

  Volume* At(const std::string& root) {
    for (Volume* volume : store_->volumes()) {
      if (volume->root() == root) return volume;
    }
    return nullptr;
  }
  Uuid IdOf(const std::string& root) { return At(root)->id(); }
  Status Add(const std::string& root) {
    const auto added = store_->AddVolume(root);
    return added ? Ok() : Status(Pass(added.error()));
  }
  std::vector<std::string> Roots() {
    std::vector<std::string> roots;
    for (const Volume* volume : store_->volumes()) roots.push_back(volume->root());
    return roots;
  }
  std::string VolumeInUse(const StreamId& stream) { return archive().StatusOf(stream).volume; }
  [[nodiscard]] bool AwaitRecorded(int64_t us) {
    return test::Await(
        [&] { return archive().StatusOf(gate_).recorded_until_us == test::kEvening + us; });
  }
  std::vector<index::Seal> RowsOn(const Uuid& volume) {
    std::vector<index::Seal> rows;
    EXPECT_TRUE(store_->catalog().VisitAllSegments([&](const index::Seal& row) {
      if (row.volume == volume) rows.push_back(row);
      return true;
    }));
    return rows;
  }
  void DeleteAllOn(const Uuid& volume) {
    for (const index::Seal& row : RowsOn(volume)) {
      ASSERT_OK(store_->DeleteSegment(row, "default/1", "age"));
    }
  }
  // Of `stream`, sealed, wherever it goes; the volume.
  std::string RecordSome(const StreamId& stream, TimeUs start_us = test::kEvening) {
    test::SyntheticRun run(stream, start_us);
    AppendAll(Begin(run), run.Until(10 * kOneSecond));
    const std::string root = VolumeInUse(stream);
    recordings_.clear();
    EXPECT_TRUE(archive().Drain());
    return root;
  }
  // Footage on each of both.
  void RecordOnBoth() {
    for (int i = 0; RowsOn(IdOf(first_())).empty() || RowsOn(IdOf(second_())).empty(); ++i) {
      ASSERT_LT(i, 10);
      test::SyntheticRun one(test::MakeStream("cam" + std::to_string(2 * i)), test::kEvening);
      test::SyntheticRun two(test::MakeStream("cam" + std::to_string(2 * i + 1)), test::kEvening);
      AppendAll(Begin(one), one.Until(10 * kOneSecond));
      AppendAll(Begin(two), two.Until(10 * kOneSecond));
      recordings_.clear();
      ASSERT_OK(archive().Drain());
    }
  }
  // The disk of `root` is taken away: a bare mount point is left.
  void Unmount(const std::string& root) {
    std::filesystem::rename(root, root + ".disk");
    std::filesystem::create_directory(root);
  }
  static void Mount(const std::string& root) {
    std::filesystem::remove_all(root);
    std::filesystem::rename(root + ".disk", root);
  }
  void ExpectAllReadable() {
    EXPECT_TRUE(store_->catalog().VisitAllSegments([&](const index::Seal& row) {
      EXPECT_TRUE(archive().Open({row, nullptr}, 0)) << SegmentPath(index::KeyOf(row));
      return true;
    }));
  }
};

}  // namespace lookback::storage
