#include "apps/lookback/output.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace lookback::app {
namespace {

TEST(OutputTest, ExitCodesAreThoseOfTheManual) {
  EXPECT_EQ(ExitCodeOf(Code::kInvalid), 2);
  EXPECT_EQ(ExitCodeOf(Code::kNotFound), 3);
  EXPECT_EQ(ExitCodeOf(Code::kConflict), 4);
  EXPECT_EQ(ExitCodeOf(Code::kDenied), 4);
  EXPECT_EQ(ExitCodeOf(Code::kUnavailable), 5);
  EXPECT_EQ(ExitCodeOf(Code::kDiskFull), 6);
  EXPECT_EQ(ExitCodeOf(Code::kDiskFailed), 6);
  EXPECT_EQ(ExitCodeOf(Code::kCorrupt), 6);
  EXPECT_EQ(ExitCodeOf(Code::kUnsupported), 7);
}

TEST(OutputTest, WhatTheSystemDoesNotPermitIsDeniedWhateverFailed) {
  EXPECT_EQ(ExitCodeOf(SystemError(EACCES, "open", "f")), 4);
  EXPECT_EQ(ExitCodeOf(Pass(SystemError(EPERM, "open", "f"), "doing").value()), 4);
  EXPECT_EQ(ExitCodeOf(SystemError(EIO, "open", "f")), 6);
  EXPECT_EQ(ExitCodeOf(SystemError(ENOENT, "open", "f")), 3);
}

TEST(OutputTest, TimesAndDurationsOfAScreenHaveAlwaysThreeDigits) {
  const TimeZone zone = *TimeZone::Find("Asia/Shanghai");
  EXPECT_EQ(ScreenTime(*ParseTime("2026-05-04T22:00:00.18042Z"), zone),
            "2026-05-05T06:00:00.180+08:00");
  EXPECT_EQ(ScreenTime(*ParseTime("2026-05-04T15:59:59.9995Z"), zone),
            "2026-05-05T00:00:00.000+08:00");
  EXPECT_EQ(ScreenTime(0, zone), "1970-01-01T08:00:00.000+08:00");
  EXPECT_EQ(ScreenDuration(0), "0.000 s");
  EXPECT_EQ(ScreenDuration(499), "0.000 s");
  EXPECT_EQ(ScreenDuration(59'999'500), "1 min 00.000 s");
  EXPECT_EQ(ScreenDuration(100'583'000), "1 min 40.583 s");
  EXPECT_EQ(ScreenDuration(46'408'338'999), "12 h 53 min 28.339 s");
  EXPECT_EQ(ScreenDuration(-1), "0.000 s");
}

TEST(OutputTest, NothingThatIsPrintedSteersATerminal) {
  EXPECT_EQ(Printable("a\x1b[31mb\nc\td"), "a [31mb c d");
  EXPECT_EQ(Printable("a\xC2\x9B"
                      "31mb"),
            "a 31mb");  // CSI as one code point.
  EXPECT_EQ(Printable("a\xE2\x80\xAE"
                      "b"),
            "a b");  // Right-to-left override.
  EXPECT_EQ(Printable("\xFFz\xE5\xB8"), "\xEF\xBF\xBDz\xEF\xBF\xBD");
  EXPECT_EQ(Printable("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // A surrogate.
  EXPECT_EQ(Printable("市场路口东"), "市场路口东");
}

TEST(OutputTest, TablesAlignWideCharactersToo) {
  EXPECT_EQ(DisplayWidth("市场a"), 5U);
  Table table({"ID", "NAME", "URL"});
  table.Add({"gate", "市场", "x"});
  table.Add({"a", "yard", "y"});
  EXPECT_EQ(table.Text(),
            "ID    NAME  URL\n"
            "gate  市场  x\n"
            "a     yard  y\n");
}

TEST(OutputTest, ATableTooWideForTheScreenIsParagraphs) {
  Table table({"CAMERA", "STATE", "TROUBLE"});
  table.Add({"gate", "down", "no route to host, asked eight times"});
  table.Add({"yard", "recording", ""});
  const std::string lines = table.Text();
  EXPECT_EQ(table.TextFor(0), lines);
  EXPECT_EQ(table.TextFor(26), lines);  // What goes over the edge is of the last column.
  EXPECT_EQ(table.TextFor(25),
            "gate\n"
            "  STATE    down\n"
            "  TROUBLE  no route to host, asked eight times\n"
            "yard\n"
            "  STATE    recording\n");
}

TEST(OutputTest, AnswersOfAnotherShapeReadAsAbsent) {
  const Json json = {{"a", 1}, {"b", nullptr}, {"t", "2026-05-04T22:00:00Z"}, {"l", {"x", 2, "y"}}};
  EXPECT_EQ(TextOf(json, "a"), "");
  EXPECT_EQ(TextOf(Json(), "a"), "");
  EXPECT_EQ(NumberOf(json, "t"), 0);
  EXPECT_FALSE(FlagOf(json, "a"));
  EXPECT_TRUE(ListOf(json, "a").empty());
  EXPECT_EQ(WordsOf(json, "l"), "x,y");
  EXPECT_FALSE(TimeOf(json, "b"));
  EXPECT_EQ(LocalTimeOf(json, "t", *TimeZone::Find("Asia/Shanghai")),
            "2026-05-05T06:00:00.000+08:00");
  EXPECT_EQ(LocalTimeOf(json, "b", *TimeZone::Find("UTC"), "never"), "never");
}

}  // namespace
}  // namespace lookback::app
