// gantry: the command line client.
#include <exception>

#include "core/cli/command.hpp"

int main(int argc, char** argv) {
    try {
        return gantry::cli::run_cli(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
    } catch (const std::exception& error) {
        gantry::cli::print_error(gantry::fail(gantry::Code::internal, error.what()));
        return 125;
    }
}
