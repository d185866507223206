#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/file_system.h"

namespace lookback {
namespace {

// What pwritev takes at once (IOV_MAX is 1,024; a fragment needs three).
constexpr size_t kMaxParts = 64;

tl::unexpected<Error> System(std::string_view call, const std::string& path, int error = errno) {
  return tl::unexpected<Error>(SystemError(error, call, path));
}

class PosixFile : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }

  Status WriteAt(uint64_t offset, std::span<const ByteSpan> parts) override {
    while (!parts.empty()) {
      const size_t count = std::min(parts.size(), kMaxParts);
      LB_TRY(WriteSome(offset, parts.first(count)));
      for (const ByteSpan& part : parts.first(count)) offset += part.size();
      parts = parts.subspan(count);
    }
    return Ok();
  }

  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t n =
          ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return System("read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status Sync() override {
    if (::fdatasync(fd_) != 0) return System("fdatasync", path_);
    return Ok();
  }
  Status SyncFileSystem() override {
    if (::syncfs(fd_) != 0) return System("syncfs", path_);
    return Ok();
  }
  Status Truncate(uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return System("truncate", path_);
    return Ok();
  }
  Status Reserve(uint64_t offset, uint64_t length) override {
    if (::fallocate(fd_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                    static_cast<off_t>(length)) == 0) {
      return Ok();
    }
    if (errno == EOPNOTSUPP || errno == ENOSYS) {
      return Fail(Code::kUnsupported, "this file system cannot reserve space: " + path_);
    }
    return System("fallocate", path_);
  }
  Result<uint64_t> Size() const override {
    struct stat st {};
    if (::fstat(fd_, &st) != 0) return System("stat", path_);
    return static_cast<uint64_t>(st.st_size);
  }
  void ForgetCached() const override { (void)::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED); }

 private:
  Status WriteSome(uint64_t offset, std::span<const ByteSpan> parts) {
    std::array<iovec, kMaxParts> vectors;
    size_t count = 0;
    for (const ByteSpan& part : parts) {
      if (part.empty()) continue;
      vectors[count++] = {const_cast<uint8_t*>(part.data()), part.size()};
    }
    iovec* next = vectors.data();
    while (count > 0) {
      const ssize_t n = ::pwritev(fd_, next, static_cast<int>(count), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return System("write", path_);
      offset += static_cast<uint64_t>(n);
      size_t written = static_cast<size_t>(n);
      while (count > 0 && written >= next->iov_len) {
        written -= next->iov_len;
        ++next;
        --count;
      }
      if (count > 0) {
        next->iov_base = static_cast<uint8_t*>(next->iov_base) + written;
        next->iov_len -= written;
      }
    }
    return Ok();
  }

  const int fd_;
  const std::string path_;
};

class PosixFileLock : public FileLock {
 public:
  explicit PosixFileLock(int fd) : fd_(fd) {}
  ~PosixFileLock() override { ::close(fd_); }

 private:
  const int fd_;
};

// O_NONBLOCK changes nothing for a file, and keeps a FIFO in its place from stopping who opens it.
int Flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    case OpenMode::kReadNoLink:
      return O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
    case OpenMode::kReadWrite:
      return O_RDWR | O_CLOEXEC | O_NONBLOCK;
    case OpenMode::kCreateNew:
    case OpenMode::kSecret:
      return O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  }
  return O_RDONLY | O_CLOEXEC;
}

class PosixFileSystem : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    const mode_t bits = mode == OpenMode::kSecret ? 0600 : 0640;
    return Wrap(::open(path.c_str(), Flags(mode), bits), "open", path);
  }
  Result<std::unique_ptr<File>> OpenDirectory(const std::string& path) override {
    return Wrap(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open", path);
  }
  Status MakeDirectories(const std::string& path, uint32_t mode) override {
    std::string done = path.starts_with('/') ? "/" : "";
    for (const auto& part : std::filesystem::path(path).relative_path()) {
      done = JoinPath(done, part.string());
      if (::mkdir(done.c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST) {
        return System("mkdir", done);
      }
    }
    return Ok();
  }
  Status SyncDirectory(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return System("open", path);
    const int rc = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    if (rc != 0) return System("fsync", path, error);
    return Ok();
  }
  Status Remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0) return System("remove", path);
    return Ok();
  }
  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return System("rename", from);
    return Ok();
  }
  Result<std::vector<DirEntry>> List(const std::string& path) override {
    std::error_code error;
    std::vector<DirEntry> entries;
    std::filesystem::directory_iterator it(path, error);
    if (error) return System("list", path, error.value());
    while (it != std::filesystem::directory_iterator()) {
      std::error_code ignored;
      entries.push_back({it->path().filename().string(), it->is_directory(ignored)});
      it.increment(error);
      if (error) return System("list", path, error.value());
    }
    std::sort(entries.begin(), entries.end(),
              [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
    return entries;
  }
  Result<FileInfo> Stat(const std::string& path) override {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) return System("stat", path);
    return FileInfo{static_cast<uint64_t>(st.st_size), S_ISDIR(st.st_mode),
                    static_cast<uint64_t>(st.st_dev), S_ISREG(st.st_mode)};
  }
  Result<Space> FreeSpace(const std::string& path) override {
    struct statvfs st {};
    if (::statvfs(path.c_str(), &st) != 0) return System("statvfs", path);
    return Space{uint64_t{st.f_blocks} * st.f_frsize, uint64_t{st.f_bavail} * st.f_frsize};
  }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) return System("open", path);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      char holder[32] = "";
      const ssize_t n = ::pread(fd, holder, sizeof holder - 1, 0);
      ::close(fd);
      const std::string pid = n > 0 ? " (pid " + std::string(holder, size_t(n)) + ")" : "";
      return Fail(Code::kUnavailable, path + " is locked by another process" + pid);
    }
    const std::string pid = std::to_string(::getpid());
    if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) {
      const int error = errno;
      ::close(fd);
      return System("write", path, error);
    }
    return std::unique_ptr<FileLock>(new PosixFileLock(fd));
  }

 private:
  static Result<std::unique_ptr<File>> Wrap(int fd, std::string_view call,
                                            const std::string& path) {
    if (fd < 0) return System(call, path);
    return std::unique_ptr<File>(new PosixFile(fd, path));
  }
};

}  // namespace

std::unique_ptr<FileSystem> MakePosixFileSystem() { return std::make_unique<PosixFileSystem>(); }

}  // namespace lookback
