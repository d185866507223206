#include "base/file_system.h"

namespace lookback {

Result<Bytes> ReadFile(FileSystem& files, const std::string& path, uint64_t limit_bytes,
                       OpenMode mode) {
  LB_TRY_ASSIGN(file, files.Open(path, mode));
  LB_TRY_ASSIGN(size, file->Size());
  if (size > limit_bytes) {
    return Fail(Code::kInvalid, path + " has " + std::to_string(size) + " bytes, more than " +
                                    std::to_string(limit_bytes));
  }
  Bytes bytes(size);
  LB_TRY_ASSIGN(read, file->ReadAt(0, bytes));
  bytes.resize(read);
  return bytes;
}

Status WriteFileDurably(FileSystem& files, const std::string& path, ByteSpan bytes, OpenMode mode) {
  const std::string temporary = path + ".new";
  if (Exists(files, temporary)) LB_TRY(files.Remove(temporary));
  {
    LB_TRY_ASSIGN(file, files.Open(temporary, mode));
    LB_TRY(file->WriteAt(0, std::span(&bytes, 1)));
    LB_TRY(file->Sync());
  }
  LB_TRY(files.Rename(temporary, path));
  const size_t slash = path.rfind('/');
  return files.SyncDirectory(slash == std::string::npos ? "." : path.substr(0, slash));
}

bool Exists(FileSystem& files, const std::string& path) { return files.Stat(path).has_value(); }

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path.push_back('/');
  path.append(name);
  return path;
}

std::string FreeName(FileSystem& files, const std::string& path) {
  std::string name = path;
  for (int n = 2; Exists(files, name); ++n) name = path + "-" + std::to_string(n);
  return name;
}

}  // namespace lookback
