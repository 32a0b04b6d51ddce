// A plugin's configuration that has all there is to have.
#pragma once
#include <gantry/json.hpp>

namespace gantry::plugin::test {

inline Json sample_config() {
    return Json::parse(R"({
        "description": "a sample", "documentation": "https://example.invalid/",
        "interface": {"types": ["docker.volumedriver/1.0"], "socket": "sample.sock"},
        "entrypoint": ["/bin/sample", "--serve"], "workdir": "/data",
        "user": {"uid": 7, "gid": 8}, "network": {"type": "host"},
        "linux": {"capabilities": ["CAP_SYS_ADMIN"], "allowAllDevices": false,
                  "devices": [{"name": "fuse", "description": "", "settable": ["path"], "path": "/dev/fuse"}]},
        "propagatedMount": "/mnt/volumes", "ipcHost": false, "pidHost": true,
        "mounts": [{"name": "state", "description": "", "settable": ["source"], "source": "/var/state",
                    "destination": "/state", "type": "bind", "options": ["rbind", "rw"]}],
        "env": [{"name": "DEBUG", "description": "", "settable": ["value"], "value": "0"},
                {"name": "FIXED", "description": "", "settable": null, "value": "1"},
                {"name": "UNSET", "description": "", "settable": ["value"]}],
        "args": {"name": "args", "description": "", "settable": ["value"], "value": ["-v"]}})");
}

}  // namespace gantry::plugin::test
