#include "net/tcp_stream.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>

namespace lookback::net {
namespace {

// A listening socket of loopback, or only its port number.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_, raw, length), 0);
    EXPECT_EQ(listen(fd_, 4), 0);
    EXPECT_EQ(getsockname(fd_, raw, &length), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { Close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const { return port_; }
  int Accept() const { return accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
  uint16_t port_ = 0;
};

class TcpStreamTest : public testing::Test, protected TcpStream::Handler {
 protected:
  void OnConnected() override {
    if (on_connected) on_connected();
  }
  void OnBytes(ByteSpan bytes) override {
    received += AsText(bytes);
    if (on_bytes) on_bytes();
  }
  void OnClosed(const Error& error) override {
    closed = error.message;
    loop_.Stop();
  }
  void Connect(const std::string& host, uint16_t port) {
    TcpStream::Handler& handler = *this;
    stream_ = std::make_unique<TcpStream>(loop_, host, port, buffer_, handler);
  }

  Loop loop_;
  std::array<uint8_t, 4096> buffer_{};
  std::unique_ptr<TcpStream> stream_;
  std::function<void()> on_connected;
  std::function<void()> on_bytes;
  std::string received;
  std::string closed;
};

TEST_F(TcpStreamTest, BytesGoBothWaysUntilTheOtherSideCloses) {
  Listener listener;
  int peer = -1;
  on_connected = [&] {
    peer = listener.Accept();
    ASSERT_TRUE(stream_->Write("question"));
    char text[16] = {};
    EXPECT_EQ(read(peer, text, sizeof text), 8);
    EXPECT_STREQ(text, "question");
    EXPECT_EQ(send(peer, "answer", 6, 0), 6);
    close(peer);
  };
  Connect("127.0.0.1", listener.port());
  loop_.Run();
  EXPECT_EQ(received, "answer");
  EXPECT_EQ(closed, "the other side closed the connection");
  EXPECT_FALSE(stream_->Write("more"));
}

TEST_F(TcpStreamTest, ANameIsResolved) {
  Listener listener;
  on_connected = [&] { loop_.Stop(); };
  Connect("localhost", listener.port());
  loop_.Run();
  EXPECT_EQ(closed, "");
}

TEST_F(TcpStreamTest, ARefusedConnectionSaysSo) {
  Listener listener;
  listener.Close();
  Connect("127.0.0.1", listener.port());
  loop_.Run();
  EXPECT_EQ(closed, "connection refused");
}

TEST_F(TcpStreamTest, AnUnknownNameSaysSo) {
  Connect("a..b", 554);  // No name has an empty label: no resolver has to be asked.
  loop_.Run();
  EXPECT_THAT(closed, testing::StartsWith("the name a..b cannot be resolved: "));
}

TEST_F(TcpStreamTest, OnDemandTheLoopIsNotWokenAndTheKernelHoldsABurst) {
  Listener listener;
  const std::string burst(600'000, 'x');
  size_t read_bytes = 0;
  Timer later(loop_);
  int peer = -1;
  on_connected = [&] {
    stream_->ReadOnDemand();
    peer = listener.Accept();
    size_t sent = 0;
    while (sent < burst.size()) {
      const ssize_t count = send(peer, burst.data() + sent, burst.size() - sent, MSG_DONTWAIT);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    EXPECT_EQ(sent, burst.size());
    later.Every(1'000, [&] {
      while (true) {
        const auto count = stream_->Read(buffer_);
        ASSERT_TRUE(count);
        read_bytes += *count;
        if (*count == 0) break;
      }
      if (read_bytes == burst.size()) loop_.Stop();
    });
  };
  Connect("127.0.0.1", listener.port());
  loop_.Run();
  EXPECT_EQ(received, "");
  close(peer);
  Result<size_t> after = size_t{0};
  while (after) after = stream_->Read(buffer_);
  EXPECT_EQ(after.code(), Code::kUnavailable);
}

TEST_F(TcpStreamTest, APeerThatReadsNothingIsFoundOut) {
  Listener listener;
  int peer = -1;
  Status status = Ok();
  on_connected = [&] {
    peer = listener.Accept();
    while (status) status = stream_->Write(std::string(64 << 10, 'x'));
    loop_.Stop();
  };
  Connect("127.0.0.1", listener.port());
  loop_.Run();
  EXPECT_EQ(status.message(), "the other side does not read what is sent to it");
  stream_.reset();
  close(peer);
}

TEST_F(TcpStreamTest, AStreamMayBeDestroyedFromItsOwnCallback) {
  Listener listener;
  int peer = -1;
  on_connected = [&] {
    peer = listener.Accept();
    EXPECT_EQ(send(peer, "x", 1, 0), 1);
  };
  on_bytes = [&] {
    stream_.reset();
    loop_.Stop();
  };
  Connect("127.0.0.1", listener.port());
  loop_.Run();
  EXPECT_EQ(received, "x");
  close(peer);
}

}  // namespace
}  // namespace lookback::net
