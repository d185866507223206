// doctor/machine.h: what the checks ask a machine: small files of /proc, /sys and /etc, nodes, file
// systems, limits, and `smartctl`.
//
// Invariant: nothing is changed. Each answer is bounded in size, and one of another program in
//            time; what is asked of a path may wait as long as its disk does.
// Threads:   any.
// Errors:    of base/file_system.h. kUnsupported: this machine has no such thing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace lookback::doctor {

struct Node {
  uint64_t device = 0;  // st_dev.
  uint64_t inode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t mode = 0;  // Permission bits alone.
  bool is_directory = false;
};

struct User {
  std::string name;
  std::string group;  // Its own one's name.
  uint32_t uid = 0;
  std::vector<uint32_t> gids;
};

// As in a mode's three bits.
enum class Access : uint8_t { kEnter = 1, kWriteAndEnter = 3, kRead = 4 };

struct FileSystemSpace {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;  // For an unprivileged writer.
  uint64_t inodes = 0;      // 0: it does not count them.
  uint64_t free_inodes = 0;
  bool read_only = false;  // For this process.
};

class Machine {
 public:
  virtual ~Machine() = default;

  // A file that the kernel or an admin writes; kInvalid above `limit_bytes`.
  virtual Result<std::string> ReadText(const std::string& path, size_t limit_bytes) = 0;
  // Names in a directory, sorted; the first `limit`.
  virtual Result<std::vector<std::string>> List(const std::string& path, size_t limit) = 0;
  virtual Result<std::string> RealPath(const std::string& path) = 0;  // Without symbolic links.
  virtual Result<Node> Look(const std::string& path) = 0;             // A link: of what it names.
  virtual Result<FileSystemSpace> SpaceOf(const std::string& path) = 0;
  virtual uint32_t UserId() = 0;                   // This process's effective one.
  virtual std::string UserName(uint32_t uid) = 0;  // Its number where it has none.
  virtual Result<User> FindUser(const std::string& name) = 0;
  // Whether `user` may; the directories above have to let it in as well. Of another user root alone
  // knows for sure: else the mode of `path` is taken for it.
  virtual bool May(const User& user, const std::string& path, Access access) = 0;
  virtual uint64_t OpenFilesLimit() = 0;  // The hard one.
  virtual Result<uint64_t> MemoryBytes() = 0;
  // What smartctl prints of a disk ("sda").
  virtual Result<std::string> AskSmart(const std::string& disk) = 0;
};

std::unique_ptr<Machine> MakeThisMachine();

// What the mode of a node gives a user who is not root.
bool Grants(const Node& node, const User& user, Access access);

}  // namespace lookback::doctor
