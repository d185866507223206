#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>

#include "base/clock.h"
#include "doctor/machine.h"
#include "doctor/smart.h"

namespace lookback::doctor {
namespace {

// A disk that is woken takes up to ten.
constexpr int kSmartTimeoutMs = 15'000;
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

  bool MayWrite(const std::string& directory) override {
    return ::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
  }

  uint32_t UserId() override { return ::geteuid(); }

  std::string UserName(uint32_t uid) override {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 16'384> buffer{};
    const int error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    return error == 0 && found != nullptr ? std::string(found->pw_name) : std::to_string(uid);
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

std::unique_ptr<Machine> MakeThisMachine() { return std::make_unique<ThisMachine>(); }

}  // namespace lookback::doctor
