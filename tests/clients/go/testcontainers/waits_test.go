package testcontainers

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	tc "github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

func server(t *testing.T, before string, strategy wait.Strategy) *tc.DockerContainer {
	t.Helper()
	return started(t, shell(before+serve), tc.WithExposedPorts("8080/tcp"), tc.WithWaitStrategy(strategy))
}

func TestForLog(t *testing.T) {
	container := server(t, "echo one; echo one; ", wait.ForAll(wait.ForLog("one").WithOccurrence(2), wait.ForLog("(?m)^serv.*$").AsRegexp()))
	for end := time.Now().Add(20 * time.Second); page(t, container) != "hello\n"; {
		if time.Now().After(end) {
			t.Fatal(page(t, container))
		}
	}
}

func TestForHTTP(t *testing.T) {
	container := server(t, "sleep 0.5; ", wait.ForHTTP("/index.html").WithPort("8080/tcp").WithStatusCodeMatcher(func(status int) bool { return status == 200 }).
		WithResponseMatcher(func(body io.Reader) bool {
			text, err := io.ReadAll(body)
			return err == nil && string(text) == "hello\n"
		}))
	equal(t, page(t, container), "hello\n")
}

func TestForPorts(t *testing.T) {
	for _, strategy := range []wait.Strategy{wait.ForListeningPort("8080/tcp"), wait.ForExposedPort()} {
		equal(t, page(t, server(t, "sleep 0.5; ", strategy)), "hello\n")
	}
}

func TestForExec(t *testing.T) {
	container := started(t, shell("sleep 0.3; echo ready > /ready; exec sleep 1000"), tc.WithWaitStrategy(wait.ForExec([]string{"cat", "/ready"}).
		WithResponseMatcher(func(body io.Reader) bool {
			text, err := io.ReadAll(body)
			return err == nil && strings.Contains(string(text), "ready\n")
		})))
	equal(t, output(t, container, "cat", "/ready"), "ready")
}

func TestForHealthCheck(t *testing.T) {
	checked := tc.WithConfigModifier(func(config *container.Config) {
		config.Healthcheck = &container.HealthConfig{Test: []string{"CMD-SHELL", "test -f /www/index.html"}, Interval: 100 * time.Millisecond, Retries: 50}
	})
	c := started(t, shell("sleep 0.3; "+serve), tc.WithExposedPorts("8080/tcp"), checked, tc.WithWaitStrategy(wait.ForHealthCheck()))
	equal(t, string(need(c.State(limited(t)))(t).Health.Status), "healthy")
}

func TestForFileAndForExit(t *testing.T) {
	container := started(t, shell("sleep 0.3; echo ready > /ready; exec sleep 1000"), tc.WithWaitStrategy(wait.ForFile("/ready").WithMatcher(func(r io.Reader) error {
		text, err := io.ReadAll(r)
		equal(t, string(text), "ready\n")
		return err
	})))
	equal(t, container.IsRunning(), true)
	ended := started(t, shell("sleep 0.3; exit 3"), tc.WithWaitStrategy(wait.ForExit()))
	equal(t, need(ended.State(limited(t)))(t).ExitCode, 3)
}

// One that ends before it is ready is told of, with how it ended, and not waited for.
func TestOneThatEnds(t *testing.T) {
	container, err := tc.Run(limited(t), image, shell("echo nothing; exit 9"), tc.WithWaitStrategy(wait.ForLog("never")))
	tc.CleanupContainer(t, container)
	if err == nil || !strings.Contains(err.Error(), "container exited with code 9") {
		t.Fatal(err)
	}
}
