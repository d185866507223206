#include "net/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace lookback::net {
namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<SocketAddress> SocketAddress::Parse(const std::string& ip, uint16_t port) {
  SocketAddress address;
  address.port = port;
  if (inet_pton(AF_INET6, ip.c_str(), address.ip.data()) == 1) return address;
  std::copy(kMapped.begin(), kMapped.end(), address.ip.begin());
  if (inet_pton(AF_INET, ip.c_str(), address.ip.data() + kMapped.size()) == 1) return address;
  return std::nullopt;
}

SocketAddress SocketAddress::FromNative(const sockaddr_storage& native) {
  SocketAddress address;
  if (native.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &native, sizeof in);
    std::copy(kMapped.begin(), kMapped.end(), address.ip.begin());
    std::memcpy(address.ip.data() + kMapped.size(), &in.sin_addr, sizeof in.sin_addr);
    address.port = ntohs(in.sin_port);
  } else if (native.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &native, sizeof in);
    std::memcpy(address.ip.data(), &in.sin6_addr, sizeof in.sin6_addr);
    address.port = ntohs(in.sin6_port);
    address.scope = in.sin6_scope_id;
  }
  return address;
}

bool SocketAddress::v4() const { return std::equal(kMapped.begin(), kMapped.end(), ip.begin()); }

std::string SocketAddress::ip_text() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (v4()) {
    inet_ntop(AF_INET, ip.data() + kMapped.size(), text, sizeof text);
  } else {
    inet_ntop(AF_INET6, ip.data(), text, sizeof text);
  }
  return text;
}

size_t SocketAddress::ToNative(sockaddr_storage& native) const {
  native = {};
  if (v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.data() + kMapped.size(), sizeof in.sin_addr);
    std::memcpy(&native, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_scope_id = scope;
  std::memcpy(&in.sin6_addr, ip.data(), sizeof in.sin6_addr);
  std::memcpy(&native, &in, sizeof in);
  return sizeof in;
}

}  // namespace lookback::net
