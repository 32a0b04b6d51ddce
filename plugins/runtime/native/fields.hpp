// Reads a JSON object member by member and remembers what was asked for, so that nothing in it is passed over.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::native {

// The first wrong member is kept and reported by finish(); later calls then do nothing. `where` begins error texts.
class Fields {
public:
    Fields(const Json& object, std::string where);

    // Each leaves `out` alone where the member is absent or null.
    void text(const char* key, std::string& out);
    void boolean(const char* key, bool& out);
    // Whole numbers only; outside [low, high] is an error.
    void number(const char* key, std::int64_t& out, std::int64_t low = INT64_MIN, std::int64_t high = INT64_MAX);
    void strings(const char* key, std::vector<std::string>& out);
    // nullptr: absent or null.
    const Json* object(const char* key);
    const Json* array(const char* key);
    // Known, and of no meaning here.
    void ignore(const char* key);
    // Known, and refused as unsupported unless absent, null or empty.
    void refuse(const char* key);
    bool has(const char* key) const;

    // The first error, or one that names a member nobody asked for.
    Result<void> finish();
    std::string name(std::string_view key) const;

private:
    const Json* find(const char* key);
    void wrong(const char* key, std::string_view expected);

    const Json* json_;
    std::string where_;
    std::vector<std::string_view> seen_;
    Error error_;
    bool failed_ = false;
};

}  // namespace gantry::native
