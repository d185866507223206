// Decoded pictures on disk: within a budget, and gone with their footage.
#include "storage/picture_cache.h"

#include "tests/storage/store_fixture.h"
#include "tests/support/temp_dir.h"

namespace lookback::storage {
namespace {

class PictureCacheTest : public ::testing::Test {
 protected:
  static Bytes Picture(uint8_t filling, size_t bytes = 1'000) { return Bytes(bytes, filling); }
  void Put(PictureCache& cache, const std::string& name, TimeUs shown_us, const Bytes& picture) {
    cache.Put(name, stream_, shown_us, picture, cache.mark());
  }
  size_t FilesLeft() {
    const auto entries = files_->List(directory_);
    return entries ? entries->size() : 0;
  }

  test::TempDir dir_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  const std::string directory_ = dir_.Path("pictures");
  const StreamId stream_ = test::MakeStream("gate");
};

TEST_F(PictureCacheTest, WhatIsForgottenIsOffTheDiskAndNothingElse) {
  PictureCache cache(directory_, 1 << 20, *files_);
  Put(cache, "a", 100, Picture(1));
  Put(cache, "b", 200, Picture(2));
  Put(cache, "c", 300, Picture(3));
  cache.Put("d", test::MakeStream("yard"), 200, Picture(4), cache.mark());
  cache.Forget(stream_, {200, 300});
  EXPECT_EQ(cache.Get("a"), Picture(1));
  EXPECT_EQ(cache.Get("b"), std::nullopt);
  EXPECT_EQ(cache.Get("c"), Picture(3));
  EXPECT_EQ(cache.Get("d"), Picture(4));
  EXPECT_EQ(FilesLeft(), 3U);
  EXPECT_EQ(cache.bytes(), 3'000U);
}

TEST_F(PictureCacheTest, APictureThatWasMadeWhileSomethingWasForgottenIsNotKept) {
  PictureCache cache(directory_, 1 << 20, *files_);
  const uint64_t mark = cache.mark();
  cache.Forget(stream_, {0, 1'000});
  cache.Put("a", stream_, 100, Picture(1), mark);
  EXPECT_EQ(cache.Get("a"), std::nullopt);
  EXPECT_EQ(FilesLeft(), 0U);
}

TEST_F(PictureCacheTest, BeyondTheBudgetGoesWhatWasAskedForLongestAgo) {
  PictureCache cache(directory_, 3'000, *files_);
  Put(cache, "a", 100, Picture(1));
  Put(cache, "b", 200, Picture(2));
  Put(cache, "c", 300, Picture(3));
  EXPECT_TRUE(cache.Get("a"));
  Put(cache, "d", 400, Picture(4));
  EXPECT_EQ(cache.Get("b"), std::nullopt);
  EXPECT_TRUE(cache.Get("a"));
  EXPECT_EQ(cache.bytes(), 3'000U);
  EXPECT_EQ(FilesLeft(), 3U);
  // One that is larger than all of it takes nobody's place.
  Put(cache, "e", 500, Picture(5, 3'001));
  EXPECT_EQ(cache.Get("e"), std::nullopt);
  EXPECT_TRUE(cache.Get("a"));
}

TEST_F(PictureCacheTest, AStartTrustsNothingThatACrashLeft) {
  {
    PictureCache cache(directory_, 1 << 20, *files_);
    Put(cache, "a", 100, Picture(1));
  }
  EXPECT_EQ(FilesLeft(), 1U);
  PictureCache cache(directory_, 1 << 20, *files_);
  EXPECT_EQ(cache.Get("a"), std::nullopt);
  EXPECT_EQ(FilesLeft(), 0U);
}

TEST_F(PictureCacheTest, ADamagedPictureIsNone) {
  PictureCache cache(directory_, 1 << 20, *files_);
  Put(cache, "a", 100, Picture(1));
  auto file = files_->Open(JoinPath(directory_, "a.jpg"), OpenMode::kReadWrite);
  ASSERT_TRUE(file);
  const Bytes bad = {7};
  const ByteSpan piece(bad);
  ASSERT_TRUE((*file)->WriteAt(500, {&piece, 1}));
  EXPECT_EQ(cache.Get("a"), std::nullopt);
  EXPECT_EQ(cache.bytes(), 0U);
}

}  // namespace
}  // namespace lookback::storage
