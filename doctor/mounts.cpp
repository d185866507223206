#include "doctor/mounts.h"

#include <charconv>

namespace lookback::doctor {
namespace {

std::string_view TakeLine(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// The next word of a line; empty at its end.
std::string_view TakeWord(std::string_view& line) {
  constexpr std::string_view kBlank = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  const size_t end = std::min(line.find_first_of(kBlank), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// As fstab(5) and proc(5) escape: a backslash and three octal digits.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 3 < text.size() && text[i + 1] <= '3' &&
                        IsOctal(text[i + 1]) && IsOctal(text[i + 2]) && IsOctal(text[i + 3]);
    if (!escape) {
      out += text[i];
      continue;
    }
    out +=
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
    i += 3;
  }
  return out;
}

bool ParseNumber(std::string_view text, uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::optional<Mount> ParseMountLine(std::string_view line) {
  Mount mount;
  uint32_t id = 0;
  if (!ParseNumber(TakeWord(line), id) || !ParseNumber(TakeWord(line), id)) return std::nullopt;
  const std::string_view device = TakeWord(line);
  const size_t colon = std::min(device.find(':'), device.size());
  if (!ParseNumber(device.substr(0, colon), mount.major)) return std::nullopt;
  if (colon == device.size() || !ParseNumber(device.substr(colon + 1), mount.minor)) {
    return std::nullopt;
  }
  mount.root = Unescaped(TakeWord(line));
  mount.point = Unescaped(TakeWord(line));
  mount.options = TakeWord(line);
  while (true) {  // Optional fields, up to a hyphen.
    const std::string_view word = TakeWord(line);
    if (word.empty()) return std::nullopt;
    if (word == "-") break;
  }
  mount.type = Unescaped(TakeWord(line));
  mount.source = Unescaped(TakeWord(line));
  mount.super_options = TakeWord(line);
  if (!mount.point.starts_with('/') || mount.type.empty()) return std::nullopt;
  return mount;
}

// `path` below `directory`, as a path below `root`.
std::string Moved(std::string_view path, std::string_view directory, std::string_view root) {
  if (directory == "/") directory = "";
  if (root == "/") root = "";
  const std::string moved = std::string(root) + std::string(path.substr(directory.size()));
  return moved.empty() ? "/" : WithoutSlash(moved);
}

}  // namespace

std::vector<Mount> ParseMountInfo(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty() && mounts.size() < kMaxMounts) {
    if (auto mount = ParseMountLine(TakeLine(text))) mounts.push_back(*std::move(mount));
  }
  return mounts;
}

std::vector<BootMount> ParseFstab(std::string_view text) {
  std::vector<BootMount> entries;
  while (!text.empty() && entries.size() < kMaxMounts) {
    std::string_view line = TakeLine(text);
    BootMount entry;
    entry.spec = Unescaped(TakeWord(line));
    if (entry.spec.empty() || entry.spec.front() == '#') continue;
    entry.point = WithoutSlash(Unescaped(TakeWord(line)));
    entry.type = Unescaped(TakeWord(line));
    entry.options = Unescaped(TakeWord(line));
    // "none" and "swap" are mounted nowhere.
    if (entry.point.starts_with('/')) entries.push_back(std::move(entry));
  }
  return entries;
}

std::optional<BootMount> ParseMountUnit(std::string_view text) {
  BootMount entry;
  entry.unit = true;
  bool mount = false;
  while (!text.empty()) {
    std::string_view line = TakeLine(text);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
    if (line.starts_with('[')) mount = line == "[Mount]";
    const size_t equals = line.find('=');
    if (!mount || equals == std::string_view::npos) continue;
    const std::string value(line.substr(equals + 1));
    const std::string_view key = line.substr(0, equals);
    if (key == "Where") entry.point = WithoutSlash(value);
    if (key == "What") entry.spec = value;
    if (key == "Type") entry.type = value;
    if (key == "Options") entry.options = value;
  }
  if (!entry.point.starts_with('/')) return std::nullopt;
  return entry;
}

bool IsBelow(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.starts_with('/');
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

bool HasOption(std::string_view options, std::string_view option) {
  while (!options.empty()) {
    const size_t end = std::min(options.find(','), options.size());
    if (options.substr(0, end) == option) return true;
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  return false;
}

const Mount* MountOf(const std::vector<Mount>& mounts, std::string_view path) {
  const Mount* best = nullptr;
  for (const Mount& mount : mounts) {  // Of those at one place, the last one is on top.
    if (mount.type == "autofs" || !IsBelow(path, mount.point)) continue;
    if (best == nullptr || mount.point.size() >= best->point.size()) best = &mount;
  }
  return best;
}

bool IsEcho(const std::vector<Mount>& mounts, const Mount& mount) {
  if (mount.point == "/") return false;
  const size_t slash = mount.point.rfind('/');
  const std::string_view above =
      slash == 0 ? std::string_view("/") : std::string_view(mount.point).substr(0, slash);
  const Mount* parent = MountOf(mounts, above);
  return parent != nullptr && parent->major == mount.major && parent->minor == mount.minor &&
         mount.root == Moved(mount.point, parent->point, parent->root);
}

const Mount* RealMountOf(const std::vector<Mount>& mounts, std::string_view path) {
  std::string at(path);
  while (true) {
    const Mount* mount = MountOf(mounts, at);
    if (mount == nullptr || !IsEcho(mounts, *mount)) return mount;
    const size_t slash = mount->point.rfind('/');  // Nearer to "/" with each turn.
    at = slash == 0 ? "/" : mount->point.substr(0, slash);
  }
}

const BootMount* BootMountOf(const std::vector<BootMount>& entries, std::string_view path) {
  const BootMount* best = nullptr;
  for (const BootMount& entry : entries) {
    if (entry.point == "/" || !IsBelow(path, entry.point)) continue;
    if (best == nullptr || entry.point.size() > best->point.size()) best = &entry;
  }
  return best;
}

}  // namespace lookback::doctor
