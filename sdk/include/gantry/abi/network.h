/* gantry/abi/network.h: networks and their endpoints.
 *
 * Words: NETWORK is the object {"id", "generation", "name", "labels": {}, "options": {}, "internal": bool,
 *   "subnets": [{"subnet": "172.18.0.0/20", "gateway": "172.18.0.1"}, {"subnet": "fd00:1::/64", "gateway": "fd00:1::1"}]}
 *   with one subnet of a family at most, IPv4 first; ENDPOINT is {"id", "generation", "container": {"id", "name"},
 *   "names": ["web", ..], "mac": "02:42:..", "addresses": ["172.18.0.2/20", "fd00:1::2/64"], "options": {}};
 *   "names": what it is called within the network.
 * Every request carries all that it needs, so a driver need not remember anything. Addresses and names are the
 * engine's to give (IPAM is the core's). Deadline class: normal (30 s); inspect: fast (2 s).
 * NETWORK also has "auxiliary": {"router": "172.18.0.9"}: addresses that no endpoint gets, by name. A boolean object option of
 * describe() may have "reserves": NAME: where it is true, the engine keeps an address free as the auxiliary one of that
 * name, where the user gave none. */
#ifndef GANTRY_ABI_NETWORK_H
#define GANTRY_ABI_NETWORK_H
#include <gantry/abi/driver.h>
#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_NETWORK "network/1"
typedef struct gantry_network { /* [one per object] */
    uint32_t size, reserved;

    /* {"network": NETWORK} -> {"interface": "gb-..", "resolver": ["172.18.0.1"], "mtu": 1500,
     *  "host_addresses": ["0.0.0.0", "::"], "direct": ["::"]}.
     * "resolver": addresses at which the engine shall serve names to this network ([]: none). "host_addresses": those
     * at which ports are published that name none, one of a family at most (absent: both of the example). "direct": the
     * families (by their any-address) in which containers are reached at their own addresses (absent: none); there no port of
     * the host is used, and the ports of "expose" have the number 0. Repeatable: the same specification gives the same answer and mends what is broken. */
    gantry_op ensure;

    /* {"network": NETWORK}; already gone is GANTRY_OK; GANTRY_BUSY while endpoints are attached. Repeatable. */
    gantry_op remove;

    /* {"network": NETWORK} -> {"state": "absent"|"partial"|"ready", "message": "...", ...}. Read-only. */
    gantry_op inspect;

    /* {"network", "endpoint", "sandbox": {"id", "kind": "netns"}, "interface": "eth0", "default_gateway": bool,
     *  "fds": ["netns", "netlink"]} -> {"interface": "eth0", "mac", "addresses": [..], "gateway": "172.18.0.1"|"",
     *  "gateway6": "fd00:1::1"|"", "mtu": n,
     *  "host_interface": "..."}. Gives the sandbox an interface, addressed, up and routed. The same sandbox again
     * gives the same answer. "netlink" is absent at times: a bound NETLINK_ROUTE socket made inside the namespace,
     * the driver's alone for this call, which saves it entering. With "mode": "host"|"none" in the answer of a driver that gives no interface. */
    gantry_op attach;

    /* {"network", "endpoint", "sandbox": {"id", "gone": bool}, "fds": ["netns"] unless gone}; must succeed when the
     * namespace or the interface is already gone. Repeatable. */
    gantry_op detach;

    /* {"network", "endpoint"} -> {"state": "absent"|"partial"|"ready", "host_interface": ".."}. Read-only. */
    gantry_op inspect_endpoint;
} gantry_network;

#define GANTRY_NETWORK_EXPOSE "network.expose/1"
typedef struct gantry_network_expose { /* [one per object] */
    uint32_t size, reserved;

    /* {"network", "endpoint", "ports": [{"protocol": "tcp"|"udp"|"sctp", "host_address": "0.0.0.0", "host_port": n,
     *  "container_port": n}]}: from now on exactly these ports of the host lead to the endpoint; "host_port" 0, in a family
     * that is "direct": its own port is open to whoever has a route to it. [] takes all back; the endpoint may be gone then. Repeatable, also while the container runs. */
    gantry_op expose;
} gantry_network_expose;

#define GANTRY_NETWORK_STATS "network.stats/1"
typedef struct gantry_network_stats { /* [any thread] */
    uint32_t size, reserved;

    /* {"network", "endpoint"} -> {"rx_bytes","rx_packets","rx_errors","rx_dropped","tx_bytes",...}, as the
     * container sees them. Deadline class fast. */
    gantry_op stats;
} gantry_network_stats;

/* For a network whose hosts have to agree: offered by a driver that has a common store, or knows of one. The engine's IPAM
 * still gives the addresses, each container's own, and keeps them with its other records; the driver says from which it
 * may. Where it is not offered, the engine chooses the subnet, and every address of it is the engine's to give. */
#define GANTRY_NETWORK_IPAM "network.ipam/1"
typedef struct gantry_network_ipam { /* [one per object] */
    uint32_t size, reserved;

    /* {"network": NETWORK, "fixed": bool} -> {"subnets": [{"subnet", "gateway"}]}. Before the first ensure: which subnet the
     * network has on all its hosts. NETWORK has the one that the user ("fixed") or the engine chose: it becomes the network's
     * if no other host has given it one. GANTRY_CONFLICT: it has another, and "fixed". Repeatable. */
    gantry_op agree;

    /* {"network": NETWORK, "more": bool} -> {"ranges": ["10.99.0.64/26"], "except": ["10.99.0.70"]}: the addresses that this
     * engine may give without asking. "more": all of them are taken; the driver adds to them, or answers GANTRY_EXHAUSTED,
     * or GANTRY_RETRY_LATER where it could not ask. What was once in the answer stays this engine's while it is part of
     * the network. */
    gantry_op ranges;

    /* {"network": NETWORK, "address": "10.99.0.70"}: the user chose it for a container. GANTRY_OK: it is this engine's alone
     * until released, wherever it is. GANTRY_DENIED: another host has it. Repeatable. */
    gantry_op claim;

    /* {"network": NETWORK, "address"}: no container of this engine has it any more. Never claimed is GANTRY_OK. Repeatable;
     * the driver sees to it later where its store is away. */
    gantry_op release;
} gantry_network_ipam;

/* For a network that has other hosts: who they are, and what their containers are called. The engine answers for these names
 * too. The driver tells of a change by gantry_host.event: {"type": "network.peers", "id": NETWORK's id}. */
#define GANTRY_NETWORK_PEERS "network.peers/1"
typedef struct gantry_network_peers { /* [one per object] */
    uint32_t size, reserved;

    /* {"network": NETWORK} -> {"peers": [{"host": "..", "address": "10.0.0.2", "state": "ready"|"suspect", "endpoints":
     *  [{"address": "10.99.0.70", "mac": "..", "names": ["web"]}]}], "host": "..", "address": "10.0.0.1", "source": {"source":
     *  "..", "reachable": bool, "message": ".."}}. From memory. Deadline class fast. */
    gantry_op peers;

    /* {"network": NETWORK, "endpoint": ENDPOINT}: an attached endpoint has other names from now on. Repeatable. */
    gantry_op announce;
} gantry_network_peers;

#ifdef __cplusplus
}
#endif
#endif
