#include "apps/lookback/settings_check.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "apps/lookback/output.h"
#include "storage/data_directory.h"
#include "storage/volume.h"

namespace lookback::app {
namespace {

using doctor::Access;

// A path without symbolic links, as far as it is there.
struct Place {
  std::string there;  // The nearest that is.
  std::string rest;   // "" or "/b/c": what is not.

  std::string whole() const { return there == "/" && !rest.empty() ? rest : there + rest; }
};

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

const Setting& SettingOf(Setting::Value value) {
  const auto all = AllSettings();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Setting& setting) { return setting.value == value; });
  LB_CHECK(found != all.end());
  return *found;
}

class Checker {
 public:
  Checker(const Settings& settings, const doctor::Service& service, doctor::Machine& machine,
          FileSystem& files)
      : settings_(settings),
        user_(service.guessed ? doctor::OwnUser(machine) : service.user),
        service_(service),
        machine_(machine),
        files_(files) {
    auto file = storage::ReadStore(settings.data, files);
    if (file) store_ = *std::move(file);
    if (!file && file.code() != Code::kNotFound) {
      Tell(&Settings::data, file.message(), ExitCodeOf(file.error()));
    }
  }

  std::vector<MachineProblem> Check() {
    CheckData();
    for (size_t i = 0; i < settings_.volumes.size(); ++i) CheckVolume(i);
    if (const Status status = CheckListenHost(settings_.listen); !status) {
      Tell(&Settings::listen, status.message(), kExitAddressInUse);
    }
    if (service_.user.uid != machine_.UserId()) {  // Whoever looks reads them anyway.
      CheckReadable(&Settings::tls_certificate);
      CheckReadable(&Settings::tls_key);
      CheckReadable(&Settings::webhook_secret_file);
    }
    return std::move(found_);
  }

 private:
  void Tell(std::string Settings::*member, std::string text, int exit) {
    found_.push_back({{&SettingOf(member), std::move(text)}, false, exit});
  }

  Place PlaceOf(const std::string& path) {
    Place place{path, ""};
    while (true) {
      if (const auto real = machine_.RealPath(place.there)) {
        place.there = *real;
        return place;
      }
      if (place.there == "/") return place;
      const std::string above = Parent(place.there);
      place.rest = place.there.substr(above == "/" ? 0 : above.size()) + place.rest;
      place.there = above;
    }
  }

  void CheckData() {
    if (settings_.data == service_.made_data) return;
    if (auto why = WhyNoDirectory(PlaceOf(settings_.data))) {
      Tell(&Settings::data, *std::move(why), kExitDenied);
    }
  }

  void CheckVolume(size_t index) {
    const Setting& volumes = SettingOf(&Settings::volumes);
    const std::string root = storage::AbsolutePath(settings_.volumes[index]);
    const auto is_root = [](const std::string& path) {
      return [&path](const storage::StoreFile::KnownVolume& known) { return known.root == path; };
    };
    const storage::StoreFile store = store_.value_or(storage::StoreFile());
    const auto& known = store.volumes;
    if (std::any_of(known.begin(), known.end(), is_root(root))) return;
    const auto& removed = store.removed;  // They are left alone.
    if (std::find(removed.begin(), removed.end(), root) != removed.end()) return;
    const auto tell = [&](std::string text, bool note, int exit) {
      found_.push_back({{&volumes, std::move(text), index}, note, exit});
    };
    const Place place = PlaceOf(root);
    const std::string real = place.whole();
    if (real != root && std::any_of(known.begin(), known.end(), is_root(real))) {
      return tell(
          fmt::format("{} leads to {}, which is a volume of this store already", root, real), false,
          kExitUsage);
    }
    const std::string data = PlaceOf(settings_.data).whole();
    if (data == real || data.starts_with(real + "/")) {
      return tell(fmt::format("the data directory {} is in the volume {}: footage would fill its "
                              "disk; name another place for one of them",
                              settings_.data, root),
                  false, kExitOtherStore);
    }
    const auto before = std::find(reals_.begin(), reals_.end(), real);
    if (before != reals_.end()) {
      return tell(fmt::format("{} leads to {}, and so does another volume: each has to be a "
                              "directory of its own",
                              root, real),
                  false, kExitUsage);
    }
    reals_.push_back(real);
    const auto why = WhyNoDirectory(place);
    if (!place.rest.empty()) {
      return why ? tell(*why, false, kExitDenied)
                 : tell(fmt::format(
                            "{} is not there: a start makes it, on the file system of {}; if "
                            "it is to be a disk of its own, mount that first",
                            root, place.there),
                        true, kExitOk);
    }
    const Status status =
        storage::CheckAskedVolume(root, settings_.data, store_ ? &store_->store : nullptr, files_);
    if (!status) {
      const bool invalid = status.code() == Code::kInvalid;
      return tell(status.message(), false,
                  invalid ? int{kExitOtherStore} : ExitCodeOf(status.error()));
    }
    if (why) tell(*why, false, kExitDenied);
  }

  // Why the service has no directory there, and can make none; nullopt: it has or can.
  std::optional<std::string> WhyNoDirectory(const Place& place) {
    const auto node = machine_.Look(place.there);
    if (!node) return node.message();
    if (!node->is_directory) {
      return fmt::format("{} cannot be made: {} is a file", place.whole(), place.there);
    }
    if (machine_.May(user_, place.there, Access::kWriteAndEnter)) return std::nullopt;
    if (const auto space = machine_.SpaceOf(place.there); space && space->read_only) {
      return fmt::format("{} is on a file system that is read-only: `findmnt -T {}`, `dmesg`",
                         place.whole(), place.there);
    }
    if (place.rest.empty()) {
      return fmt::format("user {0} may not write {1}: `chown {0}: {1}`", user_.name, place.there);
    }
    return fmt::format(
        "{1} is not there, and user {0} may not make it in {2}: mount its disk, or "
        "`install -d -o {0} {1}`",
        user_.name, place.whole(), place.there);
  }

  void CheckReadable(std::string Settings::*member) {
    const std::string& path = settings_.*member;
    const doctor::User& user = service_.user;
    if (path.empty() || machine_.May(user, path, Access::kRead)) return;
    const auto real = machine_.RealPath(path);
    if (!real) return;   // Reading it tells.
    std::string barred;  // The first on the way.
    for (std::string above = *real; above != "/";) {
      above = Parent(above);
      if (!machine_.May(user, above, Access::kEnter)) barred = above;
    }
    const std::string cure =
        barred.empty() ? fmt::format("`chgrp {0} {1}`, `chmod g+r {1}`", user.group, *real)
                       : fmt::format("it may not enter {}; put the file where it may", barred);
    Tell(member, fmt::format("user {} cannot read {}: {}", user.name, path, cure), kExitDenied);
    found_.back().note = service_.guessed;
  }

  const Settings& settings_;
  const doctor::User user_;  // Whose directories they are.
  const doctor::Service& service_;
  doctor::Machine& machine_;
  FileSystem& files_;
  std::optional<storage::StoreFile> store_;  // nullopt: there is none yet.
  std::vector<std::string> reals_;           // Of the volumes so far.
  std::vector<MachineProblem> found_;
};

}  // namespace

std::vector<MachineProblem> ProblemsHere(const Settings& settings, const doctor::Service& service,
                                         doctor::Machine& machine, FileSystem& files) {
  return Checker(settings, service, machine, files).Check();
}

Status CheckListenHost(const std::string& listen) {
  LB_TRY_ASSIGN(options, ParseListen(listen));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  // Any free port: that of the settings may be the running server's.
  const int status = getaddrinfo(options.host.c_str(), "0", &hints, &found);
  if (status != 0) {
    return Fail(Code::kUnavailable,
                fmt::format("cannot listen on \"{}\": {}", options.host, gai_strerror(status)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool bound = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (bound) return Ok();
  return Fail(Code::kUnavailable,
              fmt::format("cannot listen on \"{}\": {}", options.host, std::strerror(error)));
}

}  // namespace lookback::app
