// doctor/mounts.h: what is mounted, and what should be: the kernel's table, fstab and mount units.
//
// Invariant: parsers take any bytes: lines that are not of the form are left out, at most
//            kMaxMounts entries come, and names are unescaped (\040 is a space).
// Threads:   values.
// Errors:    none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lookback::doctor {

inline constexpr size_t kMaxMounts = 16'384;

// A line of /proc/self/mountinfo (proc(5)).
struct Mount {
  uint32_t major = 0;  // 0: of no block device (tmpfs, NFS, btrfs).
  uint32_t minor = 0;
  std::string root;     // The directory of its file system that is shown.
  std::string point;    // Where.
  std::string options;  // Of the mount: "rw,relatime".
  std::string type;
  std::string source;
  std::string super_options;  // Of the file system.
};

// What a start of the machine mounts.
struct BootMount {
  std::string spec;  // "UUID=…", "/dev/sdb1"
  std::string point;
  std::string type;
  std::string options;
  bool unit = false;  // Of a mount unit, not of fstab.
};

std::vector<Mount> ParseMountInfo(std::string_view text);
std::vector<BootMount> ParseFstab(std::string_view text);
std::optional<BootMount> ParseMountUnit(std::string_view text);

// Whether `path` is `directory` or below it. Both absolute, without a slash at the end.
bool IsBelow(std::string_view path, std::string_view directory);
// Whether a comma separated list has the option.
bool HasOption(std::string_view options, std::string_view option);

// The mount that `path` is on; nullptr: none is known.
const Mount* MountOf(const std::vector<Mount>& mounts, std::string_view path);
// Whether it shows nothing but what would stand there without it: so systemd makes a directory
// writable in a sandbox. It is no sign of a disk.
bool IsEcho(const std::vector<Mount>& mounts, const Mount& mount);
// Like MountOf(), but echoes count as what they show.
const Mount* RealMountOf(const std::vector<Mount>& mounts, std::string_view path);
// The entry whose directory is `path` or the nearest above it, but for "/"; nullptr: none.
const BootMount* BootMountOf(const std::vector<BootMount>& entries, std::string_view path);

}  // namespace lookback::doctor
