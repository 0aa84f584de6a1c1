// Package live tries the real API. It holds what the SDK promises against it, and
// asks it whether it behaves as the fake of package runlooptest assumes.
//
// With an account,
//
//	RUNLOOP_LIVE_TEST=1 RUNLOOP_API_KEY=... go test ./internal/live -run RealAPI -v -record record.md
//
// runs against the API that [runloop.NewClient] reaches: RUNLOOP_BASE_URL applies too.
// Without RUNLOOP_LIVE_TEST=1, TestRealAPI is skipped and nothing is sent, whether or not
// there is an API key in the environment.
//
// The test has two parts. What the SDK promises, the contract, is asserted: a
// failure there is a fault of the SDK, or a change of the API that it has to follow.
// What only the fake assumes is recorded: a row that differs fails nothing, because
// the SDK is to work either way. Each row has one of these results:
//
//   - passed: the API shows what the fake shows.
//   - differs: it shows something else, which the row tells.
//   - failed: the check could not be made, for the reason that the row tells.
//   - not tried: the check needs a devbox and there is no -devbox, or the account
//     gives no occasion for it.
//
// The flag -record names the file that the record is written to, as a Markdown
// table. A path that is not absolute is below this package's folder, where tests
// run. Without -record, add -count=1: go test repeats the outcome of a run that
// passed.
//
// # What to do with the record
//
// Run the test and look at the rows that differ. Change the fake to show what the
// API shows, and the row here with it: TestTheFakeIsAsAssumed holds the two
// together, and runs without a key. Where both behaviours are to be had, the fake
// gets an option, and the new one is the default. A row that differs and that users
// can notice belongs into the documentation of runlooptest as well.
//
// The record has no key and nothing about policies of others. It quotes what the
// API says in refusals, so read it before you publish it.
//
// # What a run does to the account
//
// It makes policies whose names begin with "runloop-go-live-", the time and a random
// word, at most six at a time, and deletes them again: also when a check fails, and
// after an interrupt. It changes nothing that it did not make. What could not be
// deleted is reported with its name and ID. A run sends some 160 requests, one after
// the other, but for the eight that ask for one policy at once.
//
// With -devbox it also launches devboxes, which cost money, and shuts them down: one
// if the API is as assumed, three if it accepts launches that the fake refuses.
//
// Not tried is what cannot be asked politely, or not through the SDK: an account
// without the capability, or at its limit of policies; a create without a name, which
// could not be found again if it was accepted; bodies that are malformed, too large or
// of another type; a second devbox, launched at create_and_await_running.
package live
