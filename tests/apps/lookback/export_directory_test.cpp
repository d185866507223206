#include "apps/lookback/export_directory.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "api/export_layout.h"
#include "base/checksum.h"
#include "tests/support/temp_dir.h"

namespace lookback::app {
namespace {

class ExportDirectoryTest : public ::testing::Test {
 protected:
  void Put(const std::string& file, std::string_view text) {
    ASSERT_TRUE(directory_.MakeFolderOf(file));
    ASSERT_TRUE(WriteFileDurably(*files_, directory_.PathOf(file), AsBytes(text)));
  }
  void PutFinished(const std::string& file, std::string_view text) {
    Put(file, text);
    ASSERT_TRUE(directory_.Finished(file, HexEncode(Sha256(AsBytes(text)))));
  }
  // What the next try of the command sees.
  ExportDirectory Next() {
    ExportDirectory next(*files_, dir_.Path("out"));
    EXPECT_TRUE(next.Resume());
    return next;
  }

  test::TempDir dir_;
  std::unique_ptr<FileSystem> files_ = MakePosixFileSystem();
  ExportDirectory directory_{*files_, dir_.Path("out")};
};

TEST_F(ExportDirectoryTest, AFinishedFileIsKeptOnlyWhileItIsWhatItWas) {
  ASSERT_TRUE(directory_.Begin({{"cameras", {"gate"}}}));
  PutFinished("clips/a.mp4", "same");
  PutFinished("clips/b.mp4", "longer");
  PutFinished("clips/c.mp4", "other");
  Put("clips/d.mp4", "not named");
  Put("clips/b.mp4", "long");
  Put("clips/c.mp4", "0ther");
  ExportDirectory next = Next();
  EXPECT_TRUE(next.Kept("clips/a.mp4", 4));
  EXPECT_FALSE(next.Kept("clips/b.mp4", 6)) << "another length";
  EXPECT_FALSE(next.Kept("clips/c.mp4", 5)) << "another letter";
  EXPECT_FALSE(next.Kept("clips/d.mp4", 9)) << "it may have been cut off";
  EXPECT_FALSE(Exists(*files_, next.PathOf("clips/c.mp4"))) << "it is brought again";
}

TEST_F(ExportDirectoryTest, ATornLineCostsItsFileAloneAndNoneAfterIt) {
  ASSERT_TRUE(directory_.Begin({{"cameras", {"gate"}}}));
  PutFinished("clips/a.mp4", "a");
  const std::string path = directory_.PathOf(kPartialManifest);
  const auto whole = ReadFile(*files_, path, 1 << 20);
  ASSERT_TRUE(whole);
  PutFinished("clips/b.mp4", "b");
  auto file = files_->Open(path, OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->Truncate(whole->size() + 40));
  Next();
  PutFinished("clips/c.mp4", "c");
  ExportDirectory next = Next();
  EXPECT_TRUE(next.Kept("clips/a.mp4", 1));
  EXPECT_FALSE(next.Kept("clips/b.mp4", 1));
  EXPECT_TRUE(next.Kept("clips/c.mp4", 1));
}

TEST_F(ExportDirectoryTest, TheManifestIsWhatSha256sumTakesAndEndsTheExport) {
  EXPECT_FALSE(*directory_.Look());
  const Json request = {{"cameras", {"gate"}}};
  ASSERT_TRUE(directory_.Begin(request));
  EXPECT_EQ(**directory_.Look(), request);
  PutFinished("clips/b.mp4", "b");
  PutFinished("clips/a.mp4", "a");
  ASSERT_TRUE(directory_.Seal());
  EXPECT_EQ(std::system(("cd " + dir_.Path("out") +
                         " && sha256sum -c --strict --quiet MANIFEST.sha256 && "
                         "test $(grep -c . MANIFEST.sha256) = 3")
                            .c_str()),
            0);
  EXPECT_FALSE(Exists(*files_, directory_.PathOf(kPartialManifest)));
  EXPECT_EQ(directory_.Look().code(), Code::kConflict);
}

TEST_F(ExportDirectoryTest, OneThatEndedBeforeItsRequestWasWrittenIsANewOne) {
  Put("meta/request.json.new", "{\"came");
  const auto before = directory_.Look();
  ASSERT_TRUE(before) << before.message();
  EXPECT_FALSE(*before);
  EXPECT_TRUE(directory_.Begin({{"cameras", {"gate"}}}));
  EXPECT_FALSE(Exists(*files_, directory_.PathOf("meta/request.json.new")));
}

TEST_F(ExportDirectoryTest, WhatIsNoExportIsLeftAlone) {
  Put("letters/a.txt", "dear");
  EXPECT_EQ(directory_.Look().code(), Code::kConflict);
}

TEST(ExportMeta, CsvHasEachValueAsItIs) {
  EXPECT_EQ(api::CsvLine({"a", "", "b c"}), "a,,b c\r\n");
  EXPECT_EQ(api::CsvLine({"=1+1", "@SUM(A1)", "-1200", "-x"}), "'=1+1,'@SUM(A1),-1200,'-x\r\n");
  EXPECT_EQ(api::CsvLine({"1,5", "say \"no\"", "two\nlines"}),
            "\"1,5\",\"say \"\"no\"\"\",\"two\nlines\"\r\n");
}

TEST(ExportMeta, CsvIsUtf8WhateverACameraSaid) {
  EXPECT_EQ(api::CsvLine({"\xff\xfe", "市场", "a\xe5\xb8"}),
            "\xEF\xBF\xBD\xEF\xBF\xBD,市场,a\xEF\xBF\xBD\r\n");
}

}  // namespace
}  // namespace lookback::app
