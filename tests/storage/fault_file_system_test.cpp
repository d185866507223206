#include "tests/support/fault_file_system.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace lookback::test {
namespace {

class FaultFileSystemTest : public testing::Test {
 protected:
  Status Write(const std::string& name, std::string_view text, bool sync) {
    LB_TRY_ASSIGN(file, files_.Open(dir_.Path(name), OpenMode::kCreateNew));
    const ByteSpan bytes = AsBytes(text);
    LB_TRY(file->WriteAt(0, std::span(&bytes, 1)));
    return sync ? file->Sync() : Ok();
  }
  std::string Read(const std::string& name) {
    const auto bytes = ReadFile(files_, dir_.Path(name), 1'000'000);
    return bytes ? std::string(AsText(*bytes)) : "(" + std::string(CodeName(bytes.code())) + ")";
  }
  void Cut(std::optional<uint64_t> seed = std::nullopt) {
    files_.CutPower();
    files_.RestorePower(seed);
  }

  TempDir dir_;
  std::unique_ptr<FileSystem> posix_ = MakePosixFileSystem();
  FaultFileSystem files_{*posix_, dir_.path()};
};

TEST_F(FaultFileSystemTest, ACutTakesBytesAndNamesThatWereNotSynced) {
  ASSERT_TRUE(Write("named", "bytes", true));
  ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
  ASSERT_TRUE(Write("nameless", "bytes", true));
  ASSERT_TRUE(files_.MakeDirectories(dir_.Path("folder/inner")));
  Cut();
  EXPECT_EQ(Read("named"), "bytes");
  EXPECT_EQ(Read("nameless"), "(not-found)");
  EXPECT_FALSE(Exists(files_, dir_.Path("folder")));

  auto file = files_.Open(dir_.Path("named"), OpenMode::kReadWrite);
  const ByteSpan more = AsBytes("XYZ-and-more");
  ASSERT_TRUE((*file)->WriteAt(2, std::span(&more, 1)));
  ASSERT_TRUE((*file)->Truncate(4));
  EXPECT_EQ(Read("named"), "byXY");
  Cut();
  EXPECT_EQ(Read("named"), "bytes");
  EXPECT_FALSE((*file)->Sync());  // What was open is dead.
}

TEST_F(FaultFileSystemTest, RemovalsAndRenamesComeBack) {
  ASSERT_TRUE(Write("a", "old a", true));
  ASSERT_TRUE(Write("b", "old b", true));
  ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
  ASSERT_TRUE(files_.Remove(dir_.Path("b")));
  ASSERT_TRUE(Write("a.new", "new a", true));
  ASSERT_TRUE(files_.Rename(dir_.Path("a.new"), dir_.Path("a")));
  EXPECT_EQ(Read("a"), "new a");
  Cut();
  EXPECT_EQ(Read("a"), "old a");
  EXPECT_EQ(Read("b"), "old b");
  EXPECT_EQ(Read("a.new"), "(not-found)");
  ASSERT_TRUE(WriteFileDurably(files_, dir_.Path("a"), AsBytes("durable")));
  Cut();
  EXPECT_EQ(Read("a"), "durable");
}

TEST_F(FaultFileSystemTest, AFailedSyncLosesItsBytesForGood) {
  ASSERT_TRUE(Write("a", "", true));
  ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
  auto file = files_.Open(dir_.Path("a"), OpenMode::kReadWrite);
  const ByteSpan bytes = AsBytes("bytes");
  ASSERT_TRUE((*file)->WriteAt(0, std::span(&bytes, 1)));
  files_.FailNth(Op::kSync, 1, Code::kDiskFailed);
  EXPECT_EQ((*file)->Sync().code(), Code::kDiskFailed);
  EXPECT_TRUE((*file)->Sync());
  EXPECT_EQ(files_.injected(), 1u);
  Cut();
  EXPECT_EQ(Read("a"), "");
}

TEST_F(FaultFileSystemTest, SeededPagesSurviveOutOfOrder) {
  bool hole = false;
  for (uint64_t seed = 0; seed < 20 && !hole; ++seed) {
    ASSERT_TRUE(Write("a", "", true));
    ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
    auto file = files_.Open(dir_.Path("a"), OpenMode::kReadWrite);
    const Bytes pages(5 * 4'096, 'x');
    const ByteSpan part(pages);
    ASSERT_TRUE((*file)->WriteAt(0, std::span(&part, 1)));
    Cut(seed);
    const std::string left = Read("a");
    const size_t zero = left.find('\0');
    hole = zero != std::string::npos && left.find('x', zero) != std::string::npos;
    ASSERT_TRUE(files_.Remove(dir_.Path("a")));
    ASSERT_TRUE(files_.SyncDirectory(dir_.path()));
  }
  EXPECT_TRUE(hole);
}

TEST_F(FaultFileSystemTest, ThePowerGoesAtTheNthChange) {
  files_.CutPowerAt(2);
  EXPECT_FALSE(Write("a", "bytes", true));  // Created, then the write meets the cut.
  EXPECT_FALSE(files_.power());
  files_.RestorePower();
  EXPECT_TRUE(Write("a", "bytes", true));
}

}  // namespace
}  // namespace lookback::test
