#include "bench/rtsp_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>

#include "base/clock.h"
#include "base/result.h"
#include "bench/rtp_clip.h"

namespace lookback::bench {
namespace {

constexpr int64_t kPictureUs = 40'000;
constexpr uint32_t kPictureTicks = 3'600;  // Of 90 kHz.
constexpr int64_t kSenderReportUs = 5 * kUsPerSecond;
constexpr int64_t kStaggerUs = 7'001;     // From one camera to the next, modulo a picture.
constexpr uint64_t kSpreadPictures = 37;  // From one camera's place in the clip to the next one's.
constexpr size_t kMaxRequestBytes = 16 << 10;
constexpr int kBacklog = 1'024;
constexpr int kTickMs = 1;
constexpr int64_t kNtpEpochS = 2'208'988'800;  // From 1900 to 1970.

struct Connection {
  int fd = -1;
  uint32_t number = 0;
  std::string request;
  Bytes waiting;  // What the socket did not take.
  bool playing = false;
  bool over = false;  // Its client is gone, or too slow; closed once nothing uses it.
  uint16_t sequence = 0;
  uint64_t picture = 0;  // Since PLAY.
  int64_t next_us = 0;
  int64_t next_report_us = 0;
  uint32_t sent_packets = 0;
  uint32_t sent_octets = 0;
};

std::string HeaderOf(std::string_view request, std::string_view name) {
  const size_t at = request.find("\r\n" + std::string(name) + ": ");
  if (at == std::string_view::npos) return {};
  const size_t begin = at + name.size() + 4;
  return std::string(request.substr(begin, request.find("\r\n", begin) - begin));
}

class Server {
 public:
  Server(const RtpClip& clip, Chop chop, int listener, LoadCounters& counters)
      : clip_(clip), chop_(chop), listener_(listener), counters_(counters) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    Watch(listener_, EPOLLIN, EPOLL_CTL_ADD);
  }

  [[noreturn]] void Run() {
    epoll_event events[64];
    for (;;) {
      const int count = epoll_wait(epoll_, events, 64, kTickMs);
      for (int i = 0; i < count; ++i) Serve(events[i]);
      const int64_t now_us = clock_.MonotonicUs();
      for (auto at = connections_.begin(); at != connections_.end();) {
        Connection& connection = (at++)->second;
        if (connection.playing) SendDue(connection, now_us);
        if (connection.over) Close(connection);
      }
    }
  }

 private:
  void Watch(int fd, uint32_t what, int how) {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    LB_CHECK(epoll_ctl(epoll_, how, fd, &event) == 0);
  }

  void Serve(const epoll_event& event) {
    if (event.data.fd == listener_) return Accept();
    const auto found = connections_.find(event.data.fd);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    if ((event.events & EPOLLIN) != 0) Receive(connection);
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) connection.over = true;
    if ((event.events & EPOLLOUT) != 0 && !connection.waiting.empty()) Send(connection, {});
    if (connection.over) Close(connection);
  }

  void Accept() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection& connection = connections_[fd];
    connection.fd = fd;
    connection.number = next_number_++;
    Watch(fd, EPOLLIN, EPOLL_CTL_ADD);
  }

  void Close(Connection& connection) {
    if (connection.playing) --counters_.playing;
    const int fd = connection.fd;
    close(fd);
    connections_.erase(fd);
  }

  void Receive(Connection& connection) {
    char buffer[4'096];
    const ssize_t count = recv(connection.fd, buffer, sizeof buffer, 0);
    if (count <= 0) {
      connection.over = count == 0 || errno != EAGAIN;
      return;
    }
    std::string& request = connection.request;
    request.append(buffer, static_cast<size_t>(count));
    while (!connection.over) {
      if (request.size() >= kInterleavedBytes && request[0] == '$') {  // A receiver report.
        const size_t length = kInterleavedBytes + static_cast<uint8_t>(request[2]) * size_t{256} +
                              static_cast<uint8_t>(request[3]);
        if (request.size() < length) return;
        request.erase(0, length);
        continue;
      }
      const size_t end = request.find("\r\n\r\n");
      if (end == std::string::npos) {
        connection.over = request.size() > kMaxRequestBytes;
        return;
      }
      const std::string head = request.substr(0, end + 2);
      request.erase(0, end + 4);
      Answer(connection, head);
    }
  }

  void Answer(Connection& connection, const std::string& head) {
    const std::string method = head.substr(0, head.find(' '));
    std::string headers;
    std::string body;
    if (method == "OPTIONS") {
      headers = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n";
    } else if (method == "DESCRIBE") {
      const size_t url = head.find(' ') + 1;
      headers = "Content-Type: application/sdp\r\nContent-Base: " +
                head.substr(url, head.find(' ', url) - url) + "/\r\n";
      body =
          "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=load\r\nt=0 0\r\na=control:*\r\n"
          "m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 H264/90000\r\n"
          "a=fmtp:96 packetization-mode=1;profile-level-id=" +
          clip_.profile_level_id + ";sprop-parameter-sets=" + clip_.sprop_parameter_sets +
          "\r\na=framerate:25\r\na=control:track1\r\n";
    } else if (method == "SETUP") {
      headers =
          "Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;"
          "interleaved=0-1\r\n";
    } else if (method == "TEARDOWN") {
      connection.over = true;
      return;
    }
    std::string answer = "RTSP/1.0 200 OK\r\nCSeq: " + HeaderOf(head, "CSeq") + "\r\n" + headers;
    if (!body.empty()) answer += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    answer += "\r\n" + body;
    Send(connection, AsBytes(answer));
    if (method == "PLAY" && !connection.playing) Play(connection);
  }

  void Play(Connection& connection) {
    connection.playing = true;
    ++counters_.playing;
    const int64_t now_us = clock_.MonotonicUs();
    connection.next_us = now_us + connection.number * kStaggerUs % kPictureUs;
    connection.next_report_us = now_us;
  }

  void SendDue(Connection& connection, int64_t now_us) {
    while (!connection.over && connection.next_us <= now_us) {
      if (now_us - connection.next_us > counters_.late_us) {
        counters_.late_us = now_us - connection.next_us;
      }
      // Cameras are at different places of the clip, so that their sync samples spread.
      const size_t place = connection.picture + connection.number * kSpreadPictures;
      const RtpPicture& picture = clip_.pictures[place % clip_.pictures.size()];
      const auto timestamp = static_cast<uint32_t>(connection.picture * kPictureTicks);
      if (connection.next_report_us <= now_us) SendReport(connection, timestamp);
      Stamp(picture, connection.sequence, timestamp, connection.number + 1, scratch_);
      connection.sequence = static_cast<uint16_t>(connection.sequence + picture.packets.size());
      connection.sent_packets += static_cast<uint32_t>(picture.packets.size());
      connection.sent_octets += static_cast<uint32_t>(scratch_.size());
      ++connection.picture;
      connection.next_us += kPictureUs;
      SendPicture(connection, picture);
    }
  }

  void SendPicture(Connection& connection, const RtpPicture& picture) {
    if (chop_ == Chop::kPicture) return Send(connection, scratch_);
    for (size_t i = 0; i < picture.packets.size(); ++i) {
      const size_t begin = picture.packets[i];
      const bool last = i + 1 == picture.packets.size();
      const size_t end = last ? scratch_.size() : picture.packets[i + 1];
      Send(connection, ByteSpan(scratch_).subspan(begin, end - begin));
    }
  }

  // An RTCP sender report (RFC 3550, 6.4.1): `timestamp` is now.
  void SendReport(Connection& connection, uint32_t timestamp) {
    connection.next_report_us += kSenderReportUs;
    const int64_t now_us = clock_.NowUs();
    const auto fraction = static_cast<uint64_t>(now_us % kUsPerSecond) << 32;
    const uint32_t fields[] = {
        0x80c80006,
        connection.number + 1,
        static_cast<uint32_t>(now_us / kUsPerSecond + kNtpEpochS),
        static_cast<uint32_t>(fraction / uint64_t{kUsPerSecond}),
        timestamp,
        connection.sent_packets,
        connection.sent_octets,
    };
    Bytes report = {'$', 1, 0, sizeof fields};
    for (const uint32_t field : fields) {
      for (int shift = 24; shift >= 0; shift -= 8) {
        report.push_back(static_cast<uint8_t>(field >> shift));
      }
    }
    Send(connection, report);
  }

  // What the socket does not take waits, up to its limit.
  void Send(Connection& connection, ByteSpan bytes) {
    if (connection.over) return;
    const bool waited = !connection.waiting.empty();
    if (waited) {
      connection.waiting.insert(connection.waiting.end(), bytes.begin(), bytes.end());
      bytes = connection.waiting;
    }
    const ssize_t count = send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    const size_t sent = count < 0 ? 0 : static_cast<size_t>(count);
    counters_.sent_bytes += sent;
    const size_t left = bytes.size() - sent;
    if ((count < 0 && errno != EAGAIN) || left > kMaxWaitingBytes) {
      if (left > kMaxWaitingBytes) ++counters_.cut_off;
      connection.over = true;
      return;
    }
    if (left > 0 || waited) {
      connection.waiting = Bytes(bytes.end() - static_cast<std::ptrdiff_t>(left), bytes.end());
      Watch(connection.fd, left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
  }

  const RtpClip& clip_;
  Chop chop_;
  int listener_;
  int epoll_ = -1;
  LoadCounters& counters_;
  SystemClock clock_;
  std::map<int, Connection> connections_;
  uint32_t next_number_ = 0;
  Bytes scratch_;
};

}  // namespace

RtspLoad::RtspLoad(const std::string& path, Chop chop) {
  const RtpClip clip = LoadRtpClip(path);
  size_t bytes = 0;
  for (const RtpPicture& picture : clip.pictures) bytes += picture.bytes.size();
  const double seconds = static_cast<double>(clip.pictures.size()) * kPictureUs / kUsPerSecond;
  bits_per_second_ = static_cast<double>(bytes) * 8 / seconds;

  void* const shared = mmap(nullptr, sizeof(LoadCounters), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  LB_CHECK(shared != MAP_FAILED);
  counters_ = new (shared) LoadCounters;

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  LB_CHECK(bind(listener, raw, length) == 0);
  LB_CHECK(listen(listener, kBacklog) == 0);
  LB_CHECK(getsockname(listener, raw, &length) == 0);
  port_ = ntohs(address.sin_port);

  server_ = fork();
  LB_CHECK(server_ >= 0);
  if (server_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Server(clip, chop, listener, *counters_).Run();
  }
  close(listener);
}

RtspLoad::~RtspLoad() {
  kill(server_, SIGKILL);
  waitpid(server_, nullptr, 0);
  munmap(counters_, sizeof(LoadCounters));
}

std::string RtspLoad::Url(int camera) const {
  return "rtsp://127.0.0.1:" + std::to_string(port_) + "/camera-" + std::to_string(camera);
}

}  // namespace lookback::bench
