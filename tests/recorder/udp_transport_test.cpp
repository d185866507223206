// The UDP transport on loopback, between sockets that the test holds, with a clock that it moves.
#include <gmock/gmock.h>

#include "net/udp_socket.h"
#include "recorder/media_transport.h"
#include "recorder/rtp_reorder.h"
#include "tests/recorder/packets.h"

namespace lookback::recorder {
namespace {

using net::SocketAddress;
using net::UdpSocket;
using testing::ElementsAre;

const SocketAddress kCamera = *SocketAddress::Parse("127.0.0.1", 554);

class UdpTransportTest : public testing::Test, protected MediaTransport::Sink {
 protected:
  UdpTransportTest() {
    auto pair = UdpSocket::OpenPair(loop_, kCamera, {});
    std::tie(rtp_, rtcp_) = std::move(*pair);
    auto other = UdpSocket::OpenPair(loop_, kCamera, {});
    std::tie(other_, std::ignore) = std::move(*other);
    MediaTransport::Sink& sink = *this;
    transport_ = MakeUdpTransport(context_, kCamera.WithPort(0), kCamera, sink);
  }

  void OnRtp(size_t, ByteSpan packet, int64_t) override {
    sequences_.push_back(ParseRtp(packet)->sequence);
  }
  void OnRtcp(size_t track, ByteSpan packet, int64_t) override {
    reports_.push_back(std::to_string(track) + ":" + std::to_string(packet.size()));
  }

  // SETUP with what a camera answers beside client_port.
  Status Setup(const std::string& more) {
    const auto offer = transport_->Offer(0);
    EXPECT_TRUE(offer);
    EXPECT_EQ(
        sscanf(offer->c_str(), "RTP/AVP;unicast;client_port=%hu-%hu", &client_rtp_, &client_rtcp_),
        2);
    return transport_->Accept(0, *offer + more);
  }
  std::string Announced() const {
    return ";server_port=" + std::to_string(rtp_->port()) + "-" + std::to_string(rtcp_->port());
  }
  void Play() {
    transport_->Start();
    transport_->ReadOnDemand();
  }
  void Send(UdpSocket& from, uint16_t sequence) {
    ASSERT_TRUE(from.SendTo(kCamera.WithPort(client_rtp_), test::Rtp(sequence, 0, true, {1})));
  }
  // Reads, and gives up waiting for packets that were first or are missing.
  void TickPastTheWait() {
    ASSERT_TRUE(transport_->Tick(clock_.MonotonicUs()));
    clock_.Advance(RtpReorder::kMaxWaitUs);
    ASSERT_TRUE(transport_->Tick(clock_.MonotonicUs()));
  }
  static std::vector<Bytes> ReadAll(UdpSocket& socket) {
    std::vector<Bytes> packets;
    Bytes buffer(UdpSocket::kMaxDatagramBytes);
    (void)socket.Read(buffer, [&](const UdpSocket::Datagram& datagram) {
      packets.emplace_back(datagram.bytes.begin(), datagram.bytes.end());
    });
    return packets;
  }

  net::Loop loop_;
  ManualClock clock_{kUsPerDay};
  Bytes buffer_ = Bytes(256 << 10);
  const IngestContext context_{loop_, clock_, buffer_, {}};
  std::unique_ptr<UdpSocket> rtp_;
  std::unique_ptr<UdpSocket> rtcp_;
  std::unique_ptr<UdpSocket> other_;
  std::unique_ptr<MediaTransport> transport_;
  uint16_t client_rtp_ = 0;
  uint16_t client_rtcp_ = 0;
  std::vector<uint16_t> sequences_;
  std::vector<std::string> reports_;
};

TEST_F(UdpTransportTest, PacketsThatOvertookComeOutInOrder) {
  ASSERT_TRUE(Setup(Announced()));
  EXPECT_EQ(client_rtp_ % 2, 0);
  EXPECT_EQ(client_rtcp_, client_rtp_ + 1);
  Play();
  for (const uint16_t sequence : {1, 3, 2, 4}) Send(*rtp_, sequence);
  ASSERT_TRUE(rtcp_->SendTo(kCamera.WithPort(client_rtcp_), test::SenderReportPacket(1, 1)));
  TickPastTheWait();
  EXPECT_THAT(sequences_, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(reports_, ElementsAre("0:28"));
  EXPECT_EQ(transport_->counters().bytes, 4 * 13u + 28u);
}

TEST_F(UdpTransportTest, RoutersOnTheWayAreOpenedBeforePlay) {
  ASSERT_TRUE(Setup(Announced()));
  transport_->Start();
  const auto rtp = ReadAll(*rtp_);
  ASSERT_EQ(rtp.size(), 1u);
  EXPECT_EQ(rtp[0], (Bytes{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  const auto rtcp = ReadAll(*rtcp_);
  ASSERT_EQ(rtcp.size(), 1u);
  EXPECT_EQ(rtcp[0], (Bytes{0x80, 201, 0, 1, 0, 0, 0, 0}));
}

TEST_F(UdpTransportTest, OnceTheAnnouncedPortSpokeOthersAreDroppedAndCounted) {
  ASSERT_TRUE(Setup(Announced()));
  Play();
  Send(*rtp_, 1);
  Send(*other_, 500);
  Send(*rtp_, 2);
  TickPastTheWait();
  EXPECT_THAT(sequences_, ElementsAre(1, 2));
  EXPECT_EQ(transport_->counters().foreign_packets, 1u);
}

TEST_F(UdpTransportTest, ACameraThatSendsFromAnotherPortThanItSaidIsHeard) {
  ASSERT_TRUE(Setup(Announced()));
  Play();
  Send(*other_, 1);
  Send(*other_, 2);
  TickPastTheWait();
  EXPECT_THAT(sequences_, ElementsAre(1, 2));
  EXPECT_EQ(transport_->counters().foreign_packets, 0u);
}

TEST_F(UdpTransportTest, WithoutAnnouncedPortsTheFirstThatSpeaksIsTheCamera) {
  ASSERT_TRUE(Setup(""));
  Play();
  Send(*other_, 1);
  Send(*rtp_, 500);
  Send(*other_, 2);
  TickPastTheWait();
  EXPECT_THAT(sequences_, ElementsAre(1, 2));
  EXPECT_EQ(transport_->counters().foreign_packets, 1u);
}

TEST_F(UdpTransportTest, AnotherHostIsDroppedUnlessTheCameraNamedIt) {
  const auto second = *SocketAddress::Parse("127.0.0.2", 0);
  auto pair = UdpSocket::OpenPair(loop_, second, {});
  ASSERT_TRUE(pair);
  ASSERT_TRUE(Setup(""));
  Play();
  Send(*pair->first, 1);
  TickPastTheWait();
  EXPECT_TRUE(sequences_.empty());
  EXPECT_EQ(transport_->counters().foreign_packets, 1u);

  MediaTransport::Sink& sink = *this;
  transport_ = MakeUdpTransport(context_, kCamera.WithPort(0), kCamera, sink);
  ASSERT_TRUE(Setup(";source=127.0.0.2"));
  Play();
  Send(*pair->first, 1);
  TickPastTheWait();
  EXPECT_THAT(sequences_, ElementsAre(1));
}

TEST_F(UdpTransportTest, ReportsGoToWhereTheCamerasReportsComeFrom) {
  ASSERT_TRUE(Setup(Announced()));
  Play();
  ReadAll(*rtcp_);
  transport_->SendRtcp(0, Bytes{1, 2, 3});
  EXPECT_THAT(ReadAll(*rtcp_), ElementsAre(Bytes{1, 2, 3}));
  transport_->SendRtcp(1, Bytes{1, 2, 3});  // No such track.
  EXPECT_TRUE(ReadAll(*rtcp_).empty());
}

TEST_F(UdpTransportTest, AnAnswerWithAnotherTransportIsRefused) {
  ASSERT_TRUE(transport_->Offer(0));
  for (const char* answer : {"RTP/AVP/TCP;unicast;interleaved=0-1",
                             "RTP/AVP;multicast;port=5000-5001", "RTP/SAVP;unicast", ""}) {
    EXPECT_EQ(transport_->Accept(0, answer).code(), Code::kUnsupported) << answer;
  }
  EXPECT_TRUE(transport_->Accept(0, "RTP/AVP/UDP;unicast;server_port=6000"));
}

}  // namespace
}  // namespace lookback::recorder
