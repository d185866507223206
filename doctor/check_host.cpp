// Clock, limits, memory, libraries; owners, modes, the certificate; backups.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/words.h"
#include "doctor/checks.h"

namespace lookback::doctor {
namespace {

struct Version {
  unsigned major = 0;
  unsigned minor = 0;
};

Version ParseVersion(const std::string& text) {
  Version version;
  const char* end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, version.major);
  if (error == std::errc() && dot != end) std::from_chars(dot + 1, end, version.minor);
  return version;
}

void CheckLibraries(const Facts& facts, const Tell& tell) {
  for (const Library& library : facts.libraries) {
    const Version built = ParseVersion(library.built);
    const Version running = ParseVersion(library.running);
    const bool older = running.major == built.major && running.minor < built.minor;
    if (running.major == built.major && !older) continue;  // As a security update leaves it.
    tell({"libraries", older ? Severity::kWarning : Severity::kError, library.name,
          fmt::format("this program was built with {} and runs with {}, which nobody has tried",
                      library.built, library.running),
          "`apt full-upgrade`, or build the program on this system; `ldd $(command -v lookback)` "
          "shows which file is loaded"});
  }
}

void CheckMemory(const Facts& facts, const Tell& tell) {
  if (!facts.memory_trouble.empty()) {
    tell({"memory", Severity::kUnknown, "",
          "how much there is cannot be told: " + facts.memory_trouble, "`free -h`"});
    return;
  }
  const uint64_t wanted = kMemoryBesides + facts.streams * kMemoryAStream;
  if (facts.memory_bytes < wanted) {
    tell({"memory", Severity::kWarning, "",
          fmt::format("there are {} MB for {}, which should have {} MB: when a disk is slow its "
                      "queue is kept there",
                      facts.memory_bytes >> 20, Count(facts.streams, "stream"), wanted >> 20),
          "add memory, or raise MemoryMax= of the unit"});
  }
  if (facts.available_bytes && *facts.available_bytes < kMemoryBesides / 4) {
    tell({"memory", Severity::kWarning, "",
          fmt::format("only {} MB are left: the kernel may end the recorder to have some",
                      *facts.available_bytes >> 20),
          "`ps -eo rss,comm --sort=-rss | head`: what takes it?"});
  }
}

void CheckCertificate(const Facts& facts, const Tell& tell) {
  if (!facts.certificate) return;
  const CertificateFacts& certificate = *facts.certificate;
  const auto say = [&](Severity severity, std::string sentence, std::string cure) {
    tell({"certificate", severity, certificate.path, std::move(sentence), std::move(cure)});
  };
  const std::string renew =
      "renew it (`certbot renew`, or your authority) and replace both files: "
      "the server takes them by itself";
  if (!certificate.trouble.empty()) {
    say(Severity::kError, "the files are of no use: " + certificate.trouble,
        "put a certificate and the key that belongs to it there; `openssl x509 -noout -text -in "
        "FILE` shows what is in one");
  }
  if (!certificate.expires_us) return;
  const int64_t left_us = *certificate.expires_us - facts.now_us;
  if (left_us <= 0) {
    say(Severity::kError,
        fmt::format("the certificate expired at {}: clients refuse to connect",
                    FormatSecond(*certificate.expires_us)),
        renew);
  } else if (left_us < kCertificateForewarningUs) {
    say(Severity::kWarning,
        fmt::format("the certificate ends in {}, at {}",
                    Count(static_cast<uint64_t>(left_us / kUsPerDay), "day"),
                    FormatSecond(*certificate.expires_us)),
        renew);
  }
}

void CheckSecret(const SecretFile& secret, const Tell& tell) {
  constexpr uint32_t kOthersRead = 004;
  constexpr uint32_t kGroupReads = 040;
  const std::string cure =
      fmt::format("`chmod go= {}`, then give out new tokens and passwords", secret.path);
  const std::string mode = fmt::format("its mode is {:04o}", secret.mode);
  if ((secret.mode & kOthersRead) != 0 && secret.others_come_in) {
    tell({"secrets", Severity::kError, secret.path,
          mode + ": every user of this machine can read tokens, passwords or a key", cure});
  } else if ((secret.mode & kOthersRead) != 0) {
    tell({"secrets", Severity::kWarning, secret.path,
          mode + ": it is readable for everybody, and only the directory above keeps them out",
          fmt::format("`chmod go= {}`", secret.path)});
  } else if ((secret.mode & kGroupReads) != 0 && secret.group_comes_in) {
    tell({"secrets", Severity::kNote, secret.path, mode + ": whoever is in its group can read it",
          fmt::format("`chmod go= {}`, unless that is how the server comes to it", secret.path)});
  }
}

void CheckPlaceAccess(const Facts& facts, const Place& place, const Tell& tell) {
  const std::string own = fmt::format("`chown -R {0}: {1}`", facts.service_user, place.root);
  const auto bad = [&](Severity severity, std::string sentence, std::string cure) {
    tell({"file-access", severity, place.root, std::move(sentence), std::move(cure)});
  };
  const bool failing = place.mount && HasOption(place.mount->super_options, "ro");
  if (place.space.read_only && !failing) {
    bad(Severity::kError, "it is read-only here: nothing can be recorded",
        facts.server ? "below /srv, /mnt or /media the service may write; else `systemctl edit "
                       "lookback`: [Service] ReadWritePaths=" +
                           place.root
                     : fmt::format("`mount -o remount,rw {}`",
                                   place.mount ? place.mount->point : place.root));
  } else if (!place.writable && !failing) {
    bad(Severity::kError,
        fmt::format("{}, the service's user, may not write there", facts.service_user), own);
  }
  if (!place.strange.empty()) {
    std::string names = place.strange.front();
    for (size_t i = 1; i < place.strange.size(); ++i) names += ", " + place.strange[i];
    bad(Severity::kWarning,
        fmt::format("files there belong to another user than {}, as a command of root leaves them: "
                    "{}",
                    facts.service_user, names),
        own);
  }
}

void CheckBackup(const Facts& facts, const Tell& tell) {
  const BackupFacts& backup = facts.backup;
  const auto say = [&](Severity severity, std::string sentence) {
    tell({"backup", severity, "", std::move(sentence),
          "`lookback backup DIR` each night, to another disk "
          "(docs/operations.md#looking-after-it)"});
  };
  if (!backup.trouble.empty()) {
    return say(Severity::kUnknown,
               "when the last backup was taken is not known: " + backup.trouble);
  }
  if (backup.at_us == 0) {
    return say(Severity::kNote, "no backup of ledger and secrets was taken yet");
  }
  const int64_t age_us = facts.now_us - backup.at_us;
  if (age_us < kBackupOldUs) return;
  say(Severity::kWarning, fmt::format("the last backup is {} old, of {}: {}",
                                      Count(static_cast<uint64_t>(age_us / kUsPerDay), "day"),
                                      FormatTime(backup.at_us).substr(0, 10), backup.path));
}

}  // namespace

void CheckAccess(const Facts& facts, const Tell& tell) {
  CheckCertificate(facts, tell);
  for (const SecretFile& secret : facts.secrets) CheckSecret(secret, tell);
  if (!facts.secrets_trouble.empty()) {
    tell({"secrets", Severity::kUnknown, "", "they cannot be looked at: " + facts.secrets_trouble,
          "run it as root, or as the service's user"});
  }
  for (const Place& place : facts.places) {
    if (place.trouble.empty() && place.there && !place.missing())
      CheckPlaceAccess(facts, place, tell);
  }
}

void CheckHost(const Facts& facts, const Tell& tell) {
  if (!facts.clock_synchronised) {
    tell(
        {"clock", Severity::kWarning, "",
         "no time server disciplines this machine's clock: recorded times drift, and may be "
         "doubted in court",
         "`apt install chrony`; `chronyc tracking` and `chronyc sources`: is a server reachable?"});
  }
  if (facts.server && facts.service_uid == 0) {
    tell({"service-user", Severity::kNote, "", "the server runs as root",
          "a user of its own is enough (docs/operations.md#starting-it)"});
  }
  const uint64_t wanted =
      kDescriptorsBesides + facts.streams * kDescriptorsAStream + facts.connections;
  if (facts.open_files < wanted) {
    const bool out = facts.open_files < kDescriptorsBesides + facts.streams * 2;
    tell(
        {"open-files", out ? Severity::kError : Severity::kWarning, "",
         fmt::format("{} files may be open at once (RLIMIT_NOFILE), and {} with their segments and "
                     "clients want {}",
                     facts.open_files, Count(facts.streams, "stream"), wanted),
         "in the unit LimitNOFILE=65536; in a shell `ulimit -Hn 65536`, for docker `--ulimit "
         "nofile=65536`"});
  }
  CheckBackup(facts, tell);
  CheckMemory(facts, tell);
  CheckLibraries(facts, tell);
}

Report Examine(const Facts& facts) {
  Report report;
  report.at_us = facts.now_us;
  report.libraries = facts.libraries;
  const Tell tell = [&report](Finding finding) { report.findings.push_back(std::move(finding)); };
  CheckMounts(facts, tell);
  CheckSpace(facts, tell);
  CheckDisks(facts, tell);
  CheckAccess(facts, tell);
  CheckHost(facts, tell);
  CheckCameras(facts, tell);
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  return report;
}

}  // namespace lookback::doctor
