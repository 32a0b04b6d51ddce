// The client's half of a build session (core/build/PROTOCOL.md): sends the build, answers what the engine asks, shows what it
// tells, until the end.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/cli/build/build_state.hpp"
#include "core/cli/build/context.hpp"
#include "core/cli/build/context_jobs.hpp"
#include "core/cli/build/frame.hpp"
#include "core/cli/build/interrupt.hpp"
#include "core/cli/build/options.hpp"
#include "core/cli/build/output_sink.hpp"
#include "core/cli/client.hpp"

namespace gantry::cli {

struct BuildEnd {
    bool success = false;
    Json result;       // of "done"
    BuildError error;  // of "error"
    std::vector<std::string> notes;
};

class BuildSession {
public:
    // All are borrowed. `connection` has been upgraded.
    BuildSession(Connection& connection, const BuildOptions& options, const BuildContext& context, BuildState& state,
                 BuildView& view, Interrupt& interrupt)
        : connection_(connection),
          options_(options),
          context_(context),
          state_(state),
          view_(view),
          interrupt_(interrupt) {}

    // GANTRY_CANCELLED: a signal came, and the engine has been left; GANTRY_CORRUPT: what it sends is no session; others: the
    // connection is lost.
    Result<BuildEnd> run(const Json& message);

private:
    struct Agent {
        UniqueFd socket;
        std::string to_write;
        bool closing = false;
    };
    Result<void> turn();
    Result<void> read_more();
    Result<void> write_more();
    Result<void> take(Frame frame);
    Result<void> ask(const Frame& frame, const std::string& type);
    Result<void> send(const Json& header, std::string_view body = {});
    Result<void> failed(const Json& id, const std::string& message);
    Result<void> work();

    Result<std::unique_ptr<Job>> job_for(const Json& header, const std::string& type);
    // The directory that a walk or fetch is of, held until the end.
    Result<int> root_of(const Json& header);
    Result<void> answer_secret(const Json& header);
    Result<void> answer_auth(const Json& header);
    Result<void> connect_agent(const Json& header);
    Result<void> agent_ready(const std::string& key, Agent& agent, short events);
    Result<void> open_output(const Json& header);
    Result<void> output_data(const Frame& frame);

    Connection& connection_;
    const BuildOptions& options_;
    const BuildContext& context_;
    BuildState& state_;
    BuildView& view_;
    Interrupt& interrupt_;

    FrameReader reader_;
    std::string to_send_;
    std::size_t sent_ = 0;
    std::deque<std::unique_ptr<Job>> jobs_;
    std::map<std::string, Agent> agents_;                         // by id, as JSON text
    std::map<std::string, std::unique_ptr<OutputSink>> outputs_;  // null: has failed already
    std::map<std::string, UniqueFd> cache_roots_;
    std::map<std::string, Json> credentials_;
    std::vector<std::string> notes_;
    std::optional<BuildEnd> end_;
};

}  // namespace gantry::cli
