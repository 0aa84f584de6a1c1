package server

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// A Protocol is a way to talk to the server.
type Protocol string

// Each protocol has a listener of its own.
const (
	HTTP1 Protocol = "HTTP/1.1"
	TLS   Protocol = "HTTP/1.1, TLS"
	HTTP2 Protocol = "HTTP/2, TLS"
)

// Protocols are all of them.
var Protocols = []Protocol{HTTP1, TLS, HTTP2}

// An Address is what the server says of itself when it is up.
type Address struct {
	URLs        map[Protocol]string
	Certificate []byte // DER, of the TLS listeners
}

// Serve runs the server until the commands end. It writes its Address, then, for
// every line that it reads, the number of connections opened so far.
func Serve(commands io.Reader, answers io.Writer) error {
	handler := NewHandler()
	address := Address{URLs: map[Protocol]string{}}
	opened := map[Protocol]*atomic.Int64{}
	for _, protocol := range Protocols {
		count := new(atomic.Int64)
		s := httptest.NewUnstartedServer(handler)
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				count.Add(1)
			}
		}
		// A burst dials connections that it then does not need, and drops them.
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.EnableHTTP2 = protocol == HTTP2
		if protocol == HTTP1 {
			s.Start()
		} else {
			s.StartTLS()
			address.Certificate = s.Certificate().Raw
		}
		defer s.Close()
		address.URLs[protocol], opened[protocol] = s.URL, count
	}

	answer := json.NewEncoder(answers)
	if err := answer.Encode(address); err != nil {
		return err
	}
	lines := bufio.NewScanner(commands)
	for lines.Scan() {
		counts := map[Protocol]int64{}
		for protocol, count := range opened {
			counts[protocol] = count.Load()
		}
		if err := answer.Encode(counts); err != nil {
			return err
		}
	}
	return lines.Err()
}
