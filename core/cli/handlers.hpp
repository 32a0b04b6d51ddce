// The commands' functions, each in the file named after it.
#pragma once
#include "core/cli/command.hpp"

namespace gantry::cli {

Result<int> run(Call& call);
Result<int> create(Call& call);
Result<int> start(Call& call);
Result<int> attach(Call& call);
Result<int> exec(Call& call);
Result<int> ps(Call& call);
Result<int> logs(Call& call);
Result<int> stop(Call& call);
Result<int> restart(Call& call);
Result<int> kill(Call& call);
Result<int> rm(Call& call);
Result<int> pause(Call& call);
Result<int> unpause(Call& call);
Result<int> rename(Call& call);
Result<int> wait(Call& call);
Result<int> top(Call& call);
Result<int> stats(Call& call);
Result<int> port(Call& call);
Result<int> diff(Call& call);
Result<int> container_prune(Call& call);
Result<int> inspect(Call& call);
Result<int> inspect_container(Call& call);
Result<int> inspect_image(Call& call);
Result<int> inspect_network(Call& call);
Result<int> inspect_volume(Call& call);
Result<int> images(Call& call);
Result<int> rmi(Call& call);
Result<int> history(Call& call);
Result<int> tag(Call& call);
Result<int> image_prune(Call& call);
Result<int> pull(Call& call);
Result<int> push(Call& call);
Result<int> login(Call& call);
Result<int> logout(Call& call);
Result<int> search(Call& call);
Result<int> manifest_inspect(Call& call);
Result<int> build(Call& call);
Result<int> builder_prune(Call& call);
Result<int> load(Call& call);
Result<int> import_image(Call& call);
Result<int> bootstrap(Call& call);
Result<int> network_create(Call& call);
Result<int> network_ls(Call& call);
Result<int> network_rm(Call& call);
Result<int> network_connect(Call& call);
Result<int> network_disconnect(Call& call);
Result<int> network_prune(Call& call);
Result<int> volume_create(Call& call);
Result<int> volume_ls(Call& call);
Result<int> volume_rm(Call& call);
Result<int> volume_prune(Call& call);
Result<int> save(Call& call);
Result<int> export_container(Call& call);
Result<int> commit(Call& call);
Result<int> copy(Call& call);
Result<int> disk_usage(Call& call);
Result<int> system_prune(Call& call);
Result<int> driver_ls(Call& call);
Result<int> driver_inspect(Call& call);
Result<int> driver_check(Call& call);
Result<int> version(Call& call);
Result<int> info(Call& call);
Result<int> events(Call& call);
Result<int> shutdown(Call& call);

}  // namespace gantry::cli
