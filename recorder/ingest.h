// recorder/ingest.h: what the parts of one camera's ingest share.
//
// Threads:   the camera's loop.
// Errors:    none.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "index/records.h"
#include "net/loop.h"
#include "net/udp_socket.h"
#include "recorder/camera_url.h"

namespace lookback::recorder {

// What the cameras of one loop share.
struct IngestContext {
  net::Loop& loop;
  Clock& clock;
  std::span<uint8_t> buffer;  // For reads; at least net::UdpSocket::kMaxDatagramBytes.
  net::PortRange udp_ports;
};

// Why a session ended.
struct SessionFailure {
  index::GapCause cause = index::GapCause::kNetwork;
  std::string detail;                 // "401 Unauthorized: check user and password"
  bool credentials = false;           // Trying again soon might lock the account.
  std::optional<CameraUrl> redirect;  // Where the camera said to go instead.
};

}  // namespace lookback::recorder
