#include "api/byte_range.h"

#include <gtest/gtest.h>

namespace lookback::api {
namespace {

Selection Select(std::vector<std::pair<std::string, std::string>> headers, uint64_t size = 1000,
                 const std::string& method = "GET") {
  net::HttpRequest request;
  request.method = method;
  request.headers = std::move(headers);
  return SelectBytes(request, size, "tag");
}

void ExpectRange(const std::string& range, int status, uint64_t offset, uint64_t length) {
  const Selection selection = Select({{"range", range}});
  EXPECT_EQ(selection.status, status) << range;
  EXPECT_EQ(selection.offset, offset) << range;
  EXPECT_EQ(selection.length, length) << range;
}

// RFC 9110 §14.1.2 and §14.2, on an entity of 1,000 bytes.
TEST(ByteRange, OneRangeIsClampedToTheEntity) {
  ExpectRange("bytes=0-499", 206, 0, 500);
  ExpectRange("bytes=500-999", 206, 500, 500);
  ExpectRange("bytes=0-0", 206, 0, 1);
  ExpectRange("bytes=999-", 206, 999, 1);
  ExpectRange("bytes=0-1000", 206, 0, 1000);
  ExpectRange("bytes=900-99999999999999999999999", 206, 900, 100);
  ExpectRange("bytes=-500", 206, 500, 500);
  ExpectRange("bytes=-5000", 206, 0, 1000);
  ExpectRange("Bytes=-1", 206, 999, 1);
  ExpectRange("bytes=, 1-2 ,", 206, 1, 2);  // A list of one (RFC 9110 §5.6.1.2).
}

TEST(ByteRange, NothingToSendIs416) {
  ExpectRange("bytes=1000-", 416, 0, 0);
  ExpectRange("bytes=1000-2000", 416, 0, 0);
  ExpectRange("bytes=-0", 416, 0, 0);
  ExpectRange("bytes=99999999999999999999999-", 416, 0, 0);
}

TEST(ByteRange, WhatIsNoSingleRangeIsAnsweredWhole) {
  for (const char* range :
       {"bytes=0-1,5-6", "bytes=5-4", "bytes=a-b", "bytes=", "bytes=-", "lines=0-1", "bytes", "0-1",
        "bytes=0x1-2", "bytes=1 - 2", "bytes=+1-2"}) {
    ExpectRange(range, 200, 0, 1000);
  }
}

TEST(ByteRange, AStaleIfRangeIsAnsweredWhole) {
  const std::pair<std::string, std::string> range = {"range", "bytes=1-2"};
  EXPECT_EQ(Select({range, {"if-range", "\"tag\""}}).status, 206);
  EXPECT_EQ(Select({range, {"if-range", "\"other\""}}).status, 200);
  EXPECT_EQ(Select({range, {"if-range", "W/\"tag\""}}).status, 200);
  EXPECT_EQ(Select({range, {"if-range", "Mon, 04 May 2026 22:00:00 GMT"}}).status, 200);
  EXPECT_EQ(Select({range, {"if-range", "\"other\""}}).length, 1000u);
}

TEST(ByteRange, PreconditionsComeFirst) {
  EXPECT_EQ(Select({{"if-match", "\"other\""}, {"range", "bytes=5000-"}}).status, 412);
  EXPECT_EQ(Select({{"if-match", "\"a\", \"tag\""}}).status, 200);
  EXPECT_EQ(Select({{"if-match", "W/\"tag\""}}).status, 412);
  EXPECT_EQ(Select({{"if-match", "*"}}).status, 200);
  EXPECT_EQ(Select({{"if-none-match", "W/\"tag\""}, {"range", "bytes=5000-"}}).status, 304);
  EXPECT_EQ(Select({{"if-none-match", "\"x\""}}).status, 200);
}

TEST(ByteRange, TagsStandInListsOfAllTheirLines) {
  EXPECT_EQ(Select({{"if-none-match", "\"x\", W/\"tag\", \"y\""}}).status, 304);
  EXPECT_EQ(Select({{"if-none-match", ",,\"a,b\" ,\"tag\""}}).status, 304);
  EXPECT_EQ(Select({{"if-none-match", "\"x\""}, {"if-none-match", "\"tag\""}}).status, 304);
  EXPECT_EQ(Select({{"if-match", "\"x\""}, {"if-match", "\"tag\""}}).status, 200);
  // Within the quotes of another tag it is none.
  EXPECT_EQ(Select({{"if-none-match", "\"a, \"tag"}}).status, 200);
  EXPECT_EQ(Select({{"if-none-match", "tag"}}).status, 200);
  // Two lines of Range are two ranges.
  EXPECT_EQ(Select({{"range", "bytes=0-1"}, {"range", "bytes=5-6"}}).status, 200);
}

// A clip has no Last-Modified that a date could be held against (RFC 9110 §13.1.3).
TEST(ByteRange, DatesAreNoConditionHere) {
  const std::string date = "Fri, 01 Jan 2100 00:00:00 GMT";
  EXPECT_EQ(Select({{"if-modified-since", date}}).status, 200);
  EXPECT_EQ(Select({{"if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"}}).status, 200);
  EXPECT_EQ(Select({{"if-none-match", "\"x\""}, {"if-modified-since", date}}).status, 200);
}

TEST(ByteRange, HeadIsNeverAPart) {
  EXPECT_EQ(Select({{"range", "bytes=1-2"}}, 1000, "HEAD").status, 200);
}

}  // namespace
}  // namespace lookback::api
