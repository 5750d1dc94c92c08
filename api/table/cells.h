// The cells of a Table row for each kind, as upstream's server-side printers fill them.
// Internal to api/table; callers use table.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/object.h"

namespace keelson::api {

using Cell = std::variant<std::string, std::int64_t>;

struct RowCells {
  std::vector<Cell> cells;
  // Reason of a finished pod ("Succeeded", "Failed"): the row then carries the condition Completed.
  std::string_view completed;
};

// One cell per column of the object's kind; name and creation time for kinds without columns.
RowCells row_cells(const Object& object, Time now);

// Of one kind each (cells_pod.cc, cells_core.cc).
RowCells pod_cells(const Object& object, Time now);
RowCells node_cells(const Object& object, Time now);
RowCells service_cells(const Object& object, Time now);
RowCells event_cells(const Object& object, Time now);
RowCells endpoints_cells(const Object& object, Time now);
RowCells endpoint_slice_cells(const Object& object, Time now);

}  // namespace keelson::api
