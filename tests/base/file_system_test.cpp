#include "base/file_system.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

namespace lookback {
namespace {

class FileSystemTest : public testing::Test {
 protected:
  FileSystemTest() {
    std::string pattern = testing::TempDir() + "lookback-fs-XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~FileSystemTest() override { std::filesystem::remove_all(root_); }

  std::string Path(std::string_view name) const { return JoinPath(root_, name); }

  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  std::string root_;
};

TEST_F(FileSystemTest, WritesManyPartsInOrder) {
  auto file = files_->Open(Path("a"), OpenMode::kCreateNew);
  ASSERT_TRUE(file);
  Bytes one(1'000, 1), none, two(70'000, 2);
  std::vector<ByteSpan> parts;
  for (int i = 0; i < 50; ++i) parts.insert(parts.end(), {one, none, two});
  ASSERT_TRUE((*file)->WriteAt(10, parts));
  EXPECT_EQ(*(*file)->Size(), 10u + 50 * 71'000);
  Bytes read(71'000);
  EXPECT_EQ(*(*file)->ReadAt(10 + 49 * 71'000, read), 71'000u);
  EXPECT_EQ(read[999], 1);
  EXPECT_EQ(read[1'000], 2);
  EXPECT_EQ(*(*file)->ReadAt(10 + 50 * 71'000 - 5, read), 5u);
}

TEST_F(FileSystemTest, AFifoInTheWayStopsNobody) {
  const std::string path = Path("fifo");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto file = files_->Open(path, OpenMode::kRead);
  ASSERT_TRUE(file);
  Bytes into(8);
  EXPECT_FALSE((*file)->ReadAt(0, into));
}

TEST_F(FileSystemTest, NeverOverwritesWhatExists) {
  ASSERT_TRUE(files_->Open(Path("a"), OpenMode::kCreateNew));
  const auto again = files_->Open(Path("a"), OpenMode::kCreateNew);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.code(), Code::kConflict);
  const auto absent = files_->Open(Path("b"), OpenMode::kRead);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.code(), Code::kNotFound);
  EXPECT_NE(absent.message().find(Path("b")), std::string::npos);
}

TEST_F(FileSystemTest, ReplacesAFileWhole) {
  ASSERT_TRUE(WriteFileDurably(*files_, Path("s"), AsBytes("old")));
  ASSERT_TRUE(WriteFileDurably(*files_, Path("s"), AsBytes("newer"), OpenMode::kSecret));
  EXPECT_EQ(AsText(*ReadFile(*files_, Path("s"), 100)), "newer");
  EXPECT_FALSE(ReadFile(*files_, Path("s"), 4));
  EXPECT_EQ(std::filesystem::status(Path("s")).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(files_->List(root_)->size(), 1u);
}

TEST_F(FileSystemTest, ReservedSpaceIsNotSize) {
  auto file = files_->Open(Path("a"), OpenMode::kCreateNew);
  ASSERT_TRUE(file);
  const Status reserved = (*file)->Reserve(0, 1 << 20);
  EXPECT_TRUE(reserved || reserved.code() == Code::kUnsupported);
  EXPECT_EQ(*(*file)->Size(), 0u);
}

TEST_F(FileSystemTest, ALockIsHeldOnceAndNamesItsHolder) {
  auto lock = files_->Lock(Path("lock"));
  ASSERT_TRUE(lock);
  const auto second = files_->Lock(Path("lock"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.code(), Code::kUnavailable);
  EXPECT_NE(second.message().find("pid " + std::to_string(getpid())), std::string::npos);
  lock->reset();
  EXPECT_TRUE(files_->Lock(Path("lock")));
}

TEST_F(FileSystemTest, MakesAndListsFolders) {
  ASSERT_TRUE(files_->MakeDirectories(Path("x/y/z")));
  ASSERT_TRUE(files_->MakeDirectories(Path("x/y/z")));
  ASSERT_TRUE(files_->SyncDirectory(Path("x/y")));
  const auto entries = files_->List(Path("x"));
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_TRUE(entries->front().is_directory);
  EXPECT_FALSE(files_->List(Path("nowhere")));
  EXPECT_GT(files_->FreeSpace(root_)->total_bytes, 0u);
}

}  // namespace
}  // namespace lookback
