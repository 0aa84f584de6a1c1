// Package contract checks the SDK, and the fake API that it is tested with, against OpenAPI
// documents. It is a module of its own, so that users of the SDK do not need what it
// requires.
//
// Run it in this directory:
//
//	go test ./...
//
// A [Transport] stands between the SDK and the fake and validates every request and every
// response. It refuses what the document does not have: fields of bodies, query
// parameters, headers and statuses. A [Recorder] collects what the traffic exercised, and
// the tests fail if that leaves out an operation, a parameter, a documented status, or a
// place in a body. Each operation also has its call of the SDK in a table, each property
// its field, and each error status its sentinel.
//
// There are two documents. openapi.yaml is version 0.1 for network policies, byte for byte
// as it was published, and never edited. today.yaml describes the API as it is today:
// policies with what was added since, and the operations for devboxes that the SDK uses. A
// test requires that it contains version 0.1. Calls that version 0.1 has are checked
// against both.
//
// # Runloop's own client
//
// The folder typescript has the other proof that the fake is faithful: Runloop's own client
// for TypeScript, as it was published, does all that it can do to network policies, and
// what it does to devboxes, with the program runloop-fake. The same client is what the
// README compares the SDK with: the rows of that table are in comparison_test.go, each with
// the test that runs its scenario against both clients.
//
// Both are in TestOfficialClient, which installs the client and starts node once. It lists
// what works with
//
//	go test -v -run OfficialClient
//
// Without node and npm, or if npm can't reach its registry, it is skipped. With the
// environment variable CI set, it fails instead.
//
// # When the API grows
//
// Describe what is new in today.yaml. The tests then name what they do not exercise yet. A
// parameter belongs in the settings of the requests, a property in the names as well, and
// an operation in the calls.
package contract
