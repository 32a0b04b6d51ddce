// A driver under test, however it is reached: through the fake host of fake_host.hpp, or through the engine's own loader.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gantry/abi/driver.h>
#include <gantry/json.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::testing {

// What one operation answered.
struct Outcome {
    gantry_status status = GANTRY_INTERNAL;
    std::string message;
    Json result = Json::object();
    std::vector<UniqueFd> fds;
    bool ok() const { return status == GANTRY_OK; }
};

class Subject {
public:
    virtual ~Subject() = default;
    // Sends one operation and waits for the answer; fds (name, descriptor) are borrowed.
    virtual Outcome call(std::string_view table, std::string_view operation, Json request,
                         std::vector<std::pair<std::string, int>> fds = {}) = 0;
};

// Collects what a suite finds wrong: each line names the rule that was broken and what was seen instead.
class Findings {
public:
    bool expect(bool holds, std::string rule, std::string seen = "") {
        if (!holds) broken_.push_back(seen.empty() ? std::move(rule) : std::move(rule) + ": " + std::move(seen));
        return holds;
    }
    // The outcome must be GANTRY_OK.
    bool expect_ok(const Outcome& outcome, std::string rule) {
        return expect(outcome.ok(), std::move(rule),
                      "status " + std::to_string(outcome.status) + ", " + outcome.message);
    }
    bool expect_status(const Outcome& outcome, gantry_status status, std::string rule) {
        return expect(outcome.status == status, std::move(rule),
                      "status " + std::to_string(outcome.status) + " instead of " + std::to_string(status) + ", " +
                          outcome.message);
    }
    // A member of a result that must be this text.
    bool expect_text(const Outcome& outcome, const char* member, std::string_view wanted, std::string rule) {
        auto found = outcome.result.find(member);
        bool same = found != outcome.result.end() && *found == wanted;
        return expect(outcome.ok() && same, std::move(rule),
                      "status " + std::to_string(outcome.status) + ", " + outcome.result.dump());
    }
    const std::vector<std::string>& broken() const { return broken_; }

private:
    std::vector<std::string> broken_;
};

}  // namespace gantry::testing
