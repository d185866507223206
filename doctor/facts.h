// doctor/facts.h: what the checks judge: the machine as it is, and what only the owner of a store
// knows of it.
//
// Invariant: what could not be looked at says why in a `trouble`, and what it would have told is
//            empty.
// Threads:   values.
// Errors:    none.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "doctor/finding.h"
#include "doctor/machine.h"
#include "doctor/mounts.h"
#include "doctor/smart.h"

namespace lookback::doctor {

// Bytes a second, as measured just now.
struct Speed {
  double write = 0;
  double read = 0;
};

// A disk as a whole, of which partitions and arrays are made.
struct Disk {
  bool rotational = false;
  bool is_virtual = false;  // It knows neither its platters nor its health.
  std::optional<SmartHealth> health;
  std::string health_trouble;
};

// The data directory, or a volume.
struct Place {
  bool data = false;
  std::string root;
  std::string real;    // Without symbolic links; the nearest directory above that is there.
  bool there = false;  // It exists.
  bool known = false;  // The store has recorded on it: it has to have its volume.json.
  bool has_identity = false;
  std::string trouble;  // Why it cannot be looked at.
  std::string failed;   // Why the server gave it up, and does not touch it; empty: it did not.
  Node node;
  FileSystemSpace space;
  bool writable = false;             // For the service's user.
  std::vector<std::string> strange;  // Files of another owner, some.
  std::optional<Mount> mount;        // What it is on; a sandbox's echoes left out.
  std::optional<BootMount> boot;     // What is to be mounted there, or above,
  bool boot_mounted = false;         // and whether it is.
  std::set<std::string> disks;       // Those that it is on, as in /sys/block.
  std::string image;                 // The file that its loop device shows; empty: there is none,
  uint64_t image_device = 0;         // and the st_dev of that file.
  uint64_t file_system_errors = 0;   // That ext4 has on record.
  std::optional<Speed> speed;
  std::string speed_trouble;
  std::optional<double> busy_share;  // Of the time since the start that its writer took for calls.

  // What stands there is not what should: its disk is not mounted.
  bool missing() const { return (boot && !boot_mounted) || (known && !(there && has_identity)); }
};

struct SecretFile {
  std::string path;
  uint32_t mode = 0;
  bool group_comes_in = false;  // By the directories above it.
  bool others_come_in = false;
};

struct CertificateFacts {
  std::string path;
  std::string trouble;  // Why the files are of no use.
  std::optional<TimeUs> expires_us;
};

// A stream that is to be recorded, as the server sees it.
struct CameraFacts {
  std::string id;  // "gate", "gate/sub"
  bool recording = false;
  int64_t recording_us = 0;  // Since when.
  int64_t gop_us = 0;        // 0: none was whole yet.
  double lost_share = 0;
  bool udp = false;
  double frames_per_second = 0;
  double declared_frames_per_second = 0;
  bool timed_by_arrival = false;
  std::optional<int64_t> clock_offset_us;
  bool h265_alone = false;  // A main stream in H.265 without a sub stream beside it.
};

struct PromiseFacts {
  TimeUs breaks_us = 0;   // 0: all are kept.
  TimeUs stops_us = 0;    // When recording stops on a volume; 0: not foreseen.
  size_t unmeasured = 0;  // Cameras of which it is not known yet how much they record.
  std::string sentence;
};

// What the data directory says of the last `lookback backup`.
struct BackupFacts {
  TimeUs at_us = 0;  // 0: none is on record.
  std::string path;
  std::string trouble;  // Why that cannot be read.
};

struct Facts {
  TimeUs now_us = 0;
  bool server = false;  // The server looks at itself: it knows cameras, and runs sandboxed.
  bool clock_synchronised = false;
  bool container = false;  // Its root is an overlay: who starts it makes its mounts.
  std::string mounts_trouble;
  std::string boot_trouble;
  std::set<uint64_t> system_devices;
  std::set<std::string> system_disks;
  std::vector<Place> places;  // The data directory first.
  std::map<std::string, Disk> disks;
  uint32_t service_uid = 0;
  std::string service_user;
  uint32_t own_uid = 0;
  std::string own_user;
  uint64_t open_files = 0;  // The hard limit.
  uint64_t streams = 0;     // That are recorded, or were.
  uint64_t connections = 0;
  std::optional<CertificateFacts> certificate;
  BackupFacts backup;
  std::vector<SecretFile> secrets;
  std::string secrets_trouble;
  uint64_t memory_bytes = 0;  // What there is, or what its control group may have.
  std::string memory_trouble;
  std::optional<uint64_t> available_bytes;
  std::vector<CameraFacts> cameras;
  std::optional<PromiseFacts> promises;
  std::vector<Library> libraries;
};

// What of it the owner of the store says.
struct Question {
  std::string data;    // Absolute, as the roots are.
  std::string config;  // The file of the settings, where they are of one.
  struct Volume {
    std::string root;
    bool known = false;
    std::string skip;  // Why it is not to be touched; empty: it may.
    std::optional<double> busy_share;
    std::string failed{};  // Why it was given up, and is not to be touched either.
  };
  std::vector<Volume> volumes;
  bool server = false;
  std::string no_smart;              // Why disks are not asked for their health; empty: they are.
  std::vector<std::string> secrets;  // Files besides those in the data directory.
};

// Looks at the machine. What only the owner knows (cameras, promises, the certificate, the clock)
// is left as it is by default.
Facts GatherFacts(const Question& question, Machine& machine);

// Whether a server has the store: by the kernel's list of locks, for trying would be in its way.
bool StoreRuns(const std::string& data, Machine& machine);

// What is wrong by these facts, the worst first. Pure.
Report Examine(const Facts& facts);

}  // namespace lookback::doctor
