// Package clienttest is what the tests of the client share: clients to test with, the
// calls of the network policies, answers of the API, and checks of errors and waits.
//
// There are two kinds of servers for a test. An [API] answers by method and path and
// keeps the requests: it is for what is sent, and for what becomes of an answer. A
// wiretest.Server, to which [NewWireClient] connects, is for what happens on a
// connection, and for when it happens.
package clienttest
