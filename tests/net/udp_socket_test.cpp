#include "net/udp_socket.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace lookback::net {
namespace {

const SocketAddress kLoopback = *SocketAddress::Parse("127.0.0.1", 0);

TEST(SocketAddress, TextAndNativeFormsAgree) {
  for (const char* text : {"192.0.2.7", "2001:db8::7", "::1"}) {
    const auto address = SocketAddress::Parse(text, 554);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ip_text(), text);
    sockaddr_storage native{};
    const size_t length = address->ToNative(native);
    EXPECT_EQ(native.ss_family, address->v4() ? AF_INET : AF_INET6);
    EXPECT_EQ(length, address->v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    EXPECT_EQ(SocketAddress::FromNative(native), *address);
  }
  EXPECT_EQ(*SocketAddress::Parse("::ffff:192.0.2.7", 1), *SocketAddress::Parse("192.0.2.7", 1));
  EXPECT_FALSE(SocketAddress::Parse("gate.example", 1));
}

class UdpSocketTest : public testing::Test {
 protected:
  void Open(PortRange range = {}) {
    auto pair = UdpSocket::OpenPair(loop_, kLoopback, range);
    ASSERT_TRUE(pair) << pair.message();
    std::tie(one_, other_) = std::move(*pair);
  }
  std::vector<size_t> ReadSizes() {
    std::vector<size_t> sizes;
    bool more = true;
    while (more) {
      const auto read = one_->Read(buffer_, [&](const UdpSocket::Datagram& datagram) {
        sizes.push_back(datagram.bytes.size());
        from_ = datagram.from;
      });
      EXPECT_TRUE(read.has_value());
      more = read.value_or(false);
      ++reads_;
    }
    return sizes;
  }
  Status Send(size_t bytes) {
    return other_->SendTo(kLoopback.WithPort(one_->port()), Bytes(bytes, 'x'));
  }

  Loop loop_;
  Bytes buffer_ = Bytes(256 << 10);
  std::unique_ptr<UdpSocket> one_;
  std::unique_ptr<UdpSocket> other_;
  SocketAddress from_;
  int reads_ = 0;
};

TEST_F(UdpSocketTest, APairIsAnEvenPortAndTheNext) {
  Open();
  EXPECT_EQ(one_->port() % 2, 0);
  EXPECT_EQ(other_->port(), one_->port() + 1);
}

TEST_F(UdpSocketTest, PortsStayWithinTheirRangeAndItsEndIsSaid) {
  // A free pair, found and given back.
  Open();
  const uint16_t first = one_->port();
  one_.reset();
  other_.reset();
  Timer later(loop_);
  later.Once(0, [this] { loop_.Stop(); });
  loop_.Run();
  Open({static_cast<uint16_t>(first - 1), static_cast<uint16_t>(first + 1)});
  EXPECT_EQ(one_->port(), first);
  const auto none =
      UdpSocket::OpenPair(loop_, kLoopback, {first, static_cast<uint16_t>(first + 1)});
  EXPECT_EQ(none.code(), Code::kUnavailable);
  EXPECT_THAT(none.message(), testing::HasSubstr("address already in use"));
  EXPECT_FALSE(UdpSocket::OpenPair(loop_, kLoopback, {first, first}));
}

TEST_F(UdpSocketTest, ABurstIsTakenInBatchesAndNamesItsSender) {
  Open();
  for (size_t i = 0; i < 150; ++i) ASSERT_TRUE(Send(1'000 + i));
  const auto sizes = ReadSizes();
  ASSERT_EQ(sizes.size(), 150u);
  EXPECT_EQ(sizes[149], 1'149u);
  EXPECT_EQ(reads_, 3);
  EXPECT_EQ(from_, kLoopback.WithPort(other_->port()));
  EXPECT_TRUE(ReadSizes().empty());
}

TEST_F(UdpSocketTest, LongDatagramsAreTakenOnceOneHasCome) {
  Open();
  ASSERT_TRUE(Send(8'000));
  ASSERT_TRUE(Send(100));
  EXPECT_THAT(ReadSizes(), testing::ElementsAre(100));
  ASSERT_TRUE(Send(8'000));
  ASSERT_TRUE(Send(60'000));
  EXPECT_THAT(ReadSizes(), testing::ElementsAre(8'000, 60'000));
}

TEST_F(UdpSocketTest, TheKernelHoldsATickOfTwentyMegabitsAndCountsWhatItDrops) {
  Open();
  EXPECT_GE(one_->receive_buffer_bytes(), UdpSocket::kNeededBufferBytes);
  constexpr size_t kTick = 100;  // Packets of 1,400 bytes in 55 ms.
  for (size_t i = 0; i < kTick; ++i) ASSERT_TRUE(Send(1'400));
  EXPECT_EQ(ReadSizes().size(), kTick);
  EXPECT_EQ(one_->kernel_drops(), 0u);

  constexpr size_t kFlood = 10'000;
  for (size_t i = 0; i < kFlood; ++i) ASSERT_TRUE(Send(1'400));
  const size_t taken = ReadSizes().size();
  ASSERT_LT(taken, kFlood);
  ASSERT_TRUE(Send(1));  // The counter comes with the next datagram.
  ReadSizes();
  EXPECT_EQ(one_->kernel_drops(), kFlood - taken);
}

TEST_F(UdpSocketTest, OnEventsTheLoopIsWokenAndOnDemandItIsNot) {
  Open();
  int events = 0;
  Timer later(loop_);
  one_->ReadOnEvents([&] {
    ++events;
    EXPECT_EQ(ReadSizes().size(), 1u);
    one_->ReadOnDemand();
    ASSERT_TRUE(Send(10));
    later.Once(5'000, [this] { loop_.Stop(); });
  });
  ASSERT_TRUE(Send(10));
  loop_.Run();
  EXPECT_EQ(events, 1);
  EXPECT_EQ(ReadSizes().size(), 1u);
}

TEST_F(UdpSocketTest, ASocketMayBeDestroyedFromItsOwnCallback) {
  Open();
  one_->ReadOnEvents([this] {
    one_.reset();
    loop_.Stop();
  });
  ASSERT_TRUE(Send(10));
  loop_.Run();
  EXPECT_EQ(one_, nullptr);
}

}  // namespace
}  // namespace lookback::net
