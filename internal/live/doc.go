// Package live tries the real API: whether the SDK keeps its promises there, and whether
// the API behaves as the fake of package runlooptest assumes.
//
// With an account,
//
//	RUNLOOP_LIVE_TEST=1 RUNLOOP_API_KEY=... go test ./internal/live -run RealAPI -v -record record.md
//
// runs against the API that [runloop.NewClient] reaches: RUNLOOP_BASE_URL applies too.
// Without RUNLOOP_LIVE_TEST=1, TestRealAPI is skipped and sends nothing, whether or not
// there is an API key in the environment.
//
// The result is a table with a row for each check. A promise of the SDK that is not kept
// fails the test: the SDK has a bug, or has to follow a change of the API. An assumption of
// the fake that does not hold fails nothing, because the SDK works either way:
//
//   - passed: the API shows what the fake shows.
//   - differs: it shows something else, which the row has.
//   - failed: the check could not be made, for the reason that the row has.
//   - not tried: it needs -devbox, or an account that has more policies, or a person.
//
// The flag -record names the file for the record, a Markdown table. A relative path is below
// this package's folder. Without -record, add -count=1: go test caches a run that passed.
// The record has no key and nothing about policies of others. It quotes messages of the
// API, so read it before you publish it.
//
// If a row differs, change the fake to show what the API shows, and the row with it:
// TestTheFakeIsAsAssumed compares the two, and runs without a key. If both behaviors are
// useful, the fake gets an option, and the new one is the default.
//
// # What a run does to the account
//
// It creates policies whose names begin with "runloop-go-live-", the time and a random word,
// at most seven at a time, and deletes them again, also when a check fails and after an
// interrupt. It changes nothing that it did not create. What could not be deleted is
// reported with its name and ID. A run sends about 200 requests.
//
// With -devbox it also launches devboxes, which cost money: two, or fewer if the API accepts
// launches that the fake refuses. They are of the smallest size and live five minutes at
// most. One is shut down before the next is launched, and all are at the end, including one
// whose create had no response: it is found by its name.
//
// Not tried is what cannot be asked politely, or not through the SDK: an account without
// the capability, or at its limit of policies; a create without a name, which could not be
// found again if it was accepted; bodies that are malformed, too large or of another type.
package live
