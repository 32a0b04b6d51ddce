// gantry: the command line client.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "core/cli/command.hpp"

int main(int argc, char** argv) {
    try {
        return gantry::cli::run_cli(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc),
                                    std::getenv("GANTRY_HOST"));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "gantry: %s\n", error.what());
        return 125;
    }
}
