#include "core/monitor/log_writer.hpp"

#include <algorithm>
#include <cstring>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/monitor/log_file.hpp"
#include "core/monitor/log_json.hpp"

namespace gantry::monitor {
namespace {

class NoLog final : public LogWriter {
public:
    void write(LogStream, std::string_view) override {}
    void flush() override {}
};

// Entries straight from the caller's buffer: no work per line.
class LocalLog final : public LogWriter {
public:
    explicit LocalLog(LogFile file) : file_(std::move(file)) {}

    void write(LogStream stream, std::string_view bytes) override {
        if (dropped_) {
            std::uint64_t count = dropped_;
            if (entry(LogStream::notice, {reinterpret_cast<const char*>(&count), sizeof count})) dropped_ = 0;
        }
        std::size_t room = static_cast<std::size_t>(
            std::clamp<std::int64_t>(file_.max_size() - std::int64_t{sizeof(LogHeader)}, 256, max_log_entry));
        while (!bytes.empty()) {
            std::string_view part = bytes.substr(0, room);
            bytes.remove_prefix(part.size());
            if (!entry(stream, part)) dropped_ += part.size();
        }
    }
    void flush() override {}

private:
    bool entry(LogStream stream, std::string_view bytes) {
        LogHeader header;
        header.stream = static_cast<std::uint8_t>(stream);
        header.length = static_cast<std::uint32_t>(bytes.size());
        header.time_ns = wall_clock_ns();
        header.check = log_check(header);
        const iovec parts[2] = {{&header, sizeof header}, {const_cast<char*>(bytes.data()), bytes.size()}};
        return file_.append(parts, 2, sizeof header + bytes.size());
    }

    LogFile file_;
    std::uint64_t dropped_ = 0;
};

std::int64_t size_of(const Json& settings, const char* key, std::int64_t otherwise) {
    auto found = settings.find(key);
    if (found == settings.end() || found->is_null()) return otherwise;
    if (found->is_number_integer()) return found->get<std::int64_t>();
    if (found->is_string()) return parse_size(found->get_ref<const std::string&>()).value_or(-1);
    return -1;
}

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::create(const Json& settings) {
    std::string driver = member<std::string>(settings, "driver", "local");
    if (driver == "none") return std::unique_ptr<LogWriter>(new NoLog);
    if (driver != "local" && driver != "json-file")
        return fail(Code::invalid, "log driver \"" + driver + "\" is not one of \"local\", \"json-file\", \"none\"");
    std::string path = member<std::string>(settings, "path");
    if (!path.starts_with('/')) return fail(Code::invalid, "log path \"" + path + "\" is not absolute");
    std::int64_t max_size = size_of(settings, "max_size", 20 << 20), max_files = size_of(settings, "max_file", 3);
    if (max_size == 0) max_size = std::int64_t{1} << 62;
    if (max_size < 1) return fail(Code::invalid, "log option \"max_size\" is not a size");
    if (max_files < 1 || max_files > 1000)
        return fail(Code::invalid, "log option \"max_file\" is not a number from 1 to 1000");
    LogFile file(path, std::string(driver == "local" ? local_log_name : json_log_name), max_size,
                 static_cast<int>(max_files));
    if (driver == "local") return std::unique_ptr<LogWriter>(new LocalLog(std::move(file)));
    return make_json_log(std::move(file), member<Json>(settings, "attrs"));
}

}  // namespace gantry::monitor
