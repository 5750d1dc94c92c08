#include "base/failpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>

#include "base/check.h"

namespace keelson {

namespace failpoint {
namespace {

enum class Action : std::uint8_t { kOff, kPrint, kPanic, kReturn, kSleep };

struct Modifier {
  bool is_count = false;
  std::uint64_t count = 0;
  double chance = 1;
};

struct Term {
  std::vector<Modifier> modifiers;
  Action action = Action::kOff;
  std::string value;  // its text; of a sleep nothing
  Duration sleep{};
};

Error bad_terms() {
  return {Code::kInvalidArgument, "failpoint: could not parse terms"};
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// A number without sign or exponent; false when there is none.
bool take_number(std::string_view& text, double& out) {
  const std::size_t n = std::min(text.find_first_not_of("0123456789."), text.size());
  if (n == 0) return false;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + n, out, std::chars_format::fixed);
  if (ec != std::errc() || end != text.data() + n) return false;
  text.remove_prefix(n);
  return true;
}

// "300ms", "1.5s", "1m30s".
std::optional<Duration> parse_duration(std::string_view text) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1},  {"us", 1e3}, {"ms", 1e6},
                                                                   {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  if (text == "0") return Duration{};
  if (text.empty()) return std::nullopt;
  double ns = 0;
  while (!text.empty()) {
    double n = 0;
    if (!take_number(text, n)) return std::nullopt;
    const auto* unit =
        std::ranges::find_if(kUnits, [&](const auto& u) { return take_prefix(text, u.first); });
    if (unit == std::end(kUnits)) return std::nullopt;
    ns += n * unit->second;
  }
  if (ns > 1e18) return std::nullopt;
  return Duration(std::llround(ns));
}

bool take_modifier(std::string_view& text, std::vector<Modifier>& out) {
  Modifier m;
  double n = 0;
  if (!take_number(text, n)) return false;
  if (take_prefix(text, "*")) {
    m.is_count = true;
    m.count = static_cast<std::uint64_t>(std::min(n, 1e18));
  } else if (take_prefix(text, "%")) {
    m.chance = n / 100;
  } else {
    return false;
  }
  out.push_back(m);
  return true;
}

bool take_action(std::string_view& text, Action& out) {
  static constexpr std::pair<std::string_view, Action> kActions[] = {{"off", Action::kOff},
                                                                     {"print", Action::kPrint},
                                                                     {"panic", Action::kPanic},
                                                                     {"return", Action::kReturn},
                                                                     {"sleep", Action::kSleep}};
  for (const auto& [name, action] : kActions) {
    if (!take_prefix(text, name)) continue;
    out = action;
    return true;
  }
  return false;
}

// What stands in the brackets, and whether it stood in quotes. False: malformed.
bool take_value(std::string_view& text, std::string& value, bool& quoted) {
  if (!take_prefix(text, "(")) return true;
  if (!take_prefix(text, "\"")) {
    const std::size_t end = text.find(')');
    if (end == text.npos) return false;
    value = text.substr(0, end);
    text.remove_prefix(end + 1);
    return value.empty() || value == "true" || value == "false" ||
           value.find_first_not_of("0123456789", value[0] == '-' ? 1 : 0) == value.npos;
  }
  quoted = true;
  while (!text.empty() && text.front() != '"') {
    if (take_prefix(text, "\\") && text.empty()) return false;
    value += text.front();
    text.remove_prefix(1);
  }
  return take_prefix(text, "\")");
}

Result<Term> take_term(std::string_view& text) {
  Term t;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (!take_modifier(text, t.modifiers)) return std::unexpected(bad_terms());
  }
  bool quoted = false;
  if (!take_action(text, t.action) || !take_value(text, t.value, quoted)) return std::unexpected(bad_terms());
  if (t.action == Action::kSleep) {
    const auto d = parse_duration(quoted ? t.value : t.value + "ms");
    if (!d) return fail(Code::kInvalidArgument, "failpoint: could not parse sleep(" + t.value + ")");
    t.sleep = *d;
  }
  return t;
}

}  // namespace

struct Terms {
  std::string text;
  std::vector<Term> chain;
};

namespace {

Result<Terms> parse_terms(std::string_view text) {
  Terms out;
  out.text = text;
  do {
    out.chain.push_back(TRY(take_term(text)));
  } while (take_prefix(text, "->"));
  if (!text.empty()) return std::unexpected(bad_terms());
  return out;
}

// `name=terms;name=terms…`, empty parts allowed.
Result<std::vector<std::pair<std::string, std::string>>> parse_settings(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty()) continue;
    const std::size_t eq = one.find('=');
    if (eq == one.npos || eq == 0) {
      return fail(Code::kInvalidArgument, "bad failpoint \"" + std::string(one) + "\"");
    }
    out.emplace_back(one.substr(0, eq), one.substr(eq + 1));
  }
  return out;
}

bool allows(Term& t, const std::function<double()>& random) {
  for (Modifier& m : t.modifiers) {
    if (m.is_count && m.count == 0) return false;
    if (m.is_count) {
      --m.count;
    } else if (random() >= m.chance) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct Point {
  const std::string name;
  const FailpointWorld& world;
  std::atomic<bool> enabled{false};
  std::mutex mu;
  std::optional<Terms> terms;
  std::uint64_t count = 0;

  // The term whose turn it is.
  std::optional<Term> next() {
    std::lock_guard lock(mu);
    if (!terms) return std::nullopt;
    for (Term& t : terms->chain) {
      if (!allows(t, world.random)) continue;
      ++count;
      return t;
    }
    return std::nullopt;
  }
  void set(std::optional<Terms> to) {
    std::lock_guard lock(mu);
    terms = std::move(to);
    count = 0;
    enabled.store(terms.has_value(), std::memory_order_relaxed);
  }
};

}  // namespace failpoint

using failpoint::Action;
using failpoint::Point;

namespace {

Error no_such_place() {
  return {Code::kNotFound, "failpoint: failpoint does not exist"};
}

}  // namespace

Failpoints::Failpoints(FailpointWorld world) : world_(std::move(world)) {
  CHECK(world_.sleep && world_.panic && world_.print && world_.random);
}
Failpoints::~Failpoints() = default;

Result<void> Failpoints::preset(std::string_view text) {
  auto settings = TRY(failpoint::parse_settings(text));
  for (const auto& [name, terms] : settings) TRY(failpoint::parse_terms(terms));
  std::lock_guard lock(mu_);
  for (auto& [name, terms] : settings) preset_.insert_or_assign(std::move(name), std::move(terms));
  return {};
}

std::vector<std::string> Failpoints::unclaimed() const {
  std::lock_guard lock(mu_);
  std::vector<std::string> out;
  for (const auto& [name, terms] : preset_) {
    if (!points_.contains(name)) out.push_back(name);
  }
  return out;
}

Point* Failpoints::claim(const std::string& name) {
  std::lock_guard lock(mu_);
  auto& p = points_[name];
  if (p) return p.get();
  p.reset(new Point{.name = name, .world = world_, .mu = {}, .terms = {}});
  if (auto it = preset_.find(name); it != preset_.end()) p->set(*failpoint::parse_terms(it->second));
  return p.get();
}

Point* Failpoints::find(const std::string& name) const {
  std::lock_guard lock(mu_);
  const auto it = points_.find(name);
  return it != points_.end() ? it->second.get() : nullptr;
}

Result<void> Failpoints::enable(const std::string& name, std::string_view terms) {
  Point* p = find(name);
  if (p == nullptr) return std::unexpected(no_such_place());
  p->set(TRY(failpoint::parse_terms(terms)));
  return {};
}

Result<void> Failpoints::enable_all(std::string_view text) {
  for (const auto& [name, terms] : TRY(failpoint::parse_settings(text))) TRY(enable(name, terms));
  return {};
}

Result<void> Failpoints::disable(const std::string& name) {
  Point* p = find(name);
  if (p == nullptr) return std::unexpected(no_such_place());
  if (!p->enabled) return fail(Code::kFailedPrecondition, "failpoint: failpoint is disabled");
  p->set(std::nullopt);
  return {};
}

Result<Failpoints::Status> Failpoints::status(const std::string& name) const {
  Point* p = find(name);
  if (p == nullptr) return std::unexpected(no_such_place());
  std::lock_guard lock(p->mu);
  return Status{p->terms ? p->terms->text : "", p->count};
}

std::vector<std::pair<std::string, std::string>> Failpoints::list() const {
  std::lock_guard lock(mu_);
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, p] : points_) {
    std::lock_guard terms_lock(p->mu);
    out.emplace_back(name, p->terms ? p->terms->text : "");
  }
  return out;
}

Failpoint::Effect Failpoint::evaluate() const {
  if (!point_->enabled.load(std::memory_order_relaxed)) return {};
  const auto term = point_->next();
  if (!term) return {};
  switch (term->action) {
    case Action::kOff:
      return {};
    case Action::kPrint:
      point_->world.print("failpoint print: " + point_->name);
      return {};
    case Action::kPanic:
      point_->world.panic(
          fmt::format("failpoint panic: {}{}{}", point_->name, term->value.empty() ? "" : ": ", term->value));
      return {};
    case Action::kReturn:
      return {.sleep = {}, .value = term->value};
    case Action::kSleep:
      return {.sleep = term->sleep, .value = {}};
  }
  return {};
}

void Failpoint::block() const {
  const Effect e = evaluate();
  if (e.sleep > Duration::zero()) point_->world.sleep(e.sleep);
}

Task<> pass(Failpoint place, Clock& clock) {
  const auto e = place.take();
  if (e.sleep > Duration::zero()) co_await clock.sleep_for(e.sleep);
}

}  // namespace keelson
