package dockerclient

import (
	"net/netip"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

func TestNetworks(t *testing.T) {
	ctx := limited(t)
	subnet := netip.MustParsePrefix("10.237.43.0/24")
	made := need(docker.NetworkCreate(ctx, "day", client.NetworkCreateOptions{Driver: "bridge", Labels: map[string]string{"a": "b"}, Internal: true,
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet, Gateway: netip.MustParseAddr("10.237.43.1")}}}}))(t)
	t.Cleanup(func() { docker.NetworkRemove(ctx, "day", client.NetworkRemoveOptions{}) })
	if _, err := docker.NetworkCreate(ctx, "day", client.NetworkCreateOptions{}); !cerrdefs.IsConflict(err) {
		t.Fatal(err)
	}
	server := createAs(t, client.ContainerCreateOptions{Name: "server", Config: &container.Config{Cmd: []string{"sleep", "1000"}},
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			"day": {Aliases: []string{"other"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: netip.MustParseAddr("10.237.43.77")}}}},
		HostConfig: &container.HostConfig{NetworkMode: "day"}})
	start(t, server)
	caller := running(t, "sleep", "1000")
	need(docker.NetworkConnect(ctx, "day", client.NetworkConnectOptions{Container: caller, EndpointConfig: &network.EndpointSettings{Aliases: []string{"caller"}}}))(t)
	for _, name := range []string{"server", "other"} {
		out, code := run(t, caller, "nslookup", name)
		equal(t, code, 0)
		holds(t, out, "10.237.43.77")
	}
	found := need(docker.NetworkInspect(ctx, "day", client.NetworkInspectOptions{}))(t).Network
	equal(t, found.ID, made.ID)
	equal(t, found.Internal, true)
	equal(t, found.Labels["a"], "b")
	equal(t, len(found.Containers), 2)
	equal(t, found.Containers[server].Name, "server")
	equal(t, found.Containers[server].IPv4Address.String(), "10.237.43.77/24")
	equal(t, len(inspect(t, caller).NetworkSettings.Networks), 2)
	if _, err := docker.NetworkRemove(ctx, "day", client.NetworkRemoveOptions{}); err == nil {
		t.Fatal("a network in use was removed")
	}
	need(docker.NetworkDisconnect(ctx, "day", client.NetworkDisconnectOptions{Container: caller}))(t)
	_, code := run(t, caller, "nslookup", "server")
	equal(t, code, 1)
	need(docker.ContainerRemove(ctx, server, client.ContainerRemoveOptions{Force: true}))(t)
	report := need(docker.NetworkPrune(ctx, client.NetworkPruneOptions{Filters: make(client.Filters).Add("label", "a=b")}))(t).Report
	equal(t, len(report.NetworksDeleted), 1)
	equal(t, report.NetworksDeleted[0], "day")
	equal(t, len(need(docker.NetworkList(ctx, client.NetworkListOptions{Filters: make(client.Filters).Add("type", "custom")}))(t).Items), 0)
}

func TestPorts(t *testing.T) {
	port := network.MustParsePort("8080/tcp")
	id := create(t, &container.Config{Cmd: []string{"httpd", "-f", "-p", "8080"}, ExposedPorts: network.PortSet{port: {}}},
		&container.HostConfig{PortBindings: network.PortMap{port: {{HostIP: netip.MustParseAddr("127.0.0.1")}}}})
	start(t, id)
	bound := inspect(t, id).NetworkSettings.Ports[port]
	equal(t, len(bound), 1)
	equal(t, bound[0].HostIP.String(), "127.0.0.1")
	if bound[0].HostPort == "" || bound[0].HostPort == "0" {
		t.Fatal(bound)
	}
	listed := need(docker.ContainerList(limited(t), client.ContainerListOptions{}))(t).Items
	equal(t, listed[0].Ports[0].PrivatePort, 8080)
}
