// The files of the store as files: what tells of damage that SQLite would take for the ordinary, and space that is kept
// for the time when there is none. Private to this folder.
#pragma once
#include <string>

#include <gantry/result.hpp>

namespace gantry::store {

// Whether the store at a path was closed in order the last time, in a file beside it: SQLite begins quietly anew when
// the file or its log is missing.
enum class Mark { none = 1, open, closed };
Mark read_mark(const std::string& path);
Result<void> write_mark(const std::string& path, Mark mark);

// Why the file of the store at `path` has been cut, which is told once: it ends within a page, as SQLite leaves none; zeros
// complete that page. "": it does not. What was lost with the page is found when the store is looked at.
std::string mend_end_of_file(const std::string& path);

// Why the write-ahead log of the store at `path` lacks something in its middle; "": it does not. A torn end, as a power
// cut leaves it, is none.
std::string damage_of_log(const std::string& path);

// Space beyond the end of the log, so that ends and removals are recorded on a full disk too. `log_bytes`: what the log
// has now. Gives up to where the log can grow.
std::int64_t reserve_log(const std::string& path, std::int64_t log_bytes);

// Space that an engine needs to open its store on a full disk: given back before, taken again after.
void release_start_reserve(const std::string& path);
void take_start_reserve(const std::string& path);

}  // namespace gantry::store
