// Package wiretest scripts the other end of a client's connections, byte by byte.
//
// A [Server] runs in a bubble of testing/synctest. Its connections are pipes in memory,
// so waiting takes no real time, and a test can assert the exact time of each request:
//
//	synctest.Test(t, func(t *testing.T) {
//		server := wiretest.NewServer(t,
//			wiretest.Refuse(),
//			wiretest.Reply(503, `{"message":"busy"}`),
//			wiretest.Reply(200, `{"id":"npol_1"}`),
//		)
//		client := newClient(&http.Client{Transport: server.Transport})
//		...
//		assert.Len(t, server.Requests(), 2)
//	})
//
// Create client and server inside the bubble, and use the t and t.Context of the bubble.
// The test fails if a step is left over, or if a request has no step. The bubble panics
// if the client leaks a goroutine or a connection.
//
// Pipes have no reset, and a bubble must not use sockets. [Loopback] is for tests that
// need a real socket.
package wiretest
