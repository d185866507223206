// From the machine to facts.

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/file_system.h"
#include "doctor/facts.h"
#include "doctor/service.h"

namespace lookback::doctor {
namespace {

constexpr size_t kMaxTableBytes = 8 << 20;
constexpr size_t kMaxSmallBytes = 64 << 10;
constexpr size_t kMaxUnits = 1'000;
constexpr size_t kMaxEntries = 1'000;  // Of a directory that is looked through.
constexpr size_t kMaxStrange = 3;      // As many are named.
constexpr size_t kMaxSlaves = 64;
constexpr int kMaxDepth = 8;  // Of arrays on volumes on encrypted partitions.

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

class Gatherer {
 public:
  Gatherer(const Question& question, Machine& machine) : question_(question), machine_(machine) {}

  Facts Gather() {
    facts_.server = question_.server;
    ReadTables();
    ReadSystem();
    ReadService();
    AddPlace(question_.data, /*data=*/true, nullptr);
    for (const Question::Volume& volume : question_.volumes) AddPlace(volume.root, false, &volume);
    ReadSecrets();
    ReadBackup();
    ReadMemory();
    facts_.open_files = machine_.OpenFilesLimit();
    AskDisks();
    return std::move(facts_);
  }

 private:
  void ReadTables() {
    const auto mounts = machine_.ReadText("/proc/self/mountinfo", kMaxTableBytes);
    if (mounts) mounts_ = ParseMountInfo(*mounts);
    if (!mounts) facts_.mounts_trouble = mounts.message();
    const auto fstab = machine_.ReadText("/etc/fstab", kMaxTableBytes);
    if (fstab) boot_ = ParseFstab(*fstab);
    if (!fstab && fstab.code() != Code::kNotFound) facts_.boot_trouble = fstab.message();
    for (const char* directory : {"/etc/systemd/system", "/usr/lib/systemd/system"}) {
      const auto names = machine_.List(directory, kMaxUnits);
      if (!names) continue;
      for (const std::string& name : *names) {
        if (!name.ends_with(".mount")) continue;
        const auto text = machine_.ReadText(JoinPath(directory, name), kMaxSmallBytes);
        if (!text) continue;
        if (auto unit = ParseMountUnit(*text)) boot_.push_back(*std::move(unit));
      }
    }
  }

  // What the system itself is on: footage there fills it, and dies with it.
  void ReadSystem() {
    const Mount* root = MountOf(mounts_, "/");
    facts_.container = root != nullptr && root->type == "overlay";
    for (const char* path : {"/", "/usr", "/var"}) {
      if (const auto node = machine_.Look(path)) facts_.system_devices.insert(node->device);
      const Mount* mount = MountOf(mounts_, path);
      if (mount != nullptr) AddDisks(*mount, facts_.system_disks, nullptr);
    }
  }

  void ReadService() {
    facts_.own_uid = machine_.UserId();
    facts_.own_user = machine_.UserName(facts_.own_uid);
    const Service service = ServiceOf(machine_, question_.data, question_.config);
    service_ = question_.server || service.guessed ? OwnUser(machine_) : service.user;
    facts_.service_uid = service_.uid;
    facts_.service_user = service_.name;
  }

  void AddPlace(const std::string& root, bool data, const Question::Volume* volume) {
    Place place;
    place.data = data;
    place.root = root;
    place.known = volume != nullptr && volume->known;
    if (volume != nullptr) place.busy_share = volume->busy_share;
    if (volume != nullptr && !volume->failed.empty()) {
      place.failed = place.trouble = volume->failed;
    } else if (volume != nullptr && !volume->skip.empty()) {
      place.trouble = volume->skip;
    } else {
      LookAt(place);
    }
    facts_.places.push_back(std::move(place));
  }

  void LookAt(Place& place) {
    auto real = machine_.RealPath(place.root);
    place.there = real.has_value();
    if (!real && real.code() != Code::kNotFound) {
      place.trouble = real.message();
      return;
    }
    for (std::string above = place.root; !real && above != "/";) {
      above = Parent(above);
      real = machine_.RealPath(above);
    }
    place.real = real ? *real : "/";
    LookAtMount(place);
    const auto node = machine_.Look(place.real);
    const auto space = machine_.SpaceOf(place.real);
    if (!node || !space) {
      place.trouble = !node ? node.message() : space.message();
      return;
    }
    place.node = *node;
    place.space = *space;
    if (!place.there) return;
    const char* const identity = place.data ? "store.json" : "volume.json";
    place.has_identity = machine_.Look(JoinPath(place.real, identity)).has_value();
    place.writable = machine_.May(service_, place.real, Access::kWriteAndEnter);
    LookAtOwners(place);
  }

  void LookAtMount(Place& place) {
    // A link that leads to a disk that is away leads nowhere: then the name itself is looked for.
    const BootMount* boot = BootMountOf(boot_, place.there ? place.real : place.root);
    if (boot != nullptr) {
      place.boot = *boot;
      const Mount* on = MountOf(mounts_, boot->point);
      place.boot_mounted = on != nullptr && on->point == boot->point &&
                           (HasOption(boot->options, "bind") || !IsEcho(mounts_, *on));
    }
    const Mount* mount = RealMountOf(mounts_, place.real);
    if (mount == nullptr) return;
    place.mount = *mount;
    AddDisks(*mount, place.disks, &place);
    const auto errors = machine_.ReadText(
        fmt::format("/sys/fs/{}/{}/errors_count", mount->type, DeviceName(*mount)), kMaxSmallBytes);
    if (!errors) return;
    std::from_chars(errors->data(), errors->data() + errors->size(), place.file_system_errors);
  }

  // "sda1", "dm-0"; empty where it is on no block device that is known.
  std::string DeviceName(const Mount& mount) { return BaseName(DevicePath(mount)); }
  std::string DevicePath(const Mount& mount) {
    if (mount.major != 0) {
      const auto path =
          machine_.RealPath(fmt::format("/sys/dev/block/{}:{}", mount.major, mount.minor));
      return path ? *path : "";
    }
    if (!mount.source.starts_with("/dev/")) return "";
    const auto path = machine_.RealPath("/sys/class/block/" + BaseName(mount.source));
    return path ? *path : "";
  }

  // `place`: what is on them, if it is to learn of its image.
  void AddDisks(const Mount& mount, std::set<std::string>& disks, Place* place,
                int depth = kMaxDepth) {
    const std::string path = DevicePath(mount);
    if (!path.empty()) AddDisks(path, disks, place, depth);
  }

  void AddDisks(const std::string& path, std::set<std::string>& disks, Place* place, int depth) {
    if (machine_.Look(JoinPath(path, "partition"))) {
      return AddDisks(Parent(path), disks, place, depth - 1);
    }
    if (depth > 0 && AddDisksOfImage(path, disks, place, depth)) return;
    const auto slaves = machine_.List(JoinPath(path, "slaves"), kMaxSlaves);
    if (depth > 0 && slaves && !slaves->empty()) {
      for (const std::string& name : *slaves) {
        const auto slave = machine_.RealPath("/sys/class/block/" + name);
        if (slave) AddDisks(*slave, disks, place, depth - 1);
      }
      return;
    }
    const std::string name = BaseName(path);
    disks.insert(name);
    Disk& disk = facts_.disks[name];
    constexpr std::array<std::string_view, 5> kVirtual = {"vd", "xvd", "loop", "nbd", "zram"};
    disk.is_virtual = std::any_of(kVirtual.begin(), kVirtual.end(), [&name](std::string_view each) {
      return name.starts_with(each);
    });
    const auto turns = machine_.ReadText(JoinPath(path, "queue/rotational"), kMaxSmallBytes);
    disk.rotational = !disk.is_virtual && turns && turns->starts_with('1');
  }

  // A loop device is on the disks of the file that it shows.
  bool AddDisksOfImage(const std::string& path, std::set<std::string>& disks, Place* place,
                       int depth) {
    auto image = machine_.ReadText(JoinPath(path, "loop/backing_file"), kMaxSmallBytes);
    if (!image) return false;
    while (image->ends_with('\n')) image->pop_back();
    const auto node = machine_.Look(*image);
    const Mount* mount = node ? RealMountOf(mounts_, *image) : nullptr;
    if (mount == nullptr) return false;  // It is in a place that cannot be seen from here.
    if (place != nullptr) {
      place->image = *image;
      place->image_device = node->device;
    }
    AddDisks(*mount, disks, nullptr, depth - 1);
    return true;
  }

  // Files that a command of another user left, as root's do: the service stumbles over them.
  void LookAtOwners(Place& place) {
    if (facts_.service_uid == 0) return;
    std::vector<std::string> directories = {place.real};
    if (place.data) {
      for (const char* name : {"secrets", "ledger", "catalog", "snapshots", "pictures"}) {
        directories.push_back(JoinPath(place.real, name));
      }
    } else {
      directories.push_back(JoinPath(place.real, "v1"));
      directories.push_back(JoinPath(place.real, "v1/ledger"));
    }
    for (const std::string& directory : directories) {
      const auto names = machine_.List(directory, kMaxEntries);
      if (!names) continue;
      for (const std::string& name : *names) {
        const std::string path = JoinPath(directory, name);
        const auto node = machine_.Look(path);
        // mkfs makes that one, and it is root's.
        const bool ours = !node || node->uid == facts_.service_uid || name == "lost+found";
        if (!ours && place.strange.size() < kMaxStrange) place.strange.push_back(path);
      }
    }
    const auto cameras = machine_.List(JoinPath(place.real, "v1"), kMaxEntries);
    if (cameras) facts_.streams = std::max<uint64_t>(facts_.streams, cameras->size());
  }

  void ReadSecrets() {
    std::vector<std::string> paths = question_.secrets;
    const std::string directory = JoinPath(question_.data, "secrets");
    const auto names = machine_.List(directory, kMaxEntries);
    if (!names && names.code() != Code::kNotFound) facts_.secrets_trouble = names.message();
    if (names) {
      for (const std::string& name : *names) paths.push_back(JoinPath(directory, name));
    }
    for (const std::string& path : paths) {
      const auto node = machine_.Look(path);
      if (!node) continue;
      SecretFile secret{path, node->mode, true, true};
      for (std::string above = path; above != "/";) {
        above = Parent(above);
        const auto directory_node = machine_.Look(above);
        if (directory_node && (directory_node->mode & 001) == 0) secret.others_come_in = false;
        if (directory_node && (directory_node->mode & 010) == 0) secret.group_comes_in = false;
      }
      facts_.secrets.push_back(std::move(secret));
    }
  }

  void ReadBackup() {
    const std::string path = JoinPath(question_.data, "last-backup.json");
    const auto text = machine_.ReadText(path, kMaxSmallBytes);
    BackupFacts& backup = facts_.backup;
    if (!text && text.code() != Code::kNotFound) backup.trouble = text.message();
    if (!text) return;
    const auto note = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    const auto word = [&note](const char* name) {
      const bool there = note.is_object() && note.contains(name) && note[name].is_string();
      return there ? note[name].get<std::string>() : std::string();
    };
    const auto at = ParseTime(word("time"));
    if (!at) {
      backup.trouble = path + " has no good \"time\"";
      return;
    }
    backup.at_us = *at;
    backup.path = word("backup");
  }

  void ReadMemory() {
    const auto all = machine_.MemoryBytes();
    if (!all) facts_.memory_trouble = all.message();
    if (all) facts_.memory_bytes = *all;
    // Of the control group, version 2: "0::/system.slice/lookback.service".
    const auto group = machine_.ReadText("/proc/self/cgroup", kMaxSmallBytes);
    if (group && group->starts_with("0::/")) {
      const std::string path = group->substr(3, group->find('\n') - 3);
      const auto limit = machine_.ReadText("/sys/fs/cgroup" + path + "/memory.max", kMaxSmallBytes);
      uint64_t bytes = 0;
      if (limit &&
          std::from_chars(limit->data(), limit->data() + limit->size(), bytes).ec == std::errc()) {
        facts_.memory_bytes = std::min(facts_.memory_bytes, bytes);
      }
    }
    const auto info = machine_.ReadText("/proc/meminfo", kMaxSmallBytes);
    constexpr std::string_view kAvailable = "MemAvailable:";
    const size_t at = info ? info->find(kAvailable) : std::string::npos;
    if (at == std::string::npos) return;
    const char* digits = info->data() + at + kAvailable.size();
    while (*digits == ' ') ++digits;
    uint64_t kib = 0;
    std::from_chars(digits, info->data() + info->size(), kib);
    facts_.available_bytes = kib << 10;
  }

  void AskDisks() {
    for (auto& [name, disk] : facts_.disks) {
      if (disk.is_virtual) {
        disk.health_trouble = "it is a virtual disk, and its host alone knows";
        continue;
      }
      if (!question_.no_smart.empty()) {
        disk.health_trouble = question_.no_smart;
        continue;
      }
      const auto text = machine_.AskSmart(name);
      if (!text) {
        disk.health_trouble = text.message();
        continue;
      }
      auto health = ParseSmart(*text);
      if (!health) {
        disk.health_trouble = health.message();
      } else if (!health->known()) {
        disk.health_trouble = health->message.empty() ? "it tells nothing" : health->message;
      } else {
        disk.health = *std::move(health);
      }
    }
  }

  const Question& question_;
  Machine& machine_;
  Facts facts_;
  std::vector<Mount> mounts_;
  std::vector<BootMount> boot_;
  User service_;
};

}  // namespace

bool StoreRuns(const std::string& data, Machine& machine) {
  const auto node = machine.Look(JoinPath(data, "lock"));
  const auto locks = machine.ReadText("/proc/locks", kMaxTableBytes);
  if (!node || !locks) return false;
  const std::string file =
      fmt::format(" {:02x}:{:02x}:{} ", major(node->device), minor(node->device), node->inode);
  return locks->find(file) != std::string::npos;
}

Facts GatherFacts(const Question& question, Machine& machine) {
  return Gatherer(question, machine).Gather();
}

}  // namespace lookback::doctor
