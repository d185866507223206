// base/result.h: how functions of the house say that they failed.
//
// Invariant: an error carries a code that tells the caller what to do, and a sentence that tells a
//            person what happened, to which thing, and which limit it met.
// Threads:   values; no sharing.
// Errors:    nothing here throws; nothing of ours throws across a folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace lookback {

// Each code is tied to what a caller does about it.
enum class Code : uint8_t {
  kInvalid,      // The request is wrong: the asker mends it.
  kNotFound,     // What was named does not exist.
  kConflict,     // It exists already, or its state forbids this: the asker looks again.
  kDenied,       // The person lacks the right, or the store refuses by policy.
  kUnavailable,  // Not now (busy, offline, queue full, timed out): try later.
  kDiskFull,     // No space: move to another volume, or free some.
  kDiskFailed,   // A read, write or sync failed: the file is not to be used again.
  kCorrupt,      // Stored or received bytes contradict their own format or checksum.
  kUnsupported,  // Well formed, but not something that this build handles.
};

// A stable lower-case word for the code, for JSON and logs ("not-found").
std::string_view CodeName(Code code);

struct Error {
  Code code = Code::kInvalid;
  std::string message;
  int system_error = 0;  // errno of the system call that failed; 0 when it was none.
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  // Whether there is a value. Of a Result<bool> that could be taken for the answer itself ("is it
  // held?"), and so has to be asked by name: has_value().
  explicit operator bool() const {
    static_assert(!std::is_same_v<T, bool>, "ask has_value(): the answer itself is *result");
    return this->has_value();
  }
  const std::string& message() const { return this->error().message; }
  Code code() const { return this->error().code; }
};

using Status = Result<void>;

// Ok() and Fail(...) are what functions return.
inline Status Ok() { return Status(); }

inline tl::unexpected<Error> Fail(Code code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

// Passes an error on, with what was being done put before its sentence.
inline tl::unexpected<Error> Pass(const Error& error, std::string_view doing = {}) {
  if (doing.empty()) return tl::unexpected<Error>(error);
  return tl::unexpected<Error>(
      Error{error.code, std::string(doing) + ": " + error.message, error.system_error});
}

// An Error for a failed system call: `code` follows from errno (ENOSPC, EDQUOT: kDiskFull; ENOENT:
// kNotFound; EEXIST: kConflict; else kDiskFailed), the sentence names the call, the thing, the
// cause.
Error SystemError(int error_number, std::string_view call, std::string_view thing);

// Returns the error of `expression` from this function, if it has one.
#define LB_TRY(expression)                                     \
  do {                                                         \
    if (auto lb_status = (expression); !lb_status.has_value()) \
      return ::lookback::Pass(lb_status.error());              \
  } while (false)

// Declares `name` with the value of `expression`, or returns its error from this function.
#define LB_TRY_ASSIGN(name, expression)                                               \
  auto name##_or_error = (expression);                                                \
  if (!name##_or_error.has_value()) return ::lookback::Pass(name##_or_error.error()); \
  auto name = std::move(*name##_or_error)  // NOLINT(bugprone-macro-parentheses): a declaration

// Ends the process with a message when our own reasoning is wrong, in release builds too.
// Never for what a peer, a client or a disk said.
#define LB_CHECK(condition) \
  ((condition) ? void() : ::lookback::CheckFailed(#condition, __FILE__, __LINE__))

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace lookback
