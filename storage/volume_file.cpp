#include "storage/volume_file.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "storage/data_directory.h"
#include "storage/store.h"

namespace lookback::storage {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxFileBytes = 1 << 20;

// Reads `path` and checks its format, which stands first in time: a newer file may differ in all
// else.
Result<json> ReadJson(FileSystem& files, const std::string& path, uint32_t newest) {
  LB_TRY_ASSIGN(bytes, ReadFile(files, path, kMaxFileBytes));
  json parsed = json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return Fail(Code::kCorrupt, path + " is not a JSON object");
  const auto format = parsed.find("format");
  if (format == parsed.end() || !format->is_number_unsigned()) {
    return Fail(Code::kCorrupt, path + " does not tell its format");
  }
  if (format->get<uint64_t>() > newest) {
    return Fail(Code::kUnsupported,
                path + " has format " + std::to_string(format->get<uint64_t>()) +
                    "; this program knows formats up to " + std::to_string(newest));
  }
  return parsed;
}

Result<Uuid> UuidOf(const json& object, const char* key, const std::string& path) {
  const auto value = object.find(key);
  if (value != object.end() && value->is_string()) {
    if (auto uuid = Uuid::Parse(value->get_ref<const std::string&>())) return *uuid;
  }
  return Fail(Code::kCorrupt, path + " has no good \"" + std::string(key) + "\"");
}

Result<uint64_t> NumberOf(const json& object, const char* key, uint64_t most,
                          const std::string& path) {
  const auto value = object.find(key);
  if (value != object.end() && value->is_number_unsigned() && value->get<uint64_t>() <= most) {
    return value->get<uint64_t>();
  }
  return Fail(Code::kCorrupt, path + " has no good \"" + std::string(key) + "\"");
}

// A volume below the data directory is kept by its path from there, so that the directory can be
// moved as one. `path` is that of store.json.
std::string DataOf(const std::string& path) {
  return AbsolutePath(std::filesystem::path(path).parent_path().string());
}
std::string RootFromData(const std::string& data, const std::string& root) {
  return root.starts_with(data + "/") ? root.substr(data.size() + 1) : root;
}
std::string AbsoluteRoot(const std::string& data, const std::string& root) {
  return root.starts_with("/") ? root : AbsolutePath(JoinPath(data, root));
}

Status WriteJson(FileSystem& files, const std::string& path, const json& object) {
  // Roots are file names, which need not be UTF-8.
  const std::string text = object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  return WriteFileDurably(files, path, AsBytes(text));
}

}  // namespace

Result<VolumeFile> ReadVolumeFile(FileSystem& files, const std::string& path) {
  LB_TRY_ASSIGN(object, ReadJson(files, path, kVolumeFormatVersion));
  LB_TRY_ASSIGN(store, UuidOf(object, "store", path));
  LB_TRY_ASSIGN(volume, UuidOf(object, "volume", path));
  return VolumeFile{store, volume};
}

Status WriteVolumeFile(FileSystem& files, const std::string& path, const VolumeFile& file) {
  return WriteJson(files, path,
                   json{{"format", kVolumeFormatVersion},
                        {"store", file.store.text()},
                        {"volume", file.volume.text()}});
}

Result<StoreFile> ReadStoreFile(FileSystem& files, const std::string& path) {
  LB_TRY_ASSIGN(object, ReadJson(files, path, kStoreFormatVersion));
  StoreFile file;
  LB_TRY_ASSIGN(store, UuidOf(object, "store", path));
  LB_TRY_ASSIGN(epoch, NumberOf(object, "epoch", UINT32_MAX, path));
  LB_TRY_ASSIGN(marked, NumberOf(object, "marked_epoch", UINT32_MAX, path));
  LB_TRY_ASSIGN(mark, NumberOf(object, "ledger_mark", UINT64_MAX, path));
  file.store = store;
  file.epoch = static_cast<uint32_t>(epoch);
  file.marked_epoch = static_cast<uint32_t>(marked);
  file.ledger_mark = mark;
  const auto volumes = object.find("volumes");
  if (volumes == object.end() || !volumes->is_array()) {
    return Fail(Code::kCorrupt, path + " has no good \"volumes\"");
  }
  const std::string data = DataOf(path);
  for (const json& entry : *volumes) {
    if (!entry.is_object() || !entry.contains("root") || !entry["root"].is_string()) {
      return Fail(Code::kCorrupt, path + " has a volume without a root");
    }
    LB_TRY_ASSIGN(id, UuidOf(entry, "id", path));
    file.volumes.push_back({AbsoluteRoot(data, entry["root"].get_ref<const std::string&>()), id,
                            entry.value("draining", json()) == json(true)});
  }
  if (const auto removed = object.find("removed"); removed != object.end()) {
    for (const json& root : *removed) {
      if (!root.is_string()) return Fail(Code::kCorrupt, path + " has no good \"removed\"");
      file.removed.push_back(AbsoluteRoot(data, root.get_ref<const std::string&>()));
    }
  }
  if (const auto used_by = object.find("used_by"); used_by != object.end()) {
    if (!used_by->is_string()) return Fail(Code::kCorrupt, path + " has no good \"used_by\"");
    file.last_use = {used_by->get<std::string>(), object.value("closed", json()) == json(true)};
  }
  return file;
}

Status WriteStoreFile(FileSystem& files, const std::string& path, const StoreFile& file) {
  json volumes = json::array();
  const std::string data = DataOf(path);
  for (const auto& volume : file.volumes) {
    volumes.push_back({{"root", RootFromData(data, volume.root)}, {"id", volume.id.text()}});
    if (volume.draining) volumes.back()["draining"] = true;
  }
  json object{
      {"format", kStoreFormatVersion},     {"store", file.store.text()},      {"epoch", file.epoch},
      {"marked_epoch", file.marked_epoch}, {"ledger_mark", file.ledger_mark}, {"volumes", volumes}};
  for (const std::string& root : file.removed) {
    object["removed"].push_back(RootFromData(data, root));
  }
  if (!file.last_use.version.empty()) {
    object["used_by"] = file.last_use.version;
    object["closed"] = file.last_use.closed;
  }
  return WriteJson(files, path, object);
}

}  // namespace lookback::storage
