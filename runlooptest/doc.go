// Package runlooptest provides a fake of the Runloop API for network policies and
// devboxes. Use it to test programs that call the API: it needs no account and no
// network, keeps its state in memory, and injects faults.
//
// # Testing a program
//
// A test starts a server, runs the program against it, and checks the account:
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
//			t.Errorf("%d devboxes are still running", len(left))
//		}
//	}
//
// [WithPolicies], [API.AddPolicy] and [API.AddDevbox] set up the account.
// [API.Policies], [API.Devboxes] and [API.Running] return its current state, and
// [API.Requests] returns what the program sent.
//
//   - [NewTestServer] serves in memory until the test ends.
//   - [NewLoopbackServer] does the same on a port of 127.0.0.1.
//   - [NewServer] is for programs that are not tests.
//   - [New] returns the [http.Handler] without a server.
//   - The command runloop-fake serves programs in any language.
//
// # Clients and transports
//
// [Server.Client] returns a client that ignores the environment. Other code reaches the
// server through the transport of [Server.HTTPClient]. To test your own transport, wrap
// that one. To mock single requests with httpmock, let the fake serve all others:
//
//	mock := httpmock.NewMockTransport()
//	mock.RegisterNoResponder(server.HTTPClient().Transport.RoundTrip)
//	client, err := server.Client(runloop.WithHTTPClient(&http.Client{Transport: mock}))
//
// # Virtual time
//
// [NewTestServer] works in a [testing/synctest] bubble, where retries, delays, startups
// and timeouts take no real time. Time advances only while every goroutine of the
// bubble is durably blocked. Three rules follow:
//
//   - Create the server and its clients in the bubble, with the bubble's t, and use
//     its t.Context. Anything created outside panics or hangs.
//   - Hold no [sync.Mutex] during a call. Waiting for a mutex is not durably blocking,
//     so the test hangs. A channel with a buffer of one does the same job.
//   - Use no sockets: [NewLoopbackServer] and [NewServer] do not work in a bubble.
//
// # Devboxes
//
// A launch returns a devbox that is "provisioning". The next read finds it "running". A
// read is a get, a wait for a status, or any list of devboxes. With [WithStartup],
// devboxes change status with time instead. [API.ScriptDevboxes] scripts devboxes that
// fail, get stuck, shut down, or do not get the policy that they were launched with:
//
//	server.ScriptDevboxes(
//		runlooptest.DevboxScript{Statuses: []string{"queued"}},
//		runlooptest.DevboxScript{Statuses: []string{"provisioning", "failure"}, FailureReason: "out_of_memory"},
//		runlooptest.DevboxScript{Echo: new(""), EchoFrom: 2}, // the create shows the policy, later responses do not
//	)
//
// # Faults
//
// [API.Inject] scripts the faults of the next requests of an operation. Here the
// policy is created but the response is lost:
//
//	server.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
//
// [Before] calls a function when the request arrives, such as a concurrent delete. The
// test fails if a fault does not fire, or if no launch takes a devbox script.
// [WithRandomFaults] injects faults at random, reproducibly from a seed.
//
// # Behavior
//
// The fake follows the API's description and Runloop's own tests of the live API:
//
//   - Policies: create, list, get, update and delete. Unknown, duplicate or mistyped
//     fields are refused with 400. An update keeps null and absent fields and replaces
//     lists. allow_all turns on allow_devbox_to_devbox, which then stays on.
//   - Names are unique ([WithConflictStatus]); an account has at most 100 policies
//     ([WithPolicyLimit]). A policy cannot be deleted while a devbox that has not ended
//     uses it.
//   - Devboxes: create, also as create_and_await_running, list, get, wait_for_status
//     and shutdown. A create with an unknown policy or two sources is refused with 400.
//     A network_policy_id outside of launch_parameters is ignored. Devboxes stay listed
//     after they end.
//   - wait_for_status responds with 408 if the devbox reaches none of the statuses
//     within timeout_seconds (1 to 30, by default 10).
//   - Lists have 20 items by default and 5000 at most.
//
// Where the API is undocumented, the fake is strict, or else simple:
//
//   - IDs count up from npol_000001 and dbx_000001.
//   - The filters name and search match substrings, ignoring case; id matches a whole
//     ID. Invalid or repeated parameters are refused with 400; unknown ones are
//     ignored.
//   - Requests are not deduplicated by x-request-id.
//   - Error bodies have a message and a code; only the message is the API's.
//   - Host names are barely checked; CIDRs and ports are checked in full.
//   - Bodies must be application/json (415) and at most 1 MiB (413). Paths must match
//     exactly (404).
//   - A request for an unknown devbox is refused with 400, as by the live API. A failed
//     devbox stays failed after a shutdown. Unknown launch parameters are returned
//     unchanged.
package runlooptest
