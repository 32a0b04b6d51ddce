#include "core/cli/handlers.hpp"

namespace gantry::cli {

const std::vector<Command>& commands() {
    constexpr auto ended = Options::until_argument;
    static const std::vector<Command> all{
        {"container", "run", "run", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image", run, ended, 125},
        {"container", "create", "create", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", create, ended},
        {"container", "exec", "exec", "[OPTIONS] CONTAINER COMMAND [ARG...]", "Execute a command in a running container", exec, ended},
        {"container", "start", "start", "[OPTIONS] CONTAINER [CONTAINER...]", "Start one or more stopped containers", start},
        {"container", "stop", "stop", "[OPTIONS] CONTAINER [CONTAINER...]", "Stop one or more running containers", stop},
        {"container", "restart", "restart", "[OPTIONS] CONTAINER [CONTAINER...]", "Restart one or more containers", restart},
        {"container", "kill", "kill", "[OPTIONS] CONTAINER [CONTAINER...]", "Kill one or more running containers", kill},
        {"container", "rm,remove", "rm", "[OPTIONS] CONTAINER [CONTAINER...]", "Remove one or more containers", rm},
        {"container", "pause", "pause", "CONTAINER [CONTAINER...]", "Pause all processes within one or more containers", pause},
        {"container", "unpause", "unpause", "CONTAINER [CONTAINER...]", "Unpause all processes within one or more containers", unpause},
        {"container", "rename", "rename", "CONTAINER NEW_NAME", "Rename a container", rename},
        {"container", "wait", "wait", "CONTAINER [CONTAINER...]", "Block until one or more containers stop, then print their exit codes", wait},
        {"container", "attach", "attach", "[OPTIONS] CONTAINER", "Attach local standard input, output, and error streams to a running container", attach},
        {"container", "ls,ps,list", "ps", "[OPTIONS]", "List containers", ps},
        {"container", "inspect", "", "[OPTIONS] CONTAINER [CONTAINER...]", "Display detailed information on one or more containers", inspect_container},
        {"container", "logs", "logs", "[OPTIONS] CONTAINER", "Fetch the logs of a container", logs},
        {"container", "top", "top", "CONTAINER [ps OPTIONS]", "Display the running processes of a container", top, ended},
        {"container", "stats", "stats", "[OPTIONS] [CONTAINER...]", "Display a live stream of container(s) resource usage statistics", stats},
        {"container", "port", "port", "CONTAINER [PRIVATE_PORT[/PROTO]]", "List port mappings or a specific mapping for the container", port},
        {"container", "diff", "diff", "CONTAINER", "Inspect changes to files or directories on a container's filesystem", diff},
        {"container", "prune", "", "[OPTIONS]", "Remove all stopped containers", container_prune},
        {"", "inspect", "inspect", "[OPTIONS] NAME|ID [NAME|ID...]", "Return low-level information on objects", inspect},
        {"image", "ls,list", "images", "[OPTIONS] [REPOSITORY[:TAG]]", "List images", images},
        {"image", "rm,remove", "rmi", "[OPTIONS] IMAGE [IMAGE...]", "Remove one or more images", rmi},
        {"image", "inspect", "", "[OPTIONS] IMAGE [IMAGE...]", "Display detailed information on one or more images", inspect_image},
        {"image", "history", "history", "[OPTIONS] IMAGE", "Show the history of an image", history},
        {"image", "tag", "tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", tag},
        {"image", "pull", "pull", "[OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry", pull},
        {"image", "load", "load", "[OPTIONS]", "Load an image from a tar archive or STDIN", load},
        {"image", "import", "import", "[OPTIONS] file|- [REPOSITORY[:TAG]]", "Import the contents from a tarball to create a filesystem image", import_image},
        {"image", "bootstrap", "", "[OPTIONS] REPOSITORY[:TAG] SUITE", "Make a base image from a distribution's packages", bootstrap},
        {"image", "prune", "", "[OPTIONS]", "Remove unused images", image_prune},
        {"network", "create", "", "[OPTIONS] NETWORK", "Create a network", network_create},
        {"network", "ls,list", "", "[OPTIONS]", "List networks", network_ls},
        {"network", "rm,remove", "", "NETWORK [NETWORK...]", "Remove one or more networks", network_rm},
        {"network", "inspect", "", "[OPTIONS] NETWORK [NETWORK...]", "Display detailed information on one or more networks", inspect_network},
        {"network", "connect", "", "[OPTIONS] NETWORK CONTAINER", "Connect a container to a network", network_connect},
        {"network", "disconnect", "", "[OPTIONS] NETWORK CONTAINER", "Disconnect a container from a network", network_disconnect},
        {"network", "prune", "", "[OPTIONS]", "Remove all unused networks", network_prune},
        {"volume", "create", "", "[OPTIONS] [VOLUME]", "Create a volume", volume_create},
        {"volume", "ls,list", "", "[OPTIONS]", "List volumes", volume_ls},
        {"volume", "rm,remove", "", "[OPTIONS] VOLUME [VOLUME...]", "Remove one or more volumes", volume_rm},
        {"volume", "inspect", "", "[OPTIONS] VOLUME [VOLUME...]", "Display detailed information on one or more volumes", inspect_volume},
        {"volume", "prune", "", "[OPTIONS]", "Remove unused local volumes", volume_prune},
        {"driver", "ls,list", "", "[OPTIONS]", "List drivers, and what was refused and why", driver_ls},
        {"driver", "inspect", "", "[OPTIONS] DRIVER [DRIVER...]", "Display detailed information on one or more drivers", driver_inspect},
        {"driver", "check", "", "FILE", "Check whether a driver's file would be loaded", driver_check},
        {"", "version", "version", "[OPTIONS]", "Show the Gantry version information", version},
        {"system", "info", "info", "[OPTIONS]", "Display system-wide information", info},
        {"system", "events", "events", "[OPTIONS]", "Get real time events from the server", events},
        {"system", "shutdown", "", "[OPTIONS]", "Stop the daemon and wait until it has gone", shutdown},
    };
    return all;
}

}  // namespace gantry::cli
