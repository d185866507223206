#include "bench/plain_loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "base/result.h"

namespace lookback::bench {
namespace {

struct Camera {
  int socket = -1;
  int file = -1;
  std::unique_ptr<uint8_t[]> buffer = std::make_unique<uint8_t[]>(kPlainBufferBytes);
  size_t used = 0;
  off_t at = 0;

  void Write() {
    LB_CHECK(pwrite(file, buffer.get(), used, at) == static_cast<ssize_t>(used));
    at += static_cast<off_t>(used);
    used = 0;
  }
};

// Asks, and waits for the end of the answer's head, byte by byte: what follows is footage.
void Ask(int socket, const std::string& method, const std::string& url, const std::string& more) {
  const std::string request = method + " " + url + " RTSP/1.0\r\nCSeq: 1\r\n" + more + "\r\n";
  LB_CHECK(send(socket, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos) {
    char byte = 0;
    LB_CHECK(recv(socket, &byte, 1, 0) == 1);
    head.push_back(byte);
  }
  LB_CHECK(head.rfind("RTSP/1.0 200", 0) == 0);
}

int Play(uint16_t port, int number) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  LB_CHECK(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  const std::string url = "rtsp://127.0.0.1/cam" + std::to_string(number + 1);
  Ask(fd, "SETUP", url, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
  Ask(fd, "PLAY", url, "Session: 1\r\n");
  return fd;
}

}  // namespace

void RunPlainLoop(uint16_t port, int cameras, const std::string& directory, int stop) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [epoll](int fd, uint32_t number) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = number;
    LB_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
  };
  std::vector<Camera> all(static_cast<size_t>(cameras));
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string path = directory + "/" + std::to_string(i);
    all[i].file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    LB_CHECK(all[i].file >= 0);
    all[i].socket = Play(port, static_cast<int>(i));
    watch(all[i].socket, static_cast<uint32_t>(i));
  }
  const auto stop_number = static_cast<uint32_t>(all.size());
  watch(stop, stop_number);

  epoll_event events[256];
  for (;;) {
    const int count = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u32 == stop_number) return;
      Camera& camera = all[events[i].data.u32];
      const ssize_t got = recv(camera.socket, camera.buffer.get() + camera.used,
                               kPlainBufferBytes - camera.used, MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) continue;
      LB_CHECK(got > 0);
      camera.used += static_cast<size_t>(got);
      if (camera.used == kPlainBufferBytes) camera.Write();
    }
  }
}

}  // namespace lookback::bench
