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
// relative to this folder). A broken promise of the SDK fails the test: the SDK has a bug, or has
// to follow a change of the API. A wrong assumption of the fake fails nothing, because the SDK
// works either way. The results are:
//
//   - passed: the API shows what the fake shows.
//   - differs: it shows something else, which is in the row.
//   - failed: the check could not be made, for the reason in the row.
//   - not tried: it needs -devbox, or an account with more policies, or a person.
//
// If a row differs, change the fake to show what the API shows, and the row with it:
// TestTheFakeIsAsAssumed compares the two. If both behaviors are useful, the fake gets an
// option, and the new one is the default. The record contains no key and nothing about policies of
// other programs. It quotes messages of the API, so read it before you publish it.
//
// A run creates policies whose names begin with "runloop-go-live-", at most seven at a time,
// and deletes them again, also after an error or an interrupt. It changes nothing that it did
// not create, and reports what it could not delete. It sends about 200 requests.
//
// With -devbox it also launches devboxes, which cost money: at most two, of the smallest
// size, that live five minutes at most. One is shut down before the next is launched, and
// all are at the end, including one whose create had no response: it is found by its name.
//
// Some behavior is not tested, because that would burden the API, or needs more than the SDK: an
// account without the capability, or at its limit of policies; a create without a name, which could
// not be found again if it was accepted; bodies that are malformed, too large or of another type.
package live
