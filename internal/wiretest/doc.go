// Package wiretest is the other end of a client's connections, for tests: what
// happens on them is written down step by step, to the byte.
//
// A [Server] lives in a bubble of testing/synctest. Its connections are pipes in
// memory, so an hour of waiting takes no time, and the time of each request can be
// asserted exactly:
//
//	synctest.Test(t, func(t *testing.T) {
//		server := wiretest.NewServer(t,
//			wiretest.Refuse(),
//			wiretest.Reply(503, `{"message":"busy"}`),
//			wiretest.Reply(200, `{"id":"npol_1"}`),
//		)
//		client := newClient(server.Client())
//		...
//		assert.Len(t, server.Requests(), 2)
//	})
//
// Client and server must be made inside the bubble, with its t, and its t.Context
// is the one to use. A step that nothing came for fails the test, and so does a
// request that has no step. A goroutine or a connection that the client leaks makes
// the bubble panic.
//
// Pipes know no reset, and sockets must stay out of a bubble: [Loopback] is for
// tests that need real ones.
package wiretest
