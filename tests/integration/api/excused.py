"""Members of replies that Docker's description of the API has and this engine's replies have not: EXCUSED[operation][member], by name, with the
reason. The name of an object of a swarm, of Windows or of what is not supported stands for all that is in it. test_api_fields.py fails where one
of them is there."""
WINDOWS = "Windows alone has it"
SWARM = "a swarm alone has it, and swarm mode is not supported"
NO_INDEX = "only an entry of an index says it, and this descriptor is made of the manifest itself"
NOT_SIGNED = "signatures are not verified, so no identity is told by one"
NO_HISTORY = "there is no history of builds in which a reference could be looked up"
DEVICE_REQUESTS = "DeviceRequests are refused as not supported"
LINK_LOCAL = "refused as not supported: networks give no link-local addresses"
CFQ = "statistics of the CFQ scheduler, which the kernel lost in 5.0: null, as Docker shows them on such kernels"
STATUS = "the description leaves it out where a driver tells none, and the drivers' interface has no such call"
DISK_USAGE = "the description has it in replies of GET /system/df alone"


def descriptor(at, *more):
    return {f"{at}.{one}": NO_INDEX for one in ("urls", "annotations", "data", "artifactType", *more)}


def windows_platform(at):
    return {f"{at}.os.version": WINDOWS, f"{at}.os.features": WINDOWS}


def identity(at):
    return {f"{at}.Signature": NOT_SIGNED, f"{at}.Build": NO_HISTORY}


def volume(at=""):
    return {at + "Status": STATUS, at + "ClusterVolume": SWARM, at + "UsageData": DISK_USAGE}


EXCUSED = {
    "GET /containers/json": {
        **descriptor("[].ImageManifestDescriptor"), **windows_platform("[].ImageManifestDescriptor.platform"),
        "[].NetworkSettings.Networks.*.IPAMConfig.LinkLocalIPs": LINK_LOCAL},
    "GET /containers/{id}/json": {
        **descriptor("ImageManifestDescriptor"), **windows_platform("ImageManifestDescriptor.platform"),
        **{f"HostConfig.DeviceRequests[].{one}": DEVICE_REQUESTS for one in ("Driver", "Count", "DeviceIDs", "Capabilities", "Options")},
        "Storage": "of containerd's snapshotters; Docker shows either this or GraphDriver, and the layer driver stands in GraphDriver",
        "Config.ArgsEscaped": WINDOWS,
        "NetworkSettings.Networks.*.IPAMConfig.LinkLocalIPs": LINK_LOCAL},
    "GET /containers/{id}/stats": {
        **{one: WINDOWS for one in ("memory_stats.commitbytes", "memory_stats.commitpeakbytes", "memory_stats.privateworkingset", "networks.*.endpoint_id",
                                    "networks.*.instance_id", "storage_stats.read_count_normalized", "storage_stats.read_size_bytes",
                                    "storage_stats.write_count_normalized", "storage_stats.write_size_bytes")},
        **{f"blkio_stats.{one}_recursive[].{part}": CFQ for one in ("io_queue", "io_service_time", "io_wait_time", "io_merged", "io_time", "sectors")
           for part in ("major", "minor", "op", "value")}},
    "GET /images/json": {
        **descriptor("[].Descriptor", "platform", "platform.architecture", "platform.os", "platform.os.version", "platform.os.features", "platform.variant"),
        **windows_platform("[].Manifests[].Descriptor.platform"), **windows_platform("[].Manifests[].ImageData.Platform"),
        **identity("[].Manifests[].ImageData.Identity")},
    "GET /images/{name}/json": {
        **descriptor("Descriptor", "platform", "platform.architecture", "platform.os", "platform.os.version", "platform.os.features", "platform.variant"),
        **windows_platform("Manifests[].Descriptor.platform"), **windows_platform("Manifests[].ImageData.Platform"),
        **identity("Manifests[].ImageData.Identity"), **identity("Identity"),
        "Config.ArgsEscaped": WINDOWS, "OsVersion": WINDOWS},
    "GET /images/{name}/attestations": windows_platform("[].Descriptor.platform"),
    "GET /info": {
        "NGoroutines": "of a program in Go", "GenericResources[].NamedResourceSpec": SWARM, "GenericResources[].DiscreteResourceSpec": SWARM,
        "Runtimes.*.runtimeArgs": "a runtime is a driver that the launcher loads, not a program with arguments",
        "Runtimes.*.status": "what a runtime's own program tells of itself; the description lets it be left out",
        "Swarm.RemoteManagers[].NodeID": SWARM, "Swarm.RemoteManagers[].Addr": SWARM, "Swarm.Nodes": SWARM, "Swarm.Managers": SWARM, "Swarm.Cluster": SWARM,
        "ProductLicense": "of Docker's own editions", "FirewallBackend": "each network driver filters by its own means; the core has no firewall",
        "DiscoveredDevices": DEVICE_REQUESTS, "NRI": "there where NRI is enabled, which is not supported", "Containerd": "there is no containerd"},
    "GET /version": {"Experimental": "the description leaves it out where it is false, and nothing is experimental"},
    "GET /volumes": volume("Volumes[]."), "POST /volumes/create": volume(), "GET /volumes/{name}": volume(),
    "GET /networks": {"[].Peers": SWARM},
    "GET /networks/{id}": {"Peers": SWARM, "Services": SWARM},
    "GET /distribution/{name}/json": {
        **descriptor("Descriptor", "platform", "platform.architecture", "platform.os", "platform.os.version", "platform.os.features", "platform.variant"),
        **windows_platform("Platforms[]")},
}
