// Package live tests the SDK against the real API, and compares the API with the fake of package
// runlooptest. With an account,
//
//	RUNLOOP_LIVE_TEST=1 RUNLOOP_API_KEY=... go test ./internal/live -run RealAPI -v -count=1 -record record.md
//
// runs against the API that [runloop.NewClient] reaches: RUNLOOP_BASE_URL applies too.
// Without RUNLOOP_LIVE_TEST=1, the test is skipped and sends nothing, whether or not there
// is an API key in the environment.
//
// The result is a table, in the log and in the file that -record names (a relative path is
// relative to this folder). A broken promise of the SDK fails the test: the SDK has a bug, or
// must follow a change of the API. A wrong assumption of the fake does not fail the test, because
// the SDK works either way. The results are:
//
//   - passed: the API behaves like the fake.
//   - differs: the API behaves differently, as the row shows.
//   - failed: the check could not be made; the row has the reason.
//   - not tried: the check needs -devbox, or an account with more policies, or a person.
//
// If a row differs, change the fake to behave like the API, and the expectation of the row:
// TestTheFakeIsAsAssumed compares the two. If both behaviors are useful, give the fake an option
// whose default is the new behavior. The record contains no key and nothing about other programs'
// policies. It quotes messages of the API, so read it before you publish it.
//
// A run creates policies whose names begin with "runloop-go-live-", at most seven at a time,
// and deletes them again, also after an error or an interrupt. It changes nothing that it did
// not create, and reports what it could not delete. It sends about 200 requests.
//
// With -devbox it also launches devboxes, which cost money: at most two, of the smallest size,
// with a maximum lifetime of five minutes. Each is shut down before the next is launched. At the
// end, all are shut down, including one whose create had no response, which is found by its name.
//
// Some behavior is not tested, because a test would burden the API or need more than the SDK: an
// account without the capability or at its policy limit; a create without a name, whose policy
// could not be found again; bodies that are malformed, too large or of another type.
package live
