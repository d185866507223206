#include "net/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/time.h"

namespace lookback::net {
namespace {

// A client that sees bytes, not messages.
class RawClient {
 public:
  explicit RawClient(uint16_t port, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(const std::string& text) {
    EXPECT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  void EndOfInput() { shutdown(fd_, SHUT_WR); }
  std::string ReadUntil(const std::string& end) {
    while (seen_.find(end) == std::string::npos && ReadSome(4096)) {
    }
    const size_t at = seen_.find(end);
    std::string text = seen_.substr(0, at == std::string::npos ? at : at + end.size());
    seen_.erase(0, text.size());
    return text;
  }
  std::string ReadAll() {
    while (ReadSome(65536)) {
    }
    return std::move(seen_);
  }
  bool ReadSome(size_t most) {
    std::string piece(most, '\0');
    const ssize_t n = recv(fd_, piece.data(), piece.size(), 0);
    if (n > 0) seen_.append(piece, 0, static_cast<size_t>(n));
    return n > 0;
  }
  std::string Get(const std::string& path) {
    Send("GET " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    return ReadAll();
  }

 private:
  int fd_;
  std::string seen_;
};

// `size` bytes, each the low byte of its offset; fails at `fail_at`.
class Counting : public HttpBody {
 public:
  Counting(size_t size, size_t fail_at, std::shared_ptr<std::atomic<size_t>> read)
      : size_(size), fail_at_(fail_at), read_(std::move(read)) {}
  ~Counting() override { *read_ |= kGone; }
  Result<size_t> Read(std::span<uint8_t> into) override {
    EXPECT_LE(into.size(), kBodyPieceBytes);
    if (at_ >= fail_at_) return Fail(Code::kCorrupt, "a bad checksum");
    const size_t count = std::min(into.size(), std::min(size_, fail_at_) - at_);
    for (size_t i = 0; i < count; ++i) into[i] = static_cast<uint8_t>(at_ + i);
    at_ += count;
    *read_ += count;
    return count;
  }
  static constexpr size_t kGone = size_t{1} << 63;

 private:
  size_t size_;
  size_t fail_at_;
  std::shared_ptr<std::atomic<size_t>> read_;
  size_t at_ = 0;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    HttpServer::Options options;
    options.port = 0;
    auto server = HttpServer::Start(loop_, options,
                                    [this](const HttpRequest& request) { return Handle(request); });
    ASSERT_TRUE(server) << server.message();
    server_ = std::move(*server);
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      loop_.Post([this] { server_->Stop(0, [this] { loop_.Stop(); }); });
      thread_.join();
    }
    server_.reset();
  }

  HttpResponse Handle(const HttpRequest& request) {
    HttpResponse response;
    if (request.path == "/echo") response.body = request.method + " " + request.body;
    if (request.path == "/wait") released_.get_future().wait();
    if (request.path.starts_with("/stream")) {
      const bool fail = request.path == "/stream-fail";
      response.stream =
          std::make_unique<Counting>(kStreamBytes, fail ? kStreamBytes / 2 : SIZE_MAX, read_);
      response.stream_bytes = request.path == "/stream-unknown" ? -1 : kStreamBytes;
    }
    return response;
  }

  static constexpr size_t kStreamBytes = 8 << 20;
  static std::string StreamBytes() {
    std::string bytes(kStreamBytes, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
    return bytes;
  }
  // Empty when it is not framed as it should be.
  static std::string Unchunk(std::string_view text) {
    std::string bytes;
    while (true) {
      const size_t line = text.find("\r\n");
      if (line == std::string_view::npos) return {};
      const size_t count = std::stoul(std::string(text.substr(0, line)), nullptr, 16);
      if (text.size() < line + 2 + count + 2 || text.substr(line + 2 + count, 2) != "\r\n")
        return {};
      if (count == 0) return text.size() == line + 4 ? bytes : std::string();
      bytes += text.substr(line + 2, count);
      text.remove_prefix(line + 2 + count + 2);
    }
  }
  static std::string BodyOf(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }

  Loop loop_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  std::promise<void> released_;
  std::shared_ptr<std::atomic<size_t>> read_ = std::make_shared<std::atomic<size_t>>(0);
};

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrderOnOneConnection) {
  RawClient client(server_->port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
      "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"
      "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string all = client.ReadAll();
  const size_t first = all.find("POST ab");
  const size_t second = all.find("GET ");
  EXPECT_NE(first, std::string::npos);
  EXPECT_LT(first, second);
  EXPECT_NE(all.find("GET ", second + 1), std::string::npos);
}

TEST_F(HttpServerTest, StreamsArriveWholeInEveryFraming) {
  const std::string expected = StreamBytes();
  EXPECT_EQ(BodyOf(RawClient(server_->port()).Get("/stream")), expected);
  RawClient old(server_->port());
  old.Send("GET /stream-unknown HTTP/1.0\r\n\r\n");
  EXPECT_EQ(BodyOf(old.ReadAll()), expected);
  const std::string chunked = BodyOf(RawClient(server_->port()).Get("/stream-unknown"));
  EXPECT_EQ(Unchunk(chunked), expected);
}

TEST_F(HttpServerTest, HeadHasTheLengthAndNoBody) {
  RawClient client(server_->port());
  client.Send("HEAD /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string answer = client.ReadAll();
  EXPECT_NE(answer.find("Content-Length: 8388608\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
  EXPECT_EQ(*read_ & ~Counting::kGone, 0u);
}

TEST_F(HttpServerTest, AFailingBodyIsAShortTransfer) {
  const std::string body = BodyOf(RawClient(server_->port()).Get("/stream-fail"));
  EXPECT_EQ(body.size(), kStreamBytes / 2);
}

TEST_F(HttpServerTest, ASlowReaderHoldsBackTheBodyAndNoWorker) {
  // Twice as many as there are workers, none of which reads.
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 8; ++i) {
    slow.push_back(std::make_unique<RawClient>(server_->port(), 4096));
    slow.back()->Send("GET /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    slow.back()->ReadUntil("\r\n\r\n");
  }
  EXPECT_NE(RawClient(server_->port()).Get("/echo").find("200 OK"), std::string::npos);
  EXPECT_LT(*read_, 8 * kStreamBytes);
  for (auto& client : slow) EXPECT_EQ(client->ReadAll().size(), kStreamBytes);
}

TEST_F(HttpServerTest, AClientThatGoesEndsTheBody) {
  {
    RawClient client(server_->port(), 4096);
    client.Send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    client.ReadUntil("\r\n\r\n");
  }
  // Nothing but the connection's end lets go of the body.
  while ((*read_ & Counting::kGone) == 0) std::this_thread::yield();
  EXPECT_LT(*read_ & ~Counting::kGone, kStreamBytes);
}

TEST_F(HttpServerTest, HugeHeadersAndBodiesAreRefusedInWords) {
  RawClient headers(server_->port());
  headers.Send("GET / HTTP/1.1\r\nX: " + std::string(64 << 10, 'a') + "\r\n\r\n");
  const std::string too_large = headers.ReadAll();
  EXPECT_TRUE(too_large.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"))
      << too_large;
  EXPECT_NE(too_large.find("/problems/headers-too-large"), std::string::npos);
  RawClient body(server_->port());
  body.Send(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(body.ReadAll().starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, ContinueIsSaidToAClientThatWaitsForIt) {
  RawClient client(server_->port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
      "Connection: close\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("hi");
  EXPECT_TRUE(client.ReadAll().ends_with("POST hi"));
}

TEST_F(HttpServerTest, AChunkWithoutItsEndIsRefusedAndWhatFollowsIsNoRequest) {
  RawClient client(server_->port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n"
      "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string all = client.ReadAll();
  EXPECT_TRUE(all.starts_with("HTTP/1.1 400 ")) << all;
  EXPECT_EQ(all.find("HTTP/1.1 ", 1), std::string::npos) << all;
}

TEST_F(HttpServerTest, AHalfClosedClientStillGetsItsAnswer) {
  RawClient client(server_->port());
  client.Send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  client.EndOfInput();
  EXPECT_TRUE(client.ReadAll().ends_with("GET "));
}

TEST_F(HttpServerTest, TwoHundredConnectionsAreServedAtOnce) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(std::make_unique<RawClient>(server_->port()));
  for (auto& client : clients) {
    client->Send("GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  }
  for (auto& client : clients) EXPECT_TRUE(client->ReadAll().ends_with("GET "));
}

TEST_F(HttpServerTest, StopLetsARunningAnswerFinish) {
  RawClient idle(server_->port());
  auto busy = std::make_unique<RawClient>(server_->port());
  busy->Send("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  busy->ReadUntil("GET ");  // The server knows both by now.
  busy->Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  RawClient(server_->port()).Get("/echo");
  loop_.Post([this] {
    server_->Stop(60 * kUsPerSecond, [this] { loop_.Stop(); });
    released_.set_value();
  });
  EXPECT_EQ(idle.ReadAll(), "");
  EXPECT_NE(busy->ReadAll().find("Connection: close"), std::string::npos);
  busy.reset();
  thread_.join();
}

TEST(HttpServer, ATakenAddressIsAnErrorThatNamesIt) {
  Loop loop;
  HttpServer::Options options;
  options.port = 0;
  auto first = HttpServer::Start(loop, options, [](const HttpRequest&) { return HttpResponse(); });
  ASSERT_TRUE(first);
  options.port = (*first)->port();
  auto second = HttpServer::Start(loop, options, [](const HttpRequest&) { return HttpResponse(); });
  ASSERT_FALSE(second);
  EXPECT_EQ(second.code(), Code::kUnavailable);
  EXPECT_NE(second.message().find("127.0.0.1:" + std::to_string(options.port)), std::string::npos);
}

}  // namespace
}  // namespace lookback::net
