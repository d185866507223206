// tests/query/player.h: what a player makes of a file: FFmpeg's demuxer and decoders, edit list and
// all, on bytes that come from a clip or from a file.
//
// Invariant: shares nothing with the code under test. Pictures and sound packets are named by hash.
// Threads:   one.
// Errors:    Played::error says what failed; FFmpeg's own complaints are collected beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace lookback::test {

struct Picture {
  int64_t pts_us = 0;
  uint64_t hash = 0;  // Of the decoded picture.
  int width = 0;
};

struct Packet {
  int64_t pts_us = 0;
  uint64_t hash = 0;    // Of the stored bytes.
  bool hidden = false;  // By the edit list.
};

struct Played {
  std::string error;
  std::vector<std::string> complaints;
  int64_t duration_us = 0;  // Of the file, as FFmpeg tells it.
  int64_t video_duration_us = 0;
  std::vector<Picture> pictures;  // Shown ones, in order.
  std::vector<Packet> sound;
};

// Fills a span from an offset; fewer bytes only at the end, negative on failure.
using ReadBytes = std::function<int64_t(uint64_t offset, std::span<uint8_t> into)>;

Played Play(const ReadBytes& read, uint64_t size);
Played PlayFile(const std::string& path);

}  // namespace lookback::test
