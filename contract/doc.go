// Package contract checks the SDK, and the fake API that it is tested with, against OpenAPI
// documents. It is a module of its own, so that users of the SDK do not need its requirements.
//
// Run it in this directory:
//
//	go test ./...
//
// A [Transport] between the SDK and the fake validates every request and every response. It
// reports fields of bodies, query parameters, headers and statuses that the document does not
// have. A [Recorder] collects what the traffic exercised, and the tests fail if that leaves out
// an operation, a parameter, a documented status, or a place in a body. Each operation also has
// its method of the SDK in a table, each property its field, and each error status its sentinel.
//
// There are two documents. openapi.yaml is version 0.1 for network policies, byte for byte as it
// was published, and is never edited. today.yaml describes the API as it is today: policies with
// what was added since, and the operations for devboxes that the SDK uses. A test requires that
// it contains version 0.1. Calls that version 0.1 has are checked against both.
//
// # Runloop's own client
//
// The folder typescript has other evidence that the fake behaves like the API: Runloop's own
// client for TypeScript, as it was published, makes all of its calls for network policies, and
// most of its calls for devboxes, to the fake. The README compares the SDK with the same client:
// the rows of that table are in comparison_test.go, each with the test that runs its scenario
// against both clients.
//
// Both are in TestOfficialClient, which installs the client and starts node once. To list its
// subtests, run
//
//	go test -v -run OfficialClient
//
// Without node and npm, or if npm can't reach its registry, the test is skipped. If the
// environment variable CI is set, it fails instead.
//
// # When the API grows
//
// Describe what is new in today.yaml. The tests then name what they do not exercise yet. A
// parameter or a property belongs in the tables of fields, and an operation in the calls.
package contract
