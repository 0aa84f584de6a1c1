package faults

import (
	"context"
	"io"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Connections: what calls open, keep, and leave alone. The retry library below closes
// every idle connection after each call that failed; nothing of that may get through.

// ownPool returns a client that reaches a server on a socket by its own connections.
func ownPool(t testing.TB, server *wiretest.Loopback, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append([]runloop.Option{runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(server.URL)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// The bubble panics if a goroutine is left.
func Test108NothingLeaksOverAllFaults(t *testing.T) {
	for _, call := range calls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			var open atomic.Int32
			next := 0
			server, _ := faultyServer(t, func(*http.Request) strike {
				next++
				return strike{&lostAnswers[next%len(lostAnswers)], true}
			})
			server.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := server.DialContext(ctx, network, address)
				open.Add(1)
				return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { open.Add(-1) })}, err
			}
			client := clienttest.NewWireClient(t, server)

			for range lostAnswers {
				_, err := call.Policy(t.Context(), client)
				require.Error(t, err)
			}

			synctest.Wait()
			assert.LessOrEqual(t, open.Load(), int32(1), "one call at a time needs one connection")
			server.Transport.CloseIdleConnections()
			synctest.Wait()
			assert.Zero(t, open.Load())
		}))
	}
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// After 256 calls at once, which make a connection each, one in fifty of 5,000 more
// fails: with an error status, every sixth with its connection. They are 200 at once, so
// that no lost connection is missed: for one that is, net/http dials several times.
func Test109ConnectionsUnderLoad(t *testing.T) {
	t.Parallel()
	const goroutines = 256
	var requests atomic.Int32
	all := make(chan bool) // have their first connection
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, _ *http.Request) {
		n := requests.Add(1)
		if n == goroutines {
			close(all)
		}
		<-all
		switch {
		case n%300 == 0:
			panic(http.ErrAbortHandler)
		case n%50 == 0:
			w.WriteHeader(http.StatusInternalServerError)
		default:
			_, _ = io.WriteString(w, policyJSON)
		}
	})
	client := ownPool(t, server, runloop.WithMaxRetries(0)) // so that no call waits
	calls := func(n int) int {
		failed := 0
		for range n {
			// A PUT is neither repeated by net/http nor looked up.
			if err := client.Do(t.Context(), http.MethodPut, clienttest.PolicyPath, struct{}{}, new(any)); err != nil {
				failed++
			}
		}
		return failed
	}

	first := atOnce(goroutines, func(int, runloop.Option) int { return calls(1) })
	failed := atOnce(200, func(int, runloop.Option) int { return calls(25) })

	total := 0
	for _, n := range append(first, failed...) {
		total += n
	}
	assert.Equal(t, (goroutines+200*25)/50, total)
	assert.Equal(t, goroutines, server.Conns(), "connections")
}

func Test110CloseDuringCallsAndCallsAfterClose(t *testing.T) {
	t.Parallel()
	arrived, proceed := make(chan bool), make(chan bool)
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- true
		<-proceed
		_, _ = io.WriteString(w, policyJSON)
	})
	client := ownPool(t, server)
	call := func() chan error {
		end := make(chan error, 1)
		go func() {
			_, err := clienttest.GetCall.Policy(t.Context(), client)
			end <- err
		}()
		<-arrived
		return end
	}

	during := call()
	client.CloseIdleConnections()
	proceed <- true
	require.NoError(t, <-during, "the connection is not idle")

	client.CloseIdleConnections()
	after := call()
	proceed <- true
	require.NoError(t, <-after)
	assert.Equal(t, 2, server.Conns(), "a call after that dials afresh")
}

func Test111TheCallersHTTPClientIsLeftAlone(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		reply := wiretest.Reply(200, policyJSON)
		server := wiretest.NewServer(t, reply, wiretest.Refuse().Times(4), reply, reply)
		callers := server.Client()
		callers.Timeout = time.Minute
		getAsCaller := func() {
			resp, err := callers.Get("http://127.0.0.1/of-the-caller")
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		getAsCaller() // this sets the transport up, and leaves a connection
		client, transport := fieldsOf(callers), fieldsOf(server.Transport)

		sdk := clienttest.NewClientOver(t, nil, runloop.WithHTTPClient(callers), runloop.WithBaseURL("http://127.0.0.2"))
		_, failed := clienttest.UpdateCall.Policy(t.Context(), sdk)
		_, err := clienttest.GetCall.Policy(t.Context(), sdk)
		sdk.CloseIdleConnections()
		getAsCaller()

		require.Error(t, failed)
		require.NoError(t, err)
		assert.Equal(t, client, fieldsOf(callers))
		assert.Equal(t, transport, fieldsOf(server.Transport))
		var conns []int
		for _, r := range server.Requests() {
			conns = append(conns, r.Conn)
		}
		assert.Equal(t, []int{1, 6, 1}, conns, "the caller's connection, the SDK's, and the caller's again")
	})(t)
}

// fieldsOf returns the exported fields of the struct that s points to, functions by
// their address.
func fieldsOf(s any) map[string]any {
	fields := map[string]any{}
	for field, value := range reflect.ValueOf(s).Elem().Fields() {
		switch {
		case !field.IsExported():
		case field.Type.Kind() == reflect.Func:
			fields[field.Name] = value.Pointer()
		default:
			fields[field.Name] = value.Interface()
		}
	}
	return fields
}
