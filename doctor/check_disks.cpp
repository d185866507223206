// Space, speed and health of the disks.

#include <fmt/format.h>

#include <algorithm>

#include "base/words.h"
#include "doctor/checks.h"

namespace lookback::doctor {
namespace {

std::string Megabytes(double bytes) { return fmt::format("{:.0f} MB/s", bytes / 1e6); }

void CheckPlaceSpace(const Place& place, bool shared, const Tell& tell) {
  const FileSystemSpace& space = place.space;
  const std::string free = fmt::format("{} of {} are free", FormatBytes(space.free_bytes),
                                       FormatBytes(space.total_bytes));
  if (!place.data && space.free_bytes < space.total_bytes / kLowShare) {
    tell({"space", Severity::kError, place.root,
          free + ", less than retention keeps free: it cannot keep up, may delete no more, or "
                 "something else fills the disk",
          fmt::format("`lookback retention forecast` and `lookback hold list`; `du -xh -d1 {}` "
                      "shows what else is there; `lookback volume add` one more disk",
                      place.root)});
  }
  const bool low = space.free_bytes < space.total_bytes / kDataLowShare ||
                   space.free_bytes < std::min(kDataLowBytes, space.total_bytes / 2);
  if (place.data && !shared && low) {
    const bool out = space.free_bytes < space.total_bytes / kLowShare;
    tell({"space", out ? Severity::kError : Severity::kWarning, place.root,
          free + ": without space for ledger and catalog recording stops, and snapshots already do",
          fmt::format("`du -xh -d1 {}`: take away what does not belong there, or move it to a "
                      "larger disk",
                      place.root)});
  }
  if (space.inodes == 0 || space.free_inodes >= space.inodes / kInodesLowShare) return;
  const bool out = space.free_inodes < space.inodes / kLowShare;
  tell({"inodes", out ? Severity::kError : Severity::kWarning, place.root,
        fmt::format("{} of {} inodes are free: without one no file can be made, whatever the space",
                    space.free_inodes, space.inodes),
        fmt::format("`du --inodes -xd2 {}` shows where they are; make the file system anew with "
                    "more (`mkfs.ext4 -T largefile` has too few for the data directory), or XFS",
                    place.root)});
}

void CheckSpeed(const Facts& facts, const Place& place, const Tell& tell) {
  if (place.busy_share && *place.busy_share > kBusyShare) {
    tell({"disk-speed", Severity::kWarning, place.root,
          fmt::format("it was busy with writing {:.0f} % of the time: one more camera, or one slow "
                      "sector, and footage is dropped",
                      *place.busy_share * 100),
          "`iostat -x 5`: who else uses it? `lookback volume add` a further disk"});
  }
  if (facts.server && !place.busy_share) {
    tell({"disk-speed", Severity::kUnknown, place.root,
          "how busy it is shows when the server has run for ten minutes", "ask again later"});
  }
  if (!place.speed_trouble.empty()) {
    tell({"disk-speed", Severity::kUnknown, place.root,
          "its speed was not measured: " + place.speed_trouble,
          fmt::format("while no server runs, without `--no-speed`: `lookback doctor --data {}`",
                      facts.places.front().root)});
  }
  if (!place.speed) return;
  const double streams = static_cast<double>(facts.streams);
  const double wanted = std::max(kLeastSpeed, streams * kStreamBytesPerSecond * kSpareSpeed);
  const double slower = std::min(place.speed->write, place.speed->read);
  const std::string measured = fmt::format(
      "it writes {} and reads {}", Megabytes(place.speed->write), Megabytes(place.speed->read));
  if (slower < wanted) {
    tell({"disk-speed", Severity::kWarning, place.root,
          fmt::format("{}; {} should have {}, four times what they bring, by itself", measured,
                      Count(facts.streams, "stream"), Megabytes(wanted)),
          "is it a memory card, a network or a rebuilding array? `iostat -x 5`, `dmesg`; use "
          "another disk, or several"});
  } else {
    tell({"disk-speed", Severity::kNote, place.root,
          fmt::format("{}: enough for {} streams of 4 Mbit/s beside readers", measured,
                      static_cast<uint64_t>(slower / kSpareSpeed / kStreamBytesPerSecond)),
          "nothing has to be done"});
  }
}

void CheckHealth(const Facts& facts, const std::string& name, const Disk& disk, const Tell& tell) {
  const std::string about = "/dev/" + name;
  const std::string look = fmt::format("`smartctl -a {}`", about);
  const auto say = [&](Severity severity, std::string sentence, std::string cure) {
    tell({"disk-health", severity, about, std::move(sentence), std::move(cure)});
  };
  if (!disk.health) {
    const bool missing = disk.health_trouble.find("not installed") != std::string::npos;
    const std::string ask = facts.server ? fmt::format(
                                               "as root: `lookback doctor --data {} "
                                               "--no-speed`",
                                               facts.places.front().root)
                                         : "as root: " + look;
    return say(Severity::kUnknown, "its health is not known: " + disk.health_trouble,
               disk.is_virtual ? "look at the disks of the host"
               : missing       ? "`apt install smartmontools`"
                               : ask);
  }
  const SmartHealth& health = *disk.health;
  if (health.passed && !*health.passed) {
    say(Severity::kError, "it says itself that it is about to fail",
        look + "; `lookback volume drain` what is on it, and replace it now");
  }
  const uint64_t unreadable = health.pending.value_or(0) + health.uncorrectable.value_or(0) +
                              health.media_errors.value_or(0);
  if (unreadable > 0) {
    say(Severity::kWarning, Count(unreadable, "sector") + " could not be read",
        look + "; `lookback scrub --now` says what that costs; plan to replace it");
  }
  if (const uint64_t count = health.reallocated.value_or(0); count > 0) {
    say(Severity::kWarning, fmt::format("it has replaced {}", Count(count, "bad sector")),
        look + "; replace it if the number grows");
  }
  if (health.used_percent.value_or(0) >= kUsedPercent) {
    say(Severity::kWarning,
        fmt::format("{} % of the life that its maker reckons with are used", *health.used_percent),
        "replace it before it wears out");
  }
}

bool SharesWithVolume(const Facts& facts, const Place& data) {
  for (const Place& place : facts.places) {
    if (!place.data && place.there && place.node.device == data.node.device) return true;
  }
  return false;
}

void CheckPromises(const Facts& facts, const Tell& tell) {
  const auto say = [&](Severity severity, std::string sentence, std::string cure) {
    tell({"promises", severity, "", std::move(sentence), std::move(cure)});
  };
  if (!facts.server) {
    return say(Severity::kUnknown, "which of them breaks a running server alone knows",
               "once it runs: `lookback retention forecast`");
  }
  if (!facts.promises) {
    return say(Severity::kUnknown, "no forecast was made yet",
               "one is made with the first round of retention: look again in a minute");
  }
  const PromiseFacts& promises = *facts.promises;
  const auto within = [&](TimeUs time_us, int64_t span_us) {
    return time_us > 0 && time_us - facts.now_us < span_us;
  };
  const bool foreseen = promises.breaks_us > 0 || promises.stops_us > 0;
  if (!foreseen && promises.unmeasured > 0) {
    return say(Severity::kUnknown, promises.sentence, "look again when some minutes are recorded");
  }
  if (!foreseen) return;
  const bool stops = within(promises.stops_us, kStopForewarningUs);
  const bool soon = within(promises.breaks_us, kPromiseForewarningUs);
  say(stops  ? Severity::kError
      : soon ? Severity::kWarning
             : Severity::kNote,
      promises.sentence,
      "`lookback retention forecast` says how much space is missing: add a volume, or change "
      "policies or bitrates");
}

}  // namespace

void CheckSpace(const Facts& facts, const Tell& tell) {
  for (const Place& place : facts.places) {
    if (!place.trouble.empty() || place.missing() || place.space.total_bytes == 0) continue;
    CheckPlaceSpace(place, place.data && SharesWithVolume(facts, place), tell);
  }
  CheckPromises(facts, tell);
}

void CheckDisks(const Facts& facts, const Tell& tell) {
  for (const Place& place : facts.places) {
    if (!place.trouble.empty() || place.missing()) continue;
    if (!place.data) CheckSpeed(facts, place, tell);
    if (place.mount && HasOption(place.mount->super_options, "ro")) {
      tell({"disk-health", Severity::kError, place.root,
            "its file system is read-only, as the kernel makes one that has errors",
            "`dmesg`; unmount it, `fsck`, mount it again"});
    }
    if (place.file_system_errors == 0) continue;
    tell({"disk-health", Severity::kWarning, place.root,
          fmt::format("its file system has {} on record", Count(place.file_system_errors, "error")),
          "`dmesg`; unmount it and run `fsck -f`"});
  }
  for (const auto& [name, disk] : facts.disks) CheckHealth(facts, name, disk, tell);
}

}  // namespace lookback::doctor
