// Package runlooptest is a fake of the Runloop API for network policies and devboxes.
// It tests programs that use the API, without an account and without a network, and
// with fault injection.
//
// # Testing a program
//
// A test starts a server, lets the program use it, and then checks the account:
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
//			t.Errorf("the devbox uses policy %q", got)
//		}
//		if left := server.Running(); len(left) > 0 {
//			t.Errorf("%d devboxes still run", len(left))
//		}
//	}
//
// The server is in memory. [NewLoopbackServer] is the same on a real port, and
// [NewServer] is for programs that are not tests. [New] returns the bare
// [http.Handler].
//
// [WithPolicies], [API.AddPolicy] and [API.AddDevbox] set up the account.
// [API.Policies], [API.Devboxes] and [API.Running] return its current state, and
// [API.Requests] returns what was sent.
//
// # Bubbles
//
// A server in memory works inside a [testing/synctest] bubble, where retries, delays,
// startups and timeouts take no time. Time moves on only while every goroutine of the
// bubble is blocked in a way that the bubble can see, so three rules apply:
//
//   - Create the server and its clients inside the bubble, with the bubble's t, and use
//     the t.Context of that t. What was created outside belongs to no bubble, and its
//     use panics or hangs.
//   - Hold no [sync.Mutex] during a call. A goroutine that waits for a mutex is not
//     blocked as far as the bubble is concerned, so time stands still and the test
//     hangs. A channel with a buffer of one does the same job and is fine.
//   - Use no sockets: [NewLoopbackServer] and [NewServer] do not work in a bubble.
//
// # Devboxes
//
// The response to a launch shows a devbox that is "provisioning". It is "running" from
// the next look on. A look is a get, a wait for its status, or a list of devboxes,
// whether or not the list shows it. With [WithStartup], time moves it on instead.
// [API.ScriptDevboxes] scripts devboxes that fail, get stuck, end on their own, or do
// not get the policy that they were launched with:
//
//	server.ScriptDevboxes(
//		runlooptest.DevboxScript{Statuses: []string{"queued"}},
//		runlooptest.DevboxScript{Statuses: []string{"provisioning", "failure"}, FailureReason: "out_of_memory"},
//		runlooptest.DevboxScript{Echo: new(""), EchoFrom: 2}, // the create shows the policy, later responses do not
//	)
//
// # Faults
//
// [API.Inject] scripts what the next requests of an operation meet. A create whose
// response is lost, although the policy was created:
//
//	server.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
//
// [Before] runs something as the request arrives, such as another program's delete:
//
//	server.Inject(runlooptest.CreateDevbox, runlooptest.Before(func() { deletePolicy(id) }))
//
// A fault that never fired fails the test, because the test did not exercise it. So
// does a devbox script that no launch took. [WithRandomFaults] injects faults at a
// rate, from a seed.
//
// # Programs in other languages
//
// The command runloop-fake is the fake as a program, with a flag for each behavior:
//
//	go run github.com/runloop-community/runloop-go/cmd/runloop-fake@latest -policies 50
//
// Runloop's clients find it by their environment:
//
//	RUNLOOP_BASE_URL=http://127.0.0.1:8787 RUNLOOP_API_KEY=any-key
//
// Servers speak HTTP/1.1 and HTTP/2, both without TLS. Runloop's client for
// TypeScript uses HTTP/2.
//
// # What the fake does
//
// It has the five calls for network policies, and for devboxes: launch, also at
// create_and_await_running, list, get, wait_for_status and shut down. It follows the
// API's description and the tests that Runloop runs against the live API, and is
// strict: bodies for policies with unknown, duplicate or mistyped fields are refused
// with 400.
//
//   - An update sets the fields that it has, replaces lists whole, and keeps what is
//     null.
//   - allow_all turns allow_devbox_to_devbox on, which then stays on.
//   - Names are unique; [WithConflictStatus] sets the response to a taken name.
//   - An account has at most 100 policies; [WithPolicyLimit] sets another limit.
//   - A policy can't be deleted while an active devbox uses it: one that neither
//     failed nor was shut down.
//   - Lists have 20 items unless limit is set, 5000 at most.
//   - Devboxes that have ended stay listed. A second shutdown changes nothing.
//   - A launch from an unknown policy, or from more than one of blueprint_id,
//     blueprint_name and snapshot_id, is refused with 400.
//   - A network_policy_id outside of the launch parameters is ignored, and protects
//     nothing.
//   - wait_for_status holds a request for timeout_seconds, 10 by default and 30 at
//     most, and then responds 408.
//   - Every response has a Date by the clock of the API.
//
// Where the API's behavior is undocumented, the fake picks the stricter or simpler
// one:
//
//   - IDs count up from npol_000001 and dbx_000001, so that the output of tests and
//     examples is stable.
//   - The filters name and search match parts in either case, id matches whole IDs.
//     Unknown parameters are ignored. An unknown starting_after, invalid values and
//     repeated parameters are refused with 400.
//   - Requests are not deduplicated by x-request-id: a policy that is created twice
//     finds its name taken, and a devbox that is launched twice is two devboxes.
//   - Every response has an X-Runloop-Request-Id of its own. Error bodies have a
//     message, which is what to rely on, and a code in error, which is the fake's.
//   - Of host names it refuses only blanks, control characters and a wildcard that is
//     not in the first label. CIDRs and ports are checked in full.
//   - A body has to be application/json (415) and at most 1 MiB (413). Paths have to
//     match exactly: others are 404 and never redirected.
//   - An unknown devbox is refused with 400, as by the live API, and never with 404.
//   - A wait for a status is one look, or as many as it takes to reach the status.
//   - A shutdown of a failed devbox leaves it failed.
//   - Unknown fields of a launch are ignored, and unknown launch parameters are shown
//     as they are.
package runlooptest
