// Package connect chooses what the examples talk to.
package connect

import (
	"fmt"
	"io"
	"os"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// Client returns a client of the real API when RUNLOOP_API_KEY is set, and otherwise
// of a fake that it starts on the loopback address. It says which on out. The
// function that it returns ends the connection.
func Client(out io.Writer, fake ...runlooptest.Option) (*runloop.Client, func(), error) {
	if os.Getenv("RUNLOOP_API_KEY") != "" {
		client, err := runloop.NewClient() // RUNLOOP_API_KEY, RUNLOOP_BASE_URL
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprint(out, "RUNLOOP_API_KEY is set: this is the real API.\n\n")
		return client, client.CloseIdleConnections, nil
	}
	server := runlooptest.NewServer(fake...)
	client, err := server.Client()
	if err != nil {
		server.Close()
		return nil, nil, err
	}
	fmt.Fprintf(out, "RUNLOOP_API_KEY is not set: this is a fake API, at %s.\n\n", server.URL)
	return client, server.Close, nil
}
