package runlooptest

import (
	"context"
	"net"
	"sync"
)

// A pipeNetwork is a network of one listener whose connections are in memory.
// Unlike sockets, they let the time of a synctest bubble advance while they wait.
type pipeNetwork struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func() // closes closed, once
}

func newPipeNetwork() *pipeNetwork {
	n := &pipeNetwork{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.close = sync.OnceFunc(func() { close(n.closed) })
	return n
}

// DialContext connects to the listener, whatever the address. It refuses the
// connection once the listener is closed.
func (n *pipeNetwork) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	err := ctx.Err() // first, as select takes any of its cases that are ready
	if err == nil {
		client, server := net.Pipe()
		select {
		case n.conns <- server:
			return client, nil
		case <-n.closed:
			err = errRefused
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Addr: pipeAddr{}, Err: err}
}

// Accept returns the server's end of the next connection.
func (n *pipeNetwork) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept fail, and refuses connections from now on.
func (n *pipeNetwork) Close() error {
	n.close()
	return nil
}

// Addr returns an address that only names the network.
func (n *pipeNetwork) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "in memory" }
