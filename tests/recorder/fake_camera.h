// tests/recorder/fake_camera.h: an RTSP server on loopback that says what a test tells it to.
//
// Threads:   serves one connection at a time on a thread of its own; the methods on the test's.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"

namespace lookback::test {

class FakeCamera {
 public:
  struct Request {
    std::string method;
    std::string url;
    std::string head;  // All of it.
    int connection = 0;

    std::string Header(const std::string& name) const;
  };
  // What is sent back; "" is nothing, kHangUp closes the connection.
  using Answer = std::function<std::string(const Request&)>;
  static inline const std::string kHangUp = "hang up";

  FakeCamera();
  ~FakeCamera();
  FakeCamera(const FakeCamera&) = delete;
  FakeCamera& operator=(const FakeCamera&) = delete;

  std::string url() const;
  int port() const { return port_; }
  // Before anything connects.
  void SetAnswer(Answer answer) { answer_ = std::move(answer); }
  void SetDescription(std::string sdp) { sdp_ = std::move(sdp); }

  // What a camera without quirks answers.
  std::string Usual(const Request& request) const;
  static std::string Respond(const Request& request, const std::string& status,
                             const std::string& headers = {}, const std::string& body = {});

  // Sends to the present connection; false when there is none, or it broke.
  bool Send(const Bytes& bytes);
  // The same, with a request behind it, and waits for the answer: the other side has then dealt
  // with all of it, and a test may move its clock on. False when there is no connection.
  bool SendAndAwait(Bytes bytes);
  void HangUp();
  int connections() const;  // So far.

  // Over UDP, from the ports that Usual() announces to those of the client's first SETUP.
  void SendUdp(const Bytes& packet);
  void SendRtcpOverUdp(const Bytes& packet);
  // The next datagram that came to the RTCP port; empty: none within 20 s.
  Bytes AwaitRtcpOverUdp();

  std::vector<Request> requests() const;
  size_t Count(const std::string& method) const;

 private:
  void Serve();
  void ServeConnection(int fd);

  int ClientPort(int which) const;

  int udp_[2] = {-1, -1};  // RTP, RTCP.
  int udp_port_[2] = {0, 0};
  int listener_ = -1;
  int port_ = 0;
  std::string sdp_;
  Answer answer_;
  mutable std::mutex mutex_;
  int connection_ = -1;
  int connections_ = 0;
  bool stopping_ = false;
  uint32_t asked_ = 0;     // CSeq of the last request of ours ...
  uint32_t answered_ = 0;  // ... and of the last answer.
  std::condition_variable changed_;
  std::vector<Request> requests_;
  std::thread thread_;
};

}  // namespace lookback::test
