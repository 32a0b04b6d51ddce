/* The layout of the border on LP64, fixed: a field that moves breaks every driver that was ever built. Appending a field
 * changes a size here and nothing else. */
#include <gantry/abi/driver.h>
#include <gantry/abi/layer.h>
#include <gantry/abi/network.h>
#include <gantry/abi/runtime.h>
#include <gantry/abi/volume.h>

#ifdef __cplusplus
#define ASSERT(condition) static_assert(condition, #condition)
#else
#define ASSERT(condition) _Static_assert(condition, #condition)
#endif
#define SIZE(type, bytes) ASSERT(sizeof(type) == (bytes))
#define AT(type, field, bytes) ASSERT(offsetof(type, field) == (bytes))

ASSERT(sizeof(void*) == 8 && sizeof(long) == 8);
ASSERT(sizeof(gantry_op) == 8);
ASSERT(sizeof(gantry_status) == 4);
ASSERT(GANTRY_ABI_MAJOR == 1);

SIZE(gantry_str, 16);
AT(gantry_str, ptr, 0);
AT(gantry_str, len, 8);

SIZE(gantry_host, 80);
AT(gantry_host, size, 0);
AT(gantry_host, abi_minor, 4);
AT(gantry_host, ctx, 8);
AT(gantry_host, log, 16);
AT(gantry_host, reply, 24);
AT(gantry_host, cancelled, 32);
AT(gantry_host, remaining_ms, 40);
AT(gantry_host, in_netns, 48);
AT(gantry_host, spawn, 56);
AT(gantry_host, event, 64);
AT(gantry_host, extension, 72);

SIZE(gantry_driver, 48);
AT(gantry_driver, size, 0);
AT(gantry_driver, self, 8);
AT(gantry_driver, reconcile, 16);
AT(gantry_driver, health, 24);
AT(gantry_driver, close, 32);
AT(gantry_driver, table, 40);

SIZE(gantry_driver_plugin, 48);
AT(gantry_driver_plugin, size, 0);
AT(gantry_driver_plugin, abi_major, 4);
AT(gantry_driver_plugin, abi_minor, 8);
AT(gantry_driver_plugin, flags, 12);
AT(gantry_driver_plugin, name, 16);
AT(gantry_driver_plugin, version, 24);
AT(gantry_driver_plugin, describe, 32);
AT(gantry_driver_plugin, open, 40);

SIZE(gantry_network, 56);
AT(gantry_network, ensure, 8);
AT(gantry_network, remove, 16);
AT(gantry_network, inspect, 24);
AT(gantry_network, attach, 32);
AT(gantry_network, detach, 40);
AT(gantry_network, inspect_endpoint, 48);
SIZE(gantry_network_expose, 16);
AT(gantry_network_expose, expose, 8);
SIZE(gantry_network_stats, 16);
AT(gantry_network_stats, stats, 8);
SIZE(gantry_network_ipam, 40);
AT(gantry_network_ipam, agree, 8);
AT(gantry_network_ipam, ranges, 16);
AT(gantry_network_ipam, claim, 24);
AT(gantry_network_ipam, release, 32);
SIZE(gantry_network_peers, 24);
AT(gantry_network_peers, peers, 8);
AT(gantry_network_peers, announce, 16);

SIZE(gantry_volume, 56);
AT(gantry_volume, ensure, 8);
AT(gantry_volume, remove, 16);
AT(gantry_volume, inspect, 24);
AT(gantry_volume, list, 32);
AT(gantry_volume, publish, 40);
AT(gantry_volume, unpublish, 48);

SIZE(gantry_layer, 104);
AT(gantry_layer, prepare, 8);
AT(gantry_layer, view, 16);
AT(gantry_layer, mounts, 24);
AT(gantry_layer, commit, 32);
AT(gantry_layer, remove, 40);
AT(gantry_layer, stat, 48);
AT(gantry_layer, list, 56);
AT(gantry_layer, usage, 64);
AT(gantry_layer, cleanup, 72);
AT(gantry_layer, apply, 80);
AT(gantry_layer, diff, 88);
AT(gantry_layer, changes, 96);

SIZE(gantry_runtime, 48);
AT(gantry_runtime, create, 8);
AT(gantry_runtime, start, 16);
AT(gantry_runtime, signal, 24);
AT(gantry_runtime, exec, 32);
AT(gantry_runtime, remove, 40);
SIZE(gantry_runtime_warm, 16);
AT(gantry_runtime_warm, seccomp, 8);
SIZE(gantry_runtime_pause, 24);
AT(gantry_runtime_pause, pause, 8);
AT(gantry_runtime_pause, resume, 16);
SIZE(gantry_runtime_stats, 24);
AT(gantry_runtime_stats, stats, 8);
AT(gantry_runtime_stats, pids, 16);
SIZE(gantry_runtime_update, 16);
AT(gantry_runtime_update, update, 8);

/* Codes are numbers on the wire between processes too. */
ASSERT(GANTRY_OK == 0 && GANTRY_INVALID == 1 && GANTRY_NOT_FOUND == 2 && GANTRY_CONFLICT == 3 &&
       GANTRY_PRECONDITION == 4);
ASSERT(GANTRY_BUSY == 5 && GANTRY_RETRY_LATER == 6 && GANTRY_UNSUPPORTED == 7 && GANTRY_EXHAUSTED == 8 &&
       GANTRY_DEADLINE == 9);
ASSERT(GANTRY_CANCELLED == 10 && GANTRY_DENIED == 11 && GANTRY_CORRUPT == 12 && GANTRY_INTERNAL == 13);
