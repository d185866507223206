// Which disk is where, and whether it will be after the machine starts again.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "doctor/checks.h"

namespace lookback::doctor {
namespace {

constexpr std::array<std::string_view, 3> kInMemory = {"tmpfs", "ramfs", "devtmpfs"};
constexpr std::array<std::string_view, 7> kRemote = {"nfs",  "nfs4", "cifs",     "smb3",
                                                     "ceph", "9p",   "glusterfs"};

template <typename List>
bool IsOneOf(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::string_view WordFor(const Place& place) { return place.data ? "data directory" : "volume"; }

// What a person types to have what `place` is on there at each start.
std::string FstabLine(const Place& place) {
  const Mount& mount = *place.mount;
  const auto line = [&mount](const std::string& spec, std::string_view options, int pass) {
    return fmt::format("`echo \"{0} {1} $(findmnt -no FSTYPE {1}) {2} 0 {3}\" >> /etc/fstab`", spec,
                       mount.point, options, pass);
  };
  if (!place.image.empty()) return line(place.image, "loop,nofail", 2);
  if (IsOneOf(kRemote, mount.type)) {
    return line(fmt::format("$(findmnt -no SOURCE {})", mount.point), "nofail,_netdev", 0);
  }
  return line(fmt::format("UUID=$(findmnt -no UUID {})", mount.point), "defaults,nofail", 2);
}

void CheckMounted(const Place& place, const Tell& tell) {
  const auto bad = [&](std::string sentence, std::string cure) {
    tell({"volume-mount", Severity::kError, place.root, std::move(sentence), std::move(cure)});
  };
  if (place.boot && !place.boot_mounted) {
    const char* by = place.boot->unit ? "a mount unit" : "/etc/fstab";
    return bad(fmt::format("{} mounts {} at {}, and nothing is mounted there: what is written goes "
                           "to the disk below",
                           by, place.boot->spec, place.boot->point),
               fmt::format("`mount {0}`; with nothing mounted, `chattr +i {0}` keeps the bare "
                           "directory empty",
                           place.boot->point));
  }
  if (place.data) return;
  if (!place.known) return;  // The first start makes it.
  if (!place.there) {
    return bad("footage was recorded here, and there is no such directory any more",
               "`findmnt` and `lsblk -f`: find the disk, make the directory, mount the disk there");
  }
  if (!place.has_identity) {
    bad("footage was recorded here, and its volume.json is gone: as a rule its disk is not mounted",
        "`findmnt` and `lsblk -f`: find the disk, and mount it there; it is taken back by itself");
  }
}

void CheckKind(const Place& place, const Tell& tell) {
  if (!place.mount) return;
  const std::string& type = place.mount->type;
  const auto bad = [&](Severity severity, std::string sentence, std::string cure) {
    tell({"file-system", severity, place.root, std::move(sentence), std::move(cure)});
  };
  if (IsOneOf(kInMemory, type)) {
    bad(Severity::kError,
        fmt::format("the {} is in memory ({}): a restart of the machine loses all of it",
                    WordFor(place), type),
        "mount a real disk with XFS or ext4 there (docs/operations.md#disks)");
  } else if (type == "overlay") {
    bad(Severity::kError,
        fmt::format("the {} is inside of the container's own image (overlay), and goes with it",
                    WordFor(place)),
        "mount a directory of the host there, as by `docker run -v`");
  } else if (IsOneOf(kRemote, type) || type == "fuse" || type.starts_with("fuse.") ||
             type == "fuseblk") {
    bad(Severity::kWarning,
        fmt::format("the {} is on {}: what is said to be synced may not be on a disk, and the "
                    "network or a helper stops recording",
                    WordFor(place), type),
        "use a disk of this machine, with XFS or ext4");
  }
}

void CheckOwnDisk(const Facts& facts, const Place& place, const Tell& tell) {
  if (place.data) return;
  if (facts.system_devices.contains(place.node.device)) {
    tell(
        {"volume-own-disk", Severity::kWarning, place.root,
         "the volume is on the system's own file system: footage fills it up to the brim, and logs "
         "and programs want space there too",
         "mount a disk for footage alone (docs/operations.md#disks), `lookback volume add` it, "
         "then `lookback volume drain` this one"});
    return;
  }
  if (!place.image.empty() && facts.system_devices.contains(place.image_device)) {
    tell({"volume-own-disk", Severity::kWarning, place.root,
          fmt::format("the volume is the image {}, which lies on the system's own file system: "
                      "both share their space, their speed and their end",
                      place.image),
          "mount a disk for footage alone (docs/operations.md#disks), `lookback volume add` it, "
          "then `lookback volume drain` this one"});
    return;
  }
  for (const std::string& disk : place.disks) {
    if (!facts.system_disks.contains(disk)) continue;
    tell({"volume-own-disk", Severity::kNote, place.root,
          fmt::format("the volume is on the system's disk {}: both share its speed, and its end",
                      disk),
          "a disk of its own serves recording better"});
    return;
  }
}

// What there is to say of how it is mounted when the machine starts.
void CheckBoot(const Facts& facts, const Place& place, const Tell& tell) {
  if (!place.mount || place.mount->point == "/") return;
  if (facts.system_devices.contains(place.node.device)) return;
  // One in memory or of a container's image is not to be had anew: it has to give way to a disk.
  if (IsOneOf(kInMemory, place.mount->type) || place.mount->type == "overlay") return;
  const std::string& point = place.mount->point;
  const auto say = [&](Severity severity, std::string sentence, std::string cure) {
    tell({"mount-at-boot", severity, place.root, std::move(sentence), std::move(cure)});
  };
  if (facts.container) return;  // Who starts it makes its mounts.
  if (!facts.boot_trouble.empty()) {
    return say(Severity::kUnknown,
               "whether it is mounted at a start cannot be told: " + facts.boot_trouble,
               "look at /etc/fstab yourself");
  }
  if (!place.boot || place.boot->point != point) {
    return say(
        Severity::kWarning,
        fmt::format("{} ({}) is mounted by hand: neither /etc/fstab nor a mount unit has it, "
                    "so it will not be there after a restart of the machine",
                    point, place.mount->source),
        FstabLine(place));
  }
  if (place.boot->unit) return;
  const std::string& options = place.boot->options;
  if (HasOption(options, "noauto") && !HasOption(options, "x-systemd.automount")) {
    say(Severity::kWarning,
        fmt::format("/etc/fstab has {} with `noauto`: it is not mounted at a start", point),
        "take `noauto` out of its line in /etc/fstab");
  }
  if (!HasOption(options, "nofail")) {
    say(Severity::kWarning,
        fmt::format("/etc/fstab has {} without `nofail`: with that disk dead the whole machine "
                    "does not start",
                    point),
        fmt::format("add `nofail` to the options of {} in /etc/fstab", point));
  }
  const std::string& spec = place.boot->spec;
  if (spec.starts_with("/dev/") && !spec.starts_with("/dev/disk/") &&
      !spec.starts_with("/dev/mapper/")) {
    say(Severity::kNote,
        fmt::format("/etc/fstab names {} as {}: another disk has that name when one is added",
                    point, spec),
        fmt::format("name it by UUID: `findmnt -no UUID {}`", point));
  }
}

bool IsThere(const Place& place) {
  return place.there && place.trouble.empty() && !place.missing();
}

void CheckShared(const Facts& facts, const Tell& tell) {
  const std::vector<Place>& places = facts.places;
  for (size_t i = 0; i < places.size(); ++i) {
    for (size_t j = i + 1; j < places.size(); ++j) {
      const Place& one = places[i];
      const Place& other = places[j];
      if (!IsThere(one) || !IsThere(other)) continue;
      if (one.node.device != other.node.device) continue;
      if (one.data) {
        // On the system's disk, as on a trial, one sentence is enough.
        if (facts.system_devices.contains(one.node.device)) continue;
        tell({"data-directory", Severity::kWarning, one.root,
              fmt::format("the data directory is on the disk of the volume {}: ledger and catalog "
                          "wait for footage, and are without space when it is full",
                          other.root),
              "stop the server, move the data directory to an SSD, start it with `--data`"});
      } else {
        tell(
            {"shared-disk", Severity::kWarning, other.root,
             fmt::format("the volumes {} and {} are on one file system: they share its end, and a "
                         "held copy is worth nothing there",
                         one.root, other.root),
             fmt::format("is a disk not mounted? `findmnt {}`; else `lookback volume drain` one of "
                         "them",
                         other.root)});
      }
    }
  }
}

void CheckDataDisk(const Facts& facts, const Place& place, const Tell& tell) {
  for (const std::string& name : place.disks) {
    const auto disk = facts.disks.find(name);
    if (disk == facts.disks.end() || !disk->second.rotational) continue;
    tell({"data-directory", Severity::kNote, place.root,
          fmt::format("the data directory is on {}, which has platters: the catalog's many small "
                      "reads are slow there",
                      name),
          "an SSD serves it better; with a few cameras it does not matter"});
  }
}

}  // namespace

void CheckMounts(const Facts& facts, const Tell& tell) {
  if (!facts.mounts_trouble.empty()) {
    tell({"volume-mount", Severity::kUnknown, "",
          "what is mounted cannot be told: " + facts.mounts_trouble, "`findmnt` tells it"});
  }
  for (const Place& place : facts.places) {
    if (!place.failed.empty()) {
      tell({"volume-mount", Severity::kError, place.root,
            "the server has given it up, and records nothing there: " + place.failed,
            "`findmnt -T` it, `dmesg`, `smartctl` (docs/alarms.md#what-to-do)"});
      continue;
    }
    if (!place.trouble.empty()) {
      tell({"volume-mount", Severity::kUnknown, place.root,
            "it cannot be looked at: " + place.trouble, "`lookback volume list`, `dmesg`"});
      continue;
    }
    CheckMounted(place, tell);
    if (place.data && facts.server && !(place.there && place.has_identity)) {
      tell({"data-directory", Severity::kError, place.root,
            "it is gone from under the server: nothing goes on record",
            "mount it again or put it back; `findmnt -T` it (docs/alarms.md#what-to-do)"});
      continue;
    }
    if (place.missing()) continue;  // What is there instead is not to be judged.
    CheckKind(place, tell);
    CheckOwnDisk(facts, place, tell);
    CheckBoot(facts, place, tell);
    if (place.data) CheckDataDisk(facts, place, tell);
  }
  CheckShared(facts, tell);
}

}  // namespace lookback::doctor
