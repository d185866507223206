// What `stat` prints of a file is what JOURNAL_STREAM has of it.
#include "base/journal_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/shell.h"

namespace lookback {
namespace {

TEST(JournalStream, IsTheOneThatDeviceAndInodeName) {
  const test::TemporaryDirectory directory;
  test::Shell("touch " + directory.Path("a") + " " + directory.Path("b"));
  const auto named = [&](const std::string& name) {
    std::string text = test::Shell("stat -c %d:%i " + directory.Path(name));
    return text.substr(0, text.find('\n'));
  };
  const int a = open(directory.Path("a").c_str(), O_RDONLY);
  ASSERT_GE(a, 0);
  EXPECT_TRUE(IsStream(named("a"), a));
  EXPECT_FALSE(IsStream(named("b"), a));
  EXPECT_FALSE(IsStream(named("a") + "0", a));
  EXPECT_FALSE(IsStream("", a));
  close(a);
  EXPECT_FALSE(IsStream(named("a"), a));
}

TEST(JournalStream, NothingIsAddedWhereThereIsNone) {
  unsetenv("JOURNAL_STREAM");
  EXPECT_EQ(JournalPrefix(LogLevel::kError), "");
}

}  // namespace
}  // namespace lookback
