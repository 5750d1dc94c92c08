// The syntax of label keys and values: what may stand in metadata.labels and in a label selector.
// Each check answers the list of what is wrong, in upstream's words; empty means valid.
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::api {

// [ DNS-1123 subdomain "/" ] name; name at most 63 characters of [-A-Za-z0-9_.], alphanumeric at both ends.
std::vector<std::string> check_label_key(std::string_view key);
// Empty, or as the name part of a key.
std::vector<std::string> check_label_value(std::string_view value);
// At most 253 characters of dot-separated [a-z0-9]([-a-z0-9]*[a-z0-9])?.
std::vector<std::string> check_dns1123_subdomain(std::string_view value);

}  // namespace keelson::api
