// Package clienttest is what the tests of the client share: clients to test with, the
// calls of the network policies, answers of the API, and checks of errors and waits.
//
// There are two kinds of servers for a test. An [API] answers by method and path and
// keeps the requests: it is for what is sent, and for what becomes of an answer. A
// wiretest.Server, to which [NewWireClient] connects, is for what happens on a
// connection, and for when it happens.
//
// Importing this package unsets the variables that a client reads, so that no test
// depends on the environment or reaches an account. A test that needs one sets it.
package clienttest

import "os"

func init() {
	for _, variable := range []string{"RUNLOOP_API_KEY", "RUNLOOP_BASE_URL", "RUNLOOP_CUSTOM_HEADERS"} {
		if err := os.Unsetenv(variable); err != nil {
			panic(err)
		}
	}
}
