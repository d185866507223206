#include "tests/recorder/fake_camera.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "tests/recorder/packets.h"

namespace lookback::test {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

}  // namespace

std::string FakeCamera::Request::Header(const std::string& name) const {
  const size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

FakeCamera::FakeCamera() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(listener_, raw, length), 0);
  EXPECT_EQ(listen(listener_, 8), 0);
  for (int i = 0; i < 2; ++i) {
    sockaddr_in any = address;
    udp_[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(udp_[i], reinterpret_cast<sockaddr*>(&any), length), 0);
    EXPECT_EQ(getsockname(udp_[i], reinterpret_cast<sockaddr*>(&any), &length), 0);
    udp_port_[i] = ntohs(any.sin_port);
  }
  EXPECT_EQ(getsockname(listener_, raw, &length), 0);
  port_ = ntohs(address.sin_port);
  sdp_ =
      "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
      "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=" +
      kSpropSets +
      "\r\na=control:track1\r\n"
      "m=audio 0 RTP/AVP 8\r\na=control:track2\r\n";
  answer_ = [this](const Request& request) { return Usual(request); };
  thread_ = std::thread([this] { Serve(); });
}

FakeCamera::~FakeCamera() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (connection_ >= 0) shutdown(connection_, SHUT_RDWR);
  }
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
  for (const int fd : udp_) close(fd);
}

int FakeCamera::ClientPort(int which) const {
  for (const Request& request : requests()) {
    const std::string transport = request.Header("Transport");
    const size_t at = transport.find("client_port=");
    if (at != std::string::npos) return std::stoi(transport.substr(at + 12)) + which;
  }
  return 0;
}

void FakeCamera::SendUdp(const Bytes& packet) {
  const sockaddr_in to = Loopback(ClientPort(0));
  (void)sendto(udp_[0], packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to),
               sizeof to);
}

void FakeCamera::SendRtcpOverUdp(const Bytes& packet) {
  const sockaddr_in to = Loopback(ClientPort(1));
  (void)sendto(udp_[1], packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to),
               sizeof to);
}

Bytes FakeCamera::AwaitRtcpOverUdp() {
  pollfd readable = {udp_[1], POLLIN, 0};
  if (poll(&readable, 1, 20'000) != 1) return {};
  Bytes packet(2'048);
  const ssize_t count = recv(udp_[1], packet.data(), packet.size(), 0);
  packet.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  return packet;
}

std::string FakeCamera::url() const {
  return "rtsp://127.0.0.1:" + std::to_string(port_) + "/live";
}

std::string FakeCamera::Respond(const Request& request, const std::string& status,
                                const std::string& headers, const std::string& body) {
  std::string answer =
      "RTSP/1.0 " + status + "\r\nCSeq: " + request.Header("CSeq") + "\r\n" + headers;
  if (!body.empty()) answer += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return answer + "\r\n" + body;
}

std::string FakeCamera::Usual(const Request& request) const {
  if (request.method == "OPTIONS") {
    return Respond(request, "200 OK", "Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n");
  }
  if (request.method == "DESCRIBE") {
    return Respond(request, "200 OK", "Content-Type: application/sdp\r\n", sdp_);
  }
  if (request.method == "SETUP") {
    std::string transport = request.Header("Transport");
    if (transport.find("client_port") != std::string::npos) {
      transport +=
          ";server_port=" + std::to_string(udp_port_[0]) + "-" + std::to_string(udp_port_[1]);
    }
    return Respond(
        request, "200 OK",
        "Session: 12345678;timeout=60\r\nTransport: " + transport + ";ssrc= d6d6627\r\n");
  }
  if (request.method == "PLAY") {
    return Respond(request, "200 OK", "RTP-Info: url=rtsp://h/live/track1;seq=1;rtptime=-1;\r\n");
  }
  return Respond(request, "200 OK");
}

void FakeCamera::Serve() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) {
        close(fd);
        return;
      }
      connection_ = fd;
      ++connections_;
    }
    ServeConnection(fd);
    const std::lock_guard lock(mutex_);
    connection_ = -1;
    changed_.notify_all();
    close(fd);
  }
}

void FakeCamera::ServeConnection(int fd) {
  std::string text;
  char piece[4'096];
  while (true) {
    const ssize_t count = read(fd, piece, sizeof piece);
    if (count <= 0) return;
    text.append(piece, static_cast<size_t>(count));
    while (!text.empty()) {
      if (text[0] == '$') {  // A receiver report.
        if (text.size() < 4) break;
        const auto high = static_cast<uint8_t>(text[2]);
        const size_t length = 4 + (size_t{high} << 8 | static_cast<uint8_t>(text[3]));
        if (text.size() < length) break;
        text.erase(0, length);
        continue;
      }
      const size_t end = text.find("\r\n\r\n");
      if (end == std::string::npos) break;
      Request request;
      request.head = text.substr(0, end + 2);
      text.erase(0, end + 4);
      if (request.head.rfind("RTSP/", 0) == 0) {
        const std::lock_guard lock(mutex_);
        answered_ = static_cast<uint32_t>(std::stoul(request.Header("CSeq")));
        changed_.notify_all();
        continue;
      }
      const size_t space = request.head.find(' ');
      request.method = request.head.substr(0, space);
      request.url = request.head.substr(space + 1, request.head.find(' ', space + 1) - space - 1);
      {
        const std::lock_guard lock(mutex_);
        request.connection = connections_;
        requests_.push_back(request);
      }
      const std::string answer = answer_(request);
      if (answer == kHangUp) return;
      // Not between the pieces of what the test's thread sends.
      const std::lock_guard lock(mutex_);
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
    }
  }
}

bool FakeCamera::Send(const Bytes& bytes) {
  const std::lock_guard lock(mutex_);
  return connection_ >= 0 && send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                                 static_cast<ssize_t>(bytes.size());
}

int FakeCamera::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

bool FakeCamera::SendAndAwait(Bytes bytes) {
  std::unique_lock lock(mutex_);
  if (connection_ < 0) return false;
  const uint32_t asked = ++asked_;
  ByteWriter(bytes).Text("OPTIONS rtsp://client RTSP/1.0\r\nCSeq: " + std::to_string(asked) +
                         "\r\n\r\n");
  (void)send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return changed_.wait_for(lock, std::chrono::seconds(20), [&] {
    return answered_ == asked || connection_ < 0;
  }) && answered_ == asked;
}

void FakeCamera::HangUp() {
  const std::lock_guard lock(mutex_);
  if (connection_ >= 0) shutdown(connection_, SHUT_RDWR);
}

std::vector<FakeCamera::Request> FakeCamera::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

size_t FakeCamera::Count(const std::string& method) const {
  size_t count = 0;
  for (const Request& request : requests()) count += request.method == method ? 1 : 0;
  return count;
}

}  // namespace lookback::test
