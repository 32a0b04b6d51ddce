// A reaper that speaks the protocol of testcontainers' own: each line that comes is a set of filters and is answered with ACK;
// when the last connection is gone, and none came for a while, what the filters match is removed through the engine's socket,
// which is mounted into this program's container. The last line that it prints says what it removed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

var engine = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", "/var/run/docker.sock")
}}}

// call asks the engine; an answer is decoded into `into`, if that is not nil.
func call(method, path string, into any) error {
	request, err := http.NewRequest(method, "http://engine"+path, nil)
	if err != nil {
		return err
	}
	answer, err := engine.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// remove removes what the filters match, and gives how many of each kind.
func remove(filters map[string][]string) (containers, networks, volumes, images int, err error) {
	text, _ := json.Marshal(filters)
	query := "?all=1&filters=" + url.QueryEscape(string(text))
	var found, links, pictures []struct{ Id string }
	var kept struct{ Volumes []struct{ Name string } }
	each := func(list string, into any, number func() int, path func(int) string) int {
		if err != nil {
			return 0
		}
		if err = call("GET", list+query, into); err != nil {
			return 0
		}
		for n := range number() {
			if err = call("DELETE", path(n), nil); err != nil {
				return n
			}
		}
		return number()
	}
	containers = each("/containers/json", &found, func() int { return len(found) }, func(n int) string { return "/containers/" + found[n].Id + "?v=1&force=1" })
	networks = each("/networks", &links, func() int { return len(links) }, func(n int) string { return "/networks/" + links[n].Id })
	volumes = each("/volumes", &kept, func() int { return len(kept.Volumes) }, func(n int) string { return "/volumes/" + kept.Volumes[n].Name })
	images = each("/images/json", &pictures, func() int { return len(pictures) }, func(n int) string { return "/images/" + pictures[n].Id + "?force=1" })
	return
}

func main() {
	var mutex sync.Mutex
	asked := map[string]map[string][]string{}
	wait := 10 * time.Second
	if text := os.Getenv("RYUK_RECONNECTION_TIMEOUT"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("Started")
	comes, goes := make(chan bool), make(chan bool)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			comes <- true
			go func() {
				for lines := bufio.NewScanner(connection); lines.Scan(); {
					if values, err := url.ParseQuery(lines.Text()); err == nil && len(values) > 0 {
						mutex.Lock()
						asked[lines.Text()] = values
						mutex.Unlock()
						io.WriteString(connection, "ACK\n")
					}
				}
				connection.Close()
				goes <- true
			}()
		}
	}()
	for open, end := 0, time.After(time.Minute); ; {
		select {
		case <-comes:
			open, end = open+1, nil
		case <-goes:
			if open--; open == 0 {
				end = time.After(wait)
			}
		case <-end:
			mutex.Lock()
			for text, filters := range asked {
				containers, networks, volumes, images, err := remove(filters)
				fmt.Printf("%s: removed containers=%d networks=%d volumes=%d images=%d\n", strings.TrimSpace(text), containers, networks, volumes, images)
				if err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
			}
			return
		}
	}
}
