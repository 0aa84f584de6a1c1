// Package runlooptest is a fake of the Runloop Network Policies API. It tests
// programs that use the API without an account and without a network, and with
// the faults that the real API shows when no test is running.
//
// # Testing a program
//
// A test starts a server, lets the program use it, and looks at what has become
// of the account:
//
//	func TestLaunch(t *testing.T) {
//		server := runlooptest.NewTestServer(t)
//		client, err := server.Client()
//		if err != nil {
//			t.Fatal(err)
//		}
//		if err := launch(t.Context(), client, "github.com"); err != nil {
//			t.Fatal(err)
//		}
//		if got := server.Devboxes()[0].NetworkPolicyID; got != server.Policies()[0].ID {
//			t.Errorf("the devbox has policy %q", got)
//		}
//	}
//
// The server is in memory and works inside a [testing/synctest] bubble, where
// retries, delays and timeouts take no time. [NewLoopbackServer] is the same on a
// real port, and [NewServer] is for programs that are not tests. [New] is the bare
// [http.Handler].
//
// [WithPolicies] and [API.AddPolicy] set up what the account has, [API.Policies]
// and [API.Devboxes] say what it has now, and [API.Requests] says what was sent.
//
// # Faults
//
// [API.Inject] scripts what the next requests of an operation meet. A create whose
// answer gets lost, though the policy is made:
//
//	server.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
//
// A fault that never fired fails the test, because such a test has shown nothing.
// [WithRandomFaults] makes faults at a rate, from a seed.
//
// # Programs in other languages
//
// The command runloop-fake is the fake as a program of its own:
//
//	go run github.com/runloop-community/runloop-go/cmd/runloop-fake@latest -policies 50
//
// A program finds it by its environment, if it uses one of Runloop's clients:
//
//	RUNLOOP_BASE_URL=http://127.0.0.1:8787 RUNLOOP_API_KEY=any-key
//
// Servers speak HTTP/1.1 and HTTP/2, both without TLS. Runloop's client for
// TypeScript uses HTTP/2.
//
// # What the fake does
//
// It has the five calls for network policies and three for devboxes: launch, at
// create_and_await_running too, get and shut down. It does what the API's
// description and the tests that Runloop runs against the live API say, and is
// strict: members of a body that are unknown, duplicate or of the wrong type are
// answered with 400.
//
//   - An update sets what it has, replaces lists whole, and keeps what is null.
//   - allow_all turns allow_devbox_to_devbox on, and that stays on afterwards.
//   - Names are unique; WithConflictStatus says how a taken name is answered.
//   - A policy can't be deleted while a devbox has it that is not shut down.
//   - Lists have 20 items unless limit says otherwise, 5000 at most.
//
// Where nobody says what the API does, the fake does what asks more of a client,
// or what is plainest:
//
//   - Ids count up, npol_000001 and dbx_000001 being the first, so that the
//     output of tests and examples stays the same.
//   - The filters name and search match parts in either case, id matches whole
//     ids. Unknown parameters are ignored; a starting_after that no policy has,
//     values that can't be read and parameters sent twice are answered with 400.
//   - Requests are not deduplicated by x-request-id: a create that is sent twice
//     finds its name taken.
//   - Every answer has an X-Runloop-Request-Id of its own. Error bodies have a
//     message, which is what to go by, and a word in error, which is the fake's.
//   - Of host names it refuses only blanks, control characters and a wildcard
//     that is not in the first label. CIDRs and ports are checked in full.
//   - A body has to be application/json (415) and at most 1 MiB (413). Paths that
//     are not to the letter are answered with 404 and never with a redirect.
//   - Devboxes run at once. What a launch says besides name, metadata and launch
//     parameters is ignored, but a network_policy_id outside of the launch
//     parameters is answered with 400: it would protect nothing. The body of a
//     shutdown is not looked at.
package runlooptest
