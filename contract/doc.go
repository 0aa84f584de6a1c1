// Package contract checks the SDK, and the fake API that it is tested with,
// against the OpenAPI document of the Network Policies API. It is a module of its
// own, so that what it needs for that is not needed by users of the SDK.
//
// Run it in this directory:
//
//	go test ./...
//
// A [Transport] stands between the SDK and the fake and validates every request
// and every response. It refuses what the document does not have: members of
// bodies, query parameters, headers and statuses. A [Recorder] collects what the
// traffic exercised, and the tests fail when that leaves out an operation, a
// parameter, a documented status, or a place in a body of the document. Each
// operation also has its call of the SDK in a table, each property its field, and
// each error status its sentinel.
//
// There are two documents. openapi.yaml is version 0.1, byte for byte as it was
// published: it is not to be edited. overlay.yaml adds what the API has got since
// then, and together they are the live document. Calls without the younger things
// are checked against both, calls with them against the live document alone.
//
// # Runloop's own client
//
// The folder typescript has the other proof that the fake is faithful: Runloop's own
// client for TypeScript, as it was published, does all that it can do to network
// policies with the program runloop-fake. It runs with the tests of this package
// where node and npm are installed, and lists what works with
//
//	go test -v -run TypeScript
//
// The same client is what the README compares the SDK with. TestComparison has the rows
// of that table, and puts the situation of each to both clients, on a server of its own:
// what they send, return and throw, and what the account holds afterwards, has to be what
// the row says. A row is changed here and in the README together.
//
// With the environment variable CI set, both fail where they would be skipped: without
// node, and when npm can't reach its registry.
//
// # When the API grows
//
// Describe what is new in overlay.yaml, as an action whose target is the object to
// extend: its update is merged into the object, and lists are appended to. The
// tests then name what they do not exercise yet. A parameter goes into the
// settings of the requests, a property into the names as well, and an operation
// into the calls.
package contract
