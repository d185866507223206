// net/socket_address.h: an IP address and a port, as a value.
//
// Invariant: IPv4 is kept in its mapped form (::ffff:a.b.c.d, RFC 4291 §2.5.5.2), so that addresses
//            compare whatever socket they came from.
// Threads:   values.
// Errors:    Parse gives nullopt for what is no numeric address. Nothing is looked up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

struct sockaddr_storage;

namespace lookback::net {

struct SocketAddress {
  std::array<uint8_t, 16> ip{};
  uint16_t port = 0;
  uint32_t scope = 0;  // The interface of a link-local IPv6 address; 0: none.

  static std::optional<SocketAddress> Parse(const std::string& ip, uint16_t port);
  static SocketAddress FromNative(const sockaddr_storage& native);

  bool v4() const;
  bool SameHost(const SocketAddress& other) const { return ip == other.ip; }
  SocketAddress WithPort(uint16_t other) const { return {ip, other, scope}; }
  std::string ip_text() const;  // "192.0.2.7", "2001:db8::7"

  // Fills `native` and says how many bytes of it are meant.
  size_t ToNative(sockaddr_storage& native) const;

  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

}  // namespace lookback::net
