#include "base/flags.h"

#include <charconv>
#include <memory>

namespace keelson {
namespace {

template <class N>
Result<void> set_number(N* target, std::string_view text) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), *target);
  if (ec != std::errc() || end != text.data() + text.size()) {
    return fail(Code::kInvalidArgument, "'" + std::string(text) + "' is not a whole number");
  }
  return {};
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  using namespace std::chrono;
  const auto bad = [&] {
    return fail(Code::kInvalidArgument, "'" + std::string(text) + "' is not a duration such as 30s or 1h5m");
  };
  std::string_view rest = text;
  if (rest == "0") return nanoseconds(0);
  const bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  if (rest.empty()) return bad();
  double total = 0;
  while (!rest.empty()) {
    double value = 0;
    const auto [end, ec] =
        std::from_chars(rest.data(), rest.data() + rest.size(), value, std::chars_format::fixed);
    if (ec != std::errc()) return bad();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const auto unit = rest.substr(0, rest.find_first_of("0123456789."));
    rest.remove_prefix(unit.size());
    if (unit == "h")
      total += value * 3600e9;
    else if (unit == "m")
      total += value * 60e9;
    else if (unit == "s")
      total += value * 1e9;
    else if (unit == "ms")
      total += value * 1e6;
    else if (unit == "us" || unit == "µs")
      total += value * 1e3;
    else if (unit == "ns")
      total += value;
    else
      return bad();
  }
  return nanoseconds(static_cast<std::int64_t>(negative ? -total : total));
}

void FlagSet::add(std::string name, std::string* target, std::string help) {
  push(std::move(name), std::move(help), *target, false, [target](std::string_view v) -> Result<void> {
    *target = v;
    return {};
  });
}

void FlagSet::add(std::string name, bool* target, std::string help) {
  push(std::move(name), std::move(help), *target ? "true" : "false", true,
       [target](std::string_view v) -> Result<void> {
         if (v == "true" || v == "True" || v == "TRUE" || v == "1" || v == "t" || v == "T")
           *target = true;
         else if (v == "false" || v == "False" || v == "FALSE" || v == "0" || v == "f" || v == "F")
           *target = false;
         else
           return fail(Code::kInvalidArgument, "'" + std::string(v) + "' is neither true nor false");
         return {};
       });
}

void FlagSet::add(std::string name, int* target, std::string help) {
  push(std::move(name), std::move(help), std::to_string(*target), false,
       [target](std::string_view v) { return set_number(target, v); });
}

void FlagSet::add(std::string name, std::int64_t* target, std::string help) {
  push(std::move(name), std::move(help), std::to_string(*target), false,
       [target](std::string_view v) { return set_number(target, v); });
}

void FlagSet::add(std::string name, std::chrono::nanoseconds* target, std::string help) {
  const auto text = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*target).count()) + "s";
  push(std::move(name), std::move(help), text, false, [target](std::string_view v) -> Result<void> {
    *target = TRY(parse_duration(v));
    return {};
  });
}

void FlagSet::add(std::string name, std::vector<std::string>* target, std::string help) {
  std::string text;
  for (const auto& t : *target) text += (text.empty() ? "" : ",") + t;
  auto first = std::make_shared<bool>(true);
  push(std::move(name), std::move(help), text, false, [target, first](std::string_view v) -> Result<void> {
    if (*first) target->clear();
    *first = false;
    while (!v.empty()) {
      const auto comma = v.find(',');
      if (comma != 0) target->emplace_back(v.substr(0, comma));
      v.remove_prefix(comma == std::string_view::npos ? v.size() : comma + 1);
    }
    return {};
  });
}

void FlagSet::ignore(std::string name, bool takes_value) {
  push(name, "accepted, has no meaning here", "", !takes_value,
       [this, name](std::string_view) -> Result<void> {
         warnings_.push_back("flag --" + name + " has no meaning here and is ignored");
         return {};
       });
}

void FlagSet::push(std::string name, std::string help, std::string default_text, bool is_switch,
                   std::function<Result<void>(std::string_view)> set) {
  flags_.push_back(
      {std::move(name), std::move(help), std::move(default_text), is_switch, false, std::move(set)});
}

Result<void> FlagSet::set(std::string_view name, std::string_view value) {
  Flag* flag = find(name);
  if (flag == nullptr)
    return fail(Code::kInvalidArgument, "unknown flag: --" + std::string(name) + "; see --help");
  flag->is_set = true;
  if (auto ok = flag->set(value); !ok)
    return fail(Code::kInvalidArgument, "invalid value \"" + std::string(value) + "\" for --" + flag->name +
                                            ": " + ok.error().message);
  return {};
}

bool FlagSet::is_set(std::string_view name) const {
  for (const auto& f : flags_) {
    if (f.name == name) return f.is_set;
  }
  return false;
}

std::vector<std::string> FlagSet::names() const {
  std::vector<std::string> out;
  for (const auto& f : flags_) out.push_back(f.name);
  return out;
}

FlagSet::Flag* FlagSet::find(std::string_view name) {
  for (auto& f : flags_) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

Result<void> FlagSet::parse(const std::vector<std::string>& args) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string_view arg = args[i];
    if (arg == "--help" || arg == "-h") {
      help_ = true;
      continue;
    }
    if (!arg.starts_with("-"))
      return fail(Code::kInvalidArgument, "unexpected argument '" + args[i] + "'; see --help");
    arg.remove_prefix(arg.starts_with("--") ? 2 : 1);
    const auto eq = arg.find('=');
    Flag* flag = find(arg.substr(0, eq));
    if (flag == nullptr)
      return fail(Code::kInvalidArgument,
                  "unknown flag: --" + std::string(arg.substr(0, eq)) + "; see --help");
    std::string_view value;
    if (eq != std::string_view::npos) {
      value = arg.substr(eq + 1);
    } else if (flag->is_switch) {
      value = "true";
    } else if (i + 1 < args.size()) {
      value = args[++i];
    } else {
      return fail(Code::kInvalidArgument, "flag needs an argument: --" + flag->name);
    }
    TRY(set(flag->name, value));
  }
  return {};
}

std::string FlagSet::help() const {
  std::string out = "usage: " + usage_ + "\n\n";
  for (const auto& f : flags_) {
    out += "  --" + f.name;
    if (!f.is_switch) out += " VALUE";
    out += "\n        " + f.help;
    if (!f.default_text.empty()) out += " (default " + f.default_text + ")";
    out += "\n";
  }
  return out;
}

}  // namespace keelson
