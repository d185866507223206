#include "recorder/rtsp_message.h"

#include <gmock/gmock.h>

#include "tests/recorder/packets.h"

namespace lookback::recorder {
namespace {

class Collector : public RtspReader::Sink {
 public:
  void OnResponse(RtspResponse response) override { responses.push_back(std::move(response)); }
  void OnRequest(RtspRequest request) override {
    requests.push_back(request.method + " " + std::string(request.Find("CSeq")));
  }
  void OnInterleaved(uint8_t channel, ByteSpan payload) override {
    frames.push_back(std::to_string(channel) + ":" + std::string(AsText(payload)));
  }
  std::vector<RtspResponse> responses;
  std::vector<std::string> requests;
  std::vector<std::string> frames;
};

using namespace std::string_literals;

const std::string kStream =
    "RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 5\r\nX-Long: a\r\n b\r\n\r\nhello"s +
    "$\x01\x00\x03"s + "abc" + "$\x00\x00\x00"s +
    "\r\nOPTIONS rtsp://x RTSP/1.0\r\nCSeq: 9\r\n\r\n"
    "RTSP/1.0 404 Not Found\nCSeq:4\n\n";

void ExpectStream(const Collector& got) {
  ASSERT_EQ(got.responses.size(), 2u);
  EXPECT_EQ(got.responses[0].status, 200);
  EXPECT_EQ(got.responses[0].Find("cseq"), "3");
  EXPECT_EQ(got.responses[0].Find("x-long"), "a b");
  EXPECT_EQ(got.responses[0].body, "hello");
  EXPECT_EQ(got.responses[1].text(), "404 Not Found");
  EXPECT_THAT(got.frames, testing::ElementsAre("1:abc", "0:"));
  EXPECT_THAT(got.requests, testing::ElementsAre("OPTIONS 9"));
}

TEST(RtspReader, MessagesAndFramesComeOutWhateverTheCut) {
  const std::string& text = kStream;
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    SCOPED_TRACE(piece);
    RtspReader reader;
    Collector got;
    for (size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE(reader.Feed(AsBytes(std::string_view(text).substr(at, piece)), got));
    }
    ExpectStream(got);
    EXPECT_EQ(reader.held_bytes(), 0u);
  }
}

Status Feed(const std::string& text) {
  RtspReader reader;
  Collector got;
  return reader.Feed(AsBytes(text), got);
}

TEST(RtspReader, WhatIsNoRtspIsRefused) {
  EXPECT_EQ(Feed("HTTP/1.1 200 OK\r\n\r\n").code(), Code::kCorrupt);
  EXPECT_EQ(Feed(std::string("\x00\x01\x02", 3)).code(), Code::kCorrupt);
  EXPECT_EQ(Feed("RTSP/1.0 abc\r\n\r\n").code(), Code::kCorrupt);
  EXPECT_EQ(Feed("RTSP/1.0 200 OK\r\nno colon\r\n\r\n").code(), Code::kCorrupt);
}

TEST(RtspReader, EachLimitHolds) {
  const std::string head = "RTSP/1.0 200 OK\r\n";
  EXPECT_EQ(Feed(head + "A: " + std::string(kMaxRtspLineBytes, 'x')).code(), Code::kCorrupt);
  EXPECT_EQ(Feed("RTSP" + std::string(kMaxRtspLineBytes, 'x')).code(), Code::kCorrupt);
  std::string headers;
  for (size_t i = 0; i < kMaxRtspHeaders; ++i) headers += "A: b\r\n";
  EXPECT_TRUE(Feed(head + headers + "\r\n"));
  EXPECT_EQ(Feed(head + headers + "A: b\r\n\r\n").code(), Code::kCorrupt);
  std::string wide;
  for (int i = 0; i < 5; ++i) wide += "A: " + std::string(7'000, 'x') + "\r\n";
  EXPECT_EQ(Feed(head + wide).code(), Code::kCorrupt);
  EXPECT_EQ(Feed(head + "Content-Length: 65537\r\n\r\n").code(), Code::kCorrupt);
  EXPECT_EQ(Feed(head + "Content-Length: -1\r\n\r\n").code(), Code::kCorrupt);
  EXPECT_EQ(Feed(head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n").code(), Code::kCorrupt);
}

TEST(RtspReader, ALargeFrameIsHeldOnlyWhileItIsIncomplete) {
  RtspReader reader;
  Collector got;
  const Bytes frame = test::Interleaved(2, Bytes(65'535, 'z'));
  ASSERT_TRUE(reader.Feed(ByteSpan(frame).first(60'000), got));
  EXPECT_EQ(reader.held_bytes(), 60'000u);
  ASSERT_TRUE(reader.Feed(ByteSpan(frame).subspan(60'000), got));
  EXPECT_EQ(reader.held_bytes(), 0u);
  ASSERT_EQ(got.frames.size(), 1u);
  EXPECT_EQ(got.frames[0].size(), 2u + 65'535u);
}

TEST(RtspRequest, IsWrittenAsTheRfcSays) {
  EXPECT_EQ(WriteRtspRequest("SETUP", "rtsp://h/a", 7, {{"Transport", "RTP/AVP/TCP"}}),
            "SETUP rtsp://h/a RTSP/1.0\r\nCSeq: 7\r\nTransport: RTP/AVP/TCP\r\n\r\n");
}

}  // namespace
}  // namespace lookback::recorder
