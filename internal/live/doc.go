// Package live tries the real API: whether the SDK keeps its promises there, and whether
// the API behaves as the fake of package runlooptest assumes. With an account,
//
//	RUNLOOP_LIVE_TEST=1 RUNLOOP_API_KEY=... go test ./internal/live -run RealAPI -v -count=1 -record record.md
//
// runs against the API that [runloop.NewClient] reaches: RUNLOOP_BASE_URL applies too.
// Without RUNLOOP_LIVE_TEST=1, the test is skipped and sends nothing, whether or not there
// is an API key in the environment.
//
// The result is a table, in the log and in the file that -record names (a relative path is
// below this folder). A promise of the SDK that is not kept fails the test: the SDK has a
// bug, or has to follow a change of the API. An assumption of the fake that does not hold
// fails nothing, because the SDK works either way. The results are:
//
//   - passed: the API shows what the fake shows.
//   - differs: it shows something else, which the row has.
//   - failed: the check could not be made, for the reason that the row has.
//   - not tried: it needs -devbox, or an account that has more policies, or a person.
//
// If a row differs, change the fake to show what the API shows, and the row with it:
// TestTheFakeIsAsAssumed compares the two. If both behaviors are useful, the fake gets an
// option, and the new one is the default. The record has no key and nothing about policies
// of others. It quotes messages of the API, so read it before you publish it.
//
// A run creates policies whose names begin with "runloop-go-live-", at most seven at a time,
// and deletes them again, also after an error or an interrupt. It changes nothing that it did
// not create, and reports what it could not delete. It sends about 200 requests.
//
// With -devbox it also launches devboxes, which cost money: at most two, of the smallest
// size, that live five minutes at most. One is shut down before the next is launched, and
// all are at the end, including one whose create had no response: it is found by its name.
//
// Not tried is what cannot be asked politely, or not through the SDK: an account without
// the capability, or at its limit of policies; a create without a name, which could not be
// found again if it was accepted; bodies that are malformed, too large or of another type.
package live
