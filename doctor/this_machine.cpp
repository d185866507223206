#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "doctor/machine.h"
#include "doctor/smart.h"

namespace lookback::doctor {
namespace {

// A disk that is woken takes up to ten.
constexpr int kSmartTimeoutMs = 15'000;
constexpr int kMaxGroups = 1'024;
constexpr std::array<const char*, 3> kSmartPrograms = {"/usr/sbin/smartctl", "/sbin/smartctl",
                                                       "/usr/local/sbin/smartctl"};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

// All that comes until the other side closes.
Result<std::string> ReadUntilClosed(int fd, int timeout_ms, size_t limit_bytes) {
  const SystemClock clock;
  const int64_t end_us = clock.MonotonicUs() + timeout_ms * kUsPerMs;
  std::string text;
  std::array<char, 4'096> piece{};
  while (true) {
    const int64_t left_ms = (end_us - clock.MonotonicUs()) / kUsPerMs;
    pollfd ready{fd, POLLIN, 0};
    const int polled = left_ms <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left_ms));
    if (polled == 0) return Fail(Code::kUnavailable, "smartctl did not end in time");
    if (polled < 0 && errno == EINTR) continue;
    if (polled < 0) return tl::unexpected(SystemError(errno, "poll", "smartctl"));
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got == 0) return text;
    if (got < 0 && errno != EINTR) return tl::unexpected(SystemError(errno, "read", "smartctl"));
    if (got > 0) text.append(piece.data(), static_cast<size_t>(got));
    if (text.size() > limit_bytes) return Fail(Code::kInvalid, "smartctl printed too much");
  }
}

Result<std::string> RunSmart(const char* program, const std::string& device) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return tl::unexpected(SystemError(errno, "pipe", program));
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, to.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::string arguments[] = {program, "--json", "-H", "-A", device};
  std::array<char*, 6> argv{};
  for (size_t i = 0; i < std::size(arguments); ++i) argv[i] = arguments[i].data();
  std::array<char*, 1> environment{};
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, program, &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  to.Close();
  if (error != 0) return tl::unexpected(SystemError(error, "posix_spawn", program));
  auto text = ReadUntilClosed(from.get(), kSmartTimeoutMs, kMaxSmartBytes);
  if (!text) ::kill(pid, SIGKILL);
  int status = 0;  // One that hangs inside of the kernel with its disk is not waited for.
  while (::waitpid(pid, &status, text ? 0 : WNOHANG) < 0 && errno == EINTR) {
  }
  return text;  // Its exit code is a set of bits that the document has too.
}

// access(2), asked by a thread that is `user`, as Linux lets one be: so access lists count as well.
// nullopt: it could not become that user.
std::optional<bool> AskedAs(const User& user, const std::string& path, int mode) {
  std::optional<bool> may;
  std::thread([&] {
    const auto gid = user.gids.empty() ? user.uid : user.gids.front();
    if (::syscall(SYS_setgroups, user.gids.size(), user.gids.data()) != 0 ||
        ::syscall(SYS_setresgid, gid, gid, gid) != 0 ||
        ::syscall(SYS_setresuid, user.uid, user.uid, user.uid) != 0) {
      return;
    }
    may = ::access(path.c_str(), mode) == 0;
  }).join();
  return may;
}

int ModeOf(Access access) {
  return access == Access::kRead ? R_OK : access == Access::kEnter ? X_OK : W_OK | X_OK;
}

class ThisMachine final : public Machine {
 public:
  Result<std::string> ReadText(const std::string& path, size_t limit_bytes) override {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file.get() < 0) return tl::unexpected(SystemError(errno, "open", path));
    std::string text;
    std::array<char, 16'384> piece{};
    while (true) {  // Files of /proc have no size.
      const ssize_t got = ::read(file.get(), piece.data(), piece.size());
      if (got == 0) return text;
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return tl::unexpected(SystemError(errno, "read", path));
      text.append(piece.data(), static_cast<size_t>(got));
      if (text.size() > limit_bytes) return Fail(Code::kInvalid, path + " is too large");
    }
  }

  Result<std::vector<std::string>> List(const std::string& path, size_t limit) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return tl::unexpected(SystemError(errno, "opendir", path));
    std::vector<std::string> names;
    while (names.size() < limit) {
      const dirent* entry = ::readdir(directory);
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::string> RealPath(const std::string& path) override {
    std::array<char, PATH_MAX> real{};
    if (::realpath(path.c_str(), real.data()) == nullptr) {
      return tl::unexpected(SystemError(errno, "realpath", path));
    }
    return std::string(real.data());
  }

  Result<Node> Look(const std::string& path) override {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return tl::unexpected(SystemError(errno, "stat", path));
    return Node{found.st_dev, found.st_ino,           found.st_uid,
                found.st_gid, found.st_mode & 07777u, S_ISDIR(found.st_mode)};
  }

  Result<FileSystemSpace> SpaceOf(const std::string& path) override {
    struct statvfs found {};
    if (::statvfs(path.c_str(), &found) != 0) {
      return tl::unexpected(SystemError(errno, "statvfs", path));
    }
    return FileSystemSpace{found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize,
                           found.f_files, found.f_favail, (found.f_flag & ST_RDONLY) != 0};
  }

  uint32_t UserId() override { return ::geteuid(); }

  std::string UserName(uint32_t uid) override {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 16'384> buffer{};
    const int error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    return error == 0 && found != nullptr ? std::string(found->pw_name) : std::to_string(uid);
  }

  Result<User> FindUser(const std::string& name) override {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 16'384> buffer{};
    const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error != 0 || found == nullptr) return Fail(Code::kNotFound, "there is no user " + name);
    User user{name, std::to_string(entry.pw_gid), entry.pw_uid, {}};
    std::array<gid_t, kMaxGroups> gids{};
    int count = static_cast<int>(gids.size());
    ::getgrouplist(name.c_str(), entry.pw_gid, gids.data(), &count);
    user.gids.assign(gids.begin(), gids.begin() + std::clamp(count, 0, kMaxGroups));
    group group_entry{};
    group* group_found = nullptr;
    std::array<char, 16'384> group_buffer{};
    if (::getgrgid_r(entry.pw_gid, &group_entry, group_buffer.data(), group_buffer.size(),
                     &group_found) == 0 &&
        group_found != nullptr) {
      user.group = group_found->gr_name;
    }
    return user;
  }

  bool May(const User& user, const std::string& path, Access access) override {
    const int mode = ModeOf(access);
    if (user.uid == ::geteuid()) {
      return ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0;
    }
    const auto asked = ::geteuid() == 0 ? AskedAs(user, path, mode) : std::nullopt;
    if (asked) return *asked;
    const auto node = Look(path);
    return node && (user.uid == 0 || Grants(*node, user, access));
  }

  uint64_t OpenFilesLimit() override {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
  }

  Result<uint64_t> MemoryBytes() override {
    struct sysinfo found {};  // /proc/meminfo is out of a sandbox's sight.
    if (::sysinfo(&found) != 0) return tl::unexpected(SystemError(errno, "sysinfo", "memory"));
    return uint64_t{found.totalram} * found.mem_unit;
  }

  Result<std::string> AskSmart(const std::string& disk) override {
    for (const char* program : kSmartPrograms) {
      if (::access(program, X_OK) == 0) return RunSmart(program, "/dev/" + disk);
    }
    return Fail(Code::kUnsupported, "smartctl is not installed");
  }
};

}  // namespace

bool Grants(const Node& node, const User& user, Access access) {
  const bool in_group = std::find(user.gids.begin(), user.gids.end(), node.gid) != user.gids.end();
  const uint32_t shift = node.uid == user.uid ? 6 : in_group ? 3 : 0;
  const auto bits = static_cast<uint32_t>(access);
  return (node.mode >> shift & bits) == bits;
}

std::unique_ptr<Machine> MakeThisMachine() { return std::make_unique<ThisMachine>(); }

}  // namespace lookback::doctor
