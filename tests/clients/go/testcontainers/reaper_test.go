package testcontainers

import (
	"os"
	"testing"

	tc "github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
)

// What this leaves behind is for the reaper, whose image the test that runs this has made: it says so by REAPER=1.
func TestLeftToTheReaper(t *testing.T) {
	if os.Getenv("REAPER") == "" {
		t.Skip("the test of the reaper runs this")
	}
	ctx := limited(t)
	link := need(network.New(ctx))(t)
	need(tc.Run(ctx, image, tc.WithCmd("sleep", "1000"), network.WithNetwork([]string{"left"}, link), tc.WithMounts(tc.VolumeMount("go-left", "/left"))))(t)
}
