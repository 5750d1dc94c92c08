// The outcome of a remote command as the error stream of v4.channel.k8s.io and later carries it: a
// metav1.Status in JSON. kubectl takes its exit code from details.causes[reason=ExitCode].message.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson::kubelet {

struct ExitStatus {
  // nullopt: the command did not run to its end; `message` says why.
  std::optional<int> code;
  std::string message;

  static ExitStatus exited(int code);
  // "Internal error occurred: " + why.
  static ExitStatus internal_error(std::string_view why);
  // Reads the JSON of an error stream. Text that is no Status is an internal error with that text.
  static ExitStatus from_json(std::string_view json);

  bool success() const { return code == 0; }
  std::string to_json() const;
};

}  // namespace keelson::kubelet
