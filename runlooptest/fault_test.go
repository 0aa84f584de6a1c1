package runlooptest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bothNetworks runs a test on each kind of server.
func bothNetworks(t *testing.T, test func(*testing.T, *runlooptest.Server)) {
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		test(t, runlooptest.NewTestServer(t))
	})
	t.Run("on loopback", func(t *testing.T) {
		t.Parallel()
		test(t, runlooptest.NewLoopbackServer(t))
	})
}

func TestFaultsMeetTheRequestsOfTheirOperationInOrder(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Status(500), runlooptest.Fault{}, runlooptest.Status(502))
	s.Inject(runlooptest.GetNetworkPolicy, runlooptest.Status(504))
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Status(503))

	var got []int
	for i := range 5 {
		got = append(got, send(t, s, "POST", "/v1/network-policies", fmt.Sprintf(`{"name": "p%d"}`, i)).status)
	}
	assert.Equal(t, []int{500, 200, 502, 503, 200}, got)
	assert.Equal(t, 504, send(t, s, "GET", "/v1/network-policies/npol_000001", ``).status)
	assert.Equal(t, 200, send(t, s, "GET", "/v1/network-policies/npol_000001", ``).status)
	assert.Empty(t, s.Unfired())
}

func TestEveryOperationCanFail(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	for _, target := range everyOperation {
		s.Inject(target.op, runlooptest.Status(503))
		requireRefusal(t, send(t, s, target.method, target.path, ``), 503, "Service Unavailable")
		assert.Len(t, s.Requests(target.op), 1)
	}
	assert.Len(t, s.Policies(), 1)
	assert.Empty(t, s.Devboxes())
}

func TestScriptedAnswer(t *testing.T) {
	t.Parallel()
	bothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		s.Inject(runlooptest.CreateNetworkPolicy,
			runlooptest.Respond(502, "<html>bad gateway</html>").WithHeader("Content-Type", "text/html").WithHeader("Retry-After", "7"),
			runlooptest.Respond(200, ""),
			runlooptest.Respond(204, ""),
			runlooptest.Respond(999, `{"message": "odd"}`),
			runlooptest.Respond(504, `{"message": "late"}`).AfterCommit(),
			runlooptest.Respond(302, "").WithHeader("Location", "https://elsewhere.example/"),
		)
		const path, body = "/v1/network-policies", `{"name": "x"}`

		r := send(t, s, "POST", path, body)
		assert.Equal(t, 502, r.status)
		assert.Equal(t, "<html>bad gateway</html>", r.body)
		assert.Equal(t, []string{"text/html"}, r.header["Content-Type"])
		assert.Equal(t, "7", r.header.Get("Retry-After"))

		r = send(t, s, "POST", path, body)
		assert.Equal(t, 200, r.status)
		assert.Equal(t, "0", r.header.Get("Content-Length"))

		r = send(t, s, "POST", path, body)
		assert.Equal(t, 204, r.status)

		r = send(t, s, "POST", path, body)
		assert.Equal(t, 999, r.status)
		assert.Equal(t, `{"message": "odd"}`, r.body)
		assert.Equal(t, "application/json", r.header.Get("Content-Type"))
		assert.Empty(t, s.Policies(), "nothing was carried out so far")

		r = send(t, s, "POST", path, body)
		assert.Equal(t, 504, r.status)
		assert.Len(t, s.Policies(), 1, "the last one was")

		req, err := http.NewRequest("POST", s.URL+path, http.NoBody)
		require.NoError(t, err)
		res, err := s.HTTPClient().Transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, 302, res.StatusCode)
		assert.Equal(t, "https://elsewhere.example/", res.Header.Get("Location"))
	})
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	bothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		const path = "/v1/network-policies"
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect(), runlooptest.Disconnect().AfterCommit())

		_, err := trySend(s, "POST", path, `{"name": "before"}`)
		require.ErrorIs(t, err, io.EOF)
		assert.Empty(t, s.Policies())

		_, err = trySend(s, "POST", path, `{"name": "after"}`)
		require.ErrorIs(t, err, io.EOF)
		require.Len(t, s.Policies(), 1)
		assert.Equal(t, "after", s.Policies()[0].Name)
		requireRefusal(t, send(t, s, "POST", path, `{"name": "after"}`), 400, "already exists")

		s.Inject(runlooptest.UpdateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
		_, err = trySend(s, "POST", path+"/npol_000001", `{"description": "lost"}`)
		require.ErrorIs(t, err, io.EOF)
		assert.Equal(t, "lost", s.Policies()[0].Description)

		s.Inject(runlooptest.DeleteNetworkPolicy, runlooptest.Disconnect().AfterCommit())
		_, err = trySend(s, "POST", path+"/npol_000001/delete", ``)
		require.ErrorIs(t, err, io.EOF)
		assert.Empty(t, s.Policies())
	})
}

func TestNetHTTPSendsAGETAgainAfterADisconnect(t *testing.T) {
	t.Parallel()
	bothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		s.Inject(runlooptest.ListNetworkPolicies, runlooptest.Disconnect(), runlooptest.Fault{}, runlooptest.Disconnect())
		_, err := trySend(s, "GET", "/v1/network-policies", ``)
		require.ErrorIs(t, err, io.EOF, "not on a new connection")
		for range 2 {
			requireOK(t, send(t, s, "GET", "/v1/network-policies", ``))
		}
		assert.Len(t, s.Requests(), 4)
	})
}

func TestCutBody(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 40} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			bothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
				s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.CutBody(n))
				r, err := trySend(s, "POST", "/v1/network-policies", `{"name": "x"}`)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				assert.Equal(t, 200, r.status)
				assert.Len(t, r.body, n)
				assert.Equal(t, "application/json", r.header.Get("Content-Type"))
				whole := requireOK(t, send(t, s, "GET", "/v1/network-policies/npol_000001", ``))
				assert.Equal(t, strconv.Itoa(len(whole)), r.header.Get("Content-Length"))
				assert.Equal(t, whole[:n], r.body)
			})
		})
	}
}

func TestReplaceBody(t *testing.T) {
	t.Parallel()
	bothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.ReplaceBody(`{"id": ""}`), runlooptest.ReplaceBody("<p>sorry</p>").WithHeader("Content-Type", "text/html"))
		r := send(t, s, "POST", "/v1/network-policies", `{"name": "x"}`)
		assert.Equal(t, `{"id": ""}`, requireOK(t, r))
		assert.Len(t, s.Policies(), 1)

		r = send(t, s, "POST", "/v1/network-policies", `{"name": "x"}`)
		assert.Equal(t, 400, r.status, "the status is the API's own")
		assert.Equal(t, "<p>sorry</p>", r.body)
		assert.Equal(t, "text/html", r.header.Get("Content-Type"))
	})
}

func TestRepeatCursor(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(4))
	s.Inject(runlooptest.ListNetworkPolicies, runlooptest.RepeatCursor(), runlooptest.RepeatCursor(), runlooptest.RepeatCursor())

	names, more := list(t, s, "")
	assert.Equal(t, []string{"policy-0004", "policy-0003", "policy-0002", "policy-0001"}, names)
	assert.True(t, more, "a first page has more")
	for range 2 {
		names, more = list(t, s, "starting_after=npol_000001")
		assert.Equal(t, []string{"policy-0001"}, names, "and the next leads back to itself")
		assert.True(t, more)
	}
	names, more = list(t, s, "starting_after=npol_000001")
	assert.Empty(t, names)
	assert.False(t, more)
}

func TestDelayAfterCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Delay(time.Hour).AfterCommit())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v1/network-policies", strings.NewReader(`{"name": "build"}`))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer key")
		r.Header.Set("Content-Type", "application/json")

		_, err = s.HTTPClient().Do(r)

		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Len(t, s.Policies(), 1)
	})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithLatency(time.Second))
		s.Inject(runlooptest.CreateNetworkPolicy,
			runlooptest.Delay(3*time.Hour),
			runlooptest.Status(504).WithDelay(time.Minute).AfterCommit(),
			runlooptest.Disconnect().WithDelay(time.Hour),
		)
		took := func(do func()) time.Duration {
			start := time.Now()
			do()
			return time.Since(start)
		}
		assert.Equal(t, 3*time.Hour+time.Second, took(func() {
			create(t, s, `{"name": "a"}`)
		}))
		assert.Equal(t, time.Minute+time.Second, took(func() {
			assert.Equal(t, 504, send(t, s, "POST", "/v1/network-policies", `{"name": "b"}`).status)
		}))
		assert.Len(t, s.Policies(), 2)
		assert.Equal(t, time.Hour+time.Second, took(func() {
			_, err := trySend(s, "POST", "/v1/network-policies", `{"name": "c"}`)
			require.ErrorIs(t, err, io.EOF)
		}))
		assert.Equal(t, time.Second, took(func() {
			create(t, s, `{"name": "c"}`)
		}), "latency is everybody's")
	})
}

func TestAClientThatGivesUpDuringADelayChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Delay(time.Hour))
		client := s.HTTPClient()
		client.Timeout = time.Minute
		req, err := http.NewRequest("POST", s.URL+"/v1/network-policies", strings.NewReader(`{"name": "a"}`))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer x")
		req.Header.Set("Content-Type", "application/json")
		_, err = client.Do(req)
		require.Error(t, err)
		synctest.Wait()
		time.Sleep(2 * time.Hour)
		assert.Empty(t, s.Policies())
		assert.Zero(t, s.Requests()[0].Status)
		assert.Empty(t, s.Unfired())
	})
}

func TestBeforeRunsFirst(t *testing.T) {
	inBubble(func(t *testing.T) {
		const path = "/v1/network-policies/npol_000001"
		s := runlooptest.NewTestServer(t, seeded(3), runlooptest.WithLatency(time.Second))
		start := time.Now()
		var took time.Duration
		s.Inject(runlooptest.GetNetworkPolicy,
			runlooptest.Before(func() {
				took = time.Since(start)
				// The API's methods and requests to it work here.
				assert.Len(t, s.Policies(), 3)
				assert.Len(t, s.Requests(), 1)
				assert.Zero(t, s.Requests()[0].Status)
				assert.Equal(t, 200, send(t, s, "POST", path+"/delete", ``).status)
			}),
			runlooptest.Status(503).WithDelay(time.Minute).Before(func() { s.AddPolicy(runloop.NetworkPolicy{Name: "new"}) }),
		)
		s.Inject(runlooptest.ShutdownDevbox, runlooptest.Disconnect().AfterCommit().Before(func() { s.AddDevbox(runlooptest.Devbox{}) }))
		requireRefusal(t, send(t, s, "GET", path, ``), 404, "not found")
		assert.Zero(t, took, "ahead of every delay")
		assert.Equal(t, "call", s.Requests()[0].Fault)
		assert.Equal(t, 503, send(t, s, "GET", path, ``).status)
		assert.Len(t, s.Policies(), 3)
		_, err := trySend(s, "POST", "/v1/devboxes/dbx_000001/shutdown", ``)
		require.ErrorIs(t, err, io.EOF)
		assert.Equal(t, "shutdown", s.Devboxes()[0].Status)
	})(t)
}

func TestLateDelivery(t *testing.T) {
	inBubble(func(t *testing.T) {
		const path = "/v1/network-policies"
		s := runlooptest.NewTestServer(t, runlooptest.WithAPIKey("any-key"))
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Late(time.Minute), runlooptest.Late(2*time.Minute).AfterCommit())
		for range 2 {
			_, err := trySend(s, "POST", path, `{"name": "x"}`)
			require.ErrorIs(t, err, io.EOF)
		}
		assert.Empty(t, s.Policies(), "lost for now")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, s.Policies(), 1)
		requireOK(t, send(t, s, "POST", path+"/npol_000001/delete", ``))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, s.Policies(), 1, "a policy comes back after its delete")
		assert.Equal(t, time.Now().UTC(), s.Policies()[0].CreateTime)
		assert.Len(t, s.Requests(runlooptest.CreateNetworkPolicy), 2, "a delivery is no request of its own")

		// What is still on its way when the bubble ends does no harm.
		s.Inject(runlooptest.CreateDevbox, runlooptest.Late(time.Hour))
		s.Inject(runlooptest.WaitForDevboxStatus, runlooptest.Late(0))
		_, _ = trySend(s, "POST", "/v1/devboxes", ``)
		s.AddDevbox(runlooptest.Devbox{Status: "queued"})
		_, _ = trySend(s, "POST", "/v1/devboxes/dbx_000001/wait_for_status", `{"statuses": ["running"]}`)
	})(t)
}

func TestReplay(t *testing.T) {
	t.Parallel()
	bothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Replay())
		s.Inject(runlooptest.CreateDevbox, runlooptest.Replay())
		requireRefusal(t, send(t, s, "POST", "/v1/network-policies", `{"name": "x"}`), 400, "already exists")
		assert.Len(t, s.Policies(), 1)
		assert.Equal(t, "dbx_000002", field(t, requireOK(t, send(t, s, "POST", "/v1/devboxes", ``)), "id"))
		assert.Len(t, s.Devboxes(), 2)
		assert.Len(t, s.Requests(), 2)
	})
}

func TestPage(t *testing.T) {
	t.Parallel()
	bothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		const path, page = "/v1/network-policies", "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n</body>\r\n</html>\r\n"
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Page(404), runlooptest.Page(404).AfterCommit(), runlooptest.Page(404).WithCutBody(20), runlooptest.Status(400).WithCutBody(12))
		for _, policies := range []int{0, 1} {
			r := send(t, s, "POST", path, `{"name": "x"}`)
			assert.Equal(t, 404, r.status)
			assert.Equal(t, page, r.body)
			assert.Equal(t, []string{"text/html"}, r.header["Content-Type"])
			assert.Len(t, s.Policies(), policies)
		}
		r, err := trySend(s, "POST", path, `{"name": "y"}`)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Equal(t, page[:20], r.body)
		r, err = trySend(s, "POST", path, `{"name": "y"}`)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Equal(t, 400, r.status)
		assert.Equal(t, `{"error":"sc`, r.body)
		assert.Len(t, s.Policies(), 1, "a cut does not apply what the fault does not")
	})
}

func TestUnfiredFaultsFailTheTest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		inject func(*runlooptest.Server)
		want   []string
	}{
		{
			name: "no request came",
			inject: func(s *runlooptest.Server) {
				s.Inject(runlooptest.DeleteNetworkPolicy, runlooptest.Status(503))
			},
			want: []string{"deleteNetworkPolicy: fault 1 (status 503): no request came"},
		},
		{
			name: "too few requests came",
			inject: func(s *runlooptest.Server) {
				s.Inject(runlooptest.ListNetworkPolicies, runlooptest.Status(503), runlooptest.Fault{}, runlooptest.Disconnect().AfterCommit(), runlooptest.Fault{})
				_, _ = trySend(s, "GET", "/v1/network-policies", ``)
			},
			want: []string{"listNetworkPolicies: fault 3 (disconnect after commit): no request came"},
		},
		{
			name: "no cursor to repeat",
			inject: func(s *runlooptest.Server) {
				s.Inject(runlooptest.ListNetworkPolicies, runlooptest.RepeatCursor())
				_, _ = trySend(s, "GET", "/v1/network-policies", ``)
			},
			want: []string{"listNetworkPolicies: fault 1 (repeat cursor): the response gave it nothing to act on"},
		},
		{
			name: "no list to repeat a cursor of",
			inject: func(s *runlooptest.Server) {
				s.Inject(runlooptest.ListNetworkPolicies, runlooptest.RepeatCursor())
				_, _ = trySend(s, "GET", "/v1/network-policies?limit=0", ``)
			},
			want: []string{"listNetworkPolicies: fault 1 (repeat cursor): the response gave it nothing to act on"},
		},
		{
			name: "body too short to be cut",
			inject: func(s *runlooptest.Server) {
				s.Inject(runlooptest.ListNetworkPolicies, runlooptest.CutBody(56))
				_, _ = trySend(s, "GET", "/v1/network-policies", ``)
			},
			want: []string{"listNetworkPolicies: fault 1 (cut body after 56 bytes): the response gave it nothing to act on"},
		},
		{
			name: "nothing was launched",
			inject: func(s *runlooptest.Server) {
				s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued"}}, runlooptest.DevboxScript{}, runlooptest.DevboxScript{Echo: new("")})
				_, _ = trySend(s, "POST", "/v1/devboxes", ``)
			},
			want: []string{"devbox script 3: no launch came"},
		},
		{
			name: "placeholders need no request",
			inject: func(s *runlooptest.Server) {
				s.ScriptDevboxes(runlooptest.DevboxScript{})
				s.Inject(runlooptest.GetDevbox, runlooptest.Fault{}, runlooptest.Fault{})
			},
		},
		{
			name: "all fired",
			inject: func(s *runlooptest.Server) {
				s.Inject(runlooptest.ListNetworkPolicies, runlooptest.CutBody(55))
				_, _ = trySend(s, "GET", "/v1/network-policies", ``)
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, newServer := range []func(runlooptest.TB, ...runlooptest.Option) *runlooptest.Server{
				runlooptest.NewTestServer, runlooptest.NewLoopbackServer,
			} {
				tb := new(fakeTB)
				s := newServer(tb)
				tt.inject(s)
				assert.Equal(t, tt.want, s.Unfired())
				tb.end()
				_, err := trySend(s, "GET", "/v1/network-policies", ``)
				require.Error(t, err, "the server is closed with the test")
				if len(tt.want) == 0 {
					assert.Empty(t, tb.errors)
				} else {
					require.Len(t, tb.errors, 1)
					for _, want := range tt.want {
						assert.Contains(t, tb.errors[0], want)
					}
				}
			}
		})
	}
}

// A fakeTB is a test whose failures are looked at.
type fakeTB struct {
	errors   []string
	cleanups []func()
}

func (tb *fakeTB) Helper()          {}
func (tb *fakeTB) Cleanup(f func()) { tb.cleanups = append(tb.cleanups, f) }
func (tb *fakeTB) Errorf(format string, args ...any) {
	tb.errors = append(tb.errors, fmt.Sprintf(format, args...))
}

func (tb *fakeTB) end() {
	for _, f := range tb.cleanups {
		f()
	}
}

func TestFaultsAreValues(t *testing.T) {
	t.Parallel()
	base := runlooptest.Status(429).WithHeader("A", "1")
	changed := base.WithHeader("A", "2").WithHeader("B", "3").WithDelay(time.Second).AfterCommit()
	s := runlooptest.NewTestServer(t)
	s.Inject(runlooptest.CreateNetworkPolicy, base)
	r := send(t, s, "POST", "/v1/network-policies", `{"name": "x"}`)
	assert.Equal(t, "1", r.header.Get("A"))
	assert.Empty(t, r.header.Get("B"))
	assert.Empty(t, s.Policies())
	assert.Equal(t, "delay 1s, status 429 after commit", changed.String())
}

func TestFaultStrings(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]runlooptest.Fault{
		"none":                    {},
		"set headers":             runlooptest.Fault{}.WithHeader("A", "b"),
		"delay 1m0s":              runlooptest.Delay(time.Minute),
		"status 503":              runlooptest.Status(503),
		"status 200 after commit": runlooptest.Respond(200, "x").AfterCommit(),
		"disconnect":              runlooptest.Disconnect(),
		"disconnect after commit": runlooptest.Disconnect().AfterCommit(),
		"cut body after 7 bytes":  runlooptest.CutBody(7).AfterCommit(),
		"replace body":            runlooptest.ReplaceBody("x"),
		"delay 1s, repeat cursor": runlooptest.RepeatCursor().WithDelay(time.Second),
		"delay 2s, disconnect":    runlooptest.Disconnect().WithDelay(2 * time.Second),
		"delay 1ms, replace body": runlooptest.ReplaceBody("").WithDelay(time.Millisecond),
		"cut body after 0 bytes":  runlooptest.CutBody(0),
		"status 429":              runlooptest.Status(429).WithHeader("Retry-After", "1"),
		"delay 3s, status 502":    runlooptest.Respond(502, "").WithDelay(3 * time.Second),
		"call":                    runlooptest.Before(func() {}),
		"deliver 5s late":         runlooptest.Late(5 * time.Second).AfterCommit(),
		"replay":                  runlooptest.Replay().AfterCommit(),
		"call, delay 1s, status 404 after commit, cut body after 9 bytes": runlooptest.Page(404).WithCutBody(9).WithDelay(time.Second).AfterCommit().Before(func() {}),
		"cut body after 3 bytes": runlooptest.CutBody(3).WithHeader("A", "b"),
	} {
		assert.Equal(t, want, f.String())
	}
}

func TestFaultHeaderOnAHealthyAnswer(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Fault{}.WithHeader("X-Should-Retry", "true"))
	r := send(t, s, "POST", "/v1/network-policies", `{"name": "x"}`)
	requireOK(t, r)
	assert.Equal(t, "true", r.header.Get("X-Should-Retry"))
	assert.Equal(t, "set headers", s.Requests()[0].Fault)
}

func TestFaultsThatMakeNoSensePanic(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	for name, f := range map[string]func(){
		"informational status":        func() { runlooptest.Respond(100, "") },
		"status beyond 999":           func() { runlooptest.Status(1000) },
		"negative cut":                func() { runlooptest.CutBody(-1) },
		"negative lateness":           func() { runlooptest.Late(-1) },
		"no such operation":           func() { s.Inject("listPolicies", runlooptest.Status(503)) },
		"no operation":                func() { s.Inject("", runlooptest.Status(503)) },
		"cursor of a call without it": func() { s.Inject(runlooptest.GetNetworkPolicy, runlooptest.RepeatCursor()) },
	} {
		assert.Panics(t, f, name)
	}
}

func TestFaultsComeBeforeAuthorization(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithAPIKey("right"))
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Status(503), runlooptest.Status(502).AfterCommit())
	for _, want := range []int{503, 502, 401} {
		assert.Equal(t, want, send(t, s, "POST", "/v1/network-policies", `{"name": "x"}`).status)
	}
	assert.Empty(t, s.Policies())
}

func TestRandomFaults(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, rate float64, seed uint64, scripted ...runlooptest.Fault) (faults []string) {
		t.Helper()
		s := runlooptest.NewTestServer(t, runlooptest.WithRandomFaults(rate, seed), runlooptest.WithPolicyLimit(0))
		s.Inject(runlooptest.CreateNetworkPolicy, scripted...)
		healthy, committed := 0, 0
		for i := range 300 {
			r, err := trySend(s, "POST", "/v1/network-policies", fmt.Sprintf(`{"name": "p%d"}`, i))
			if err == nil && r.status == 200 {
				healthy++
			}
		}
		for _, r := range s.Requests() {
			faults = append(faults, r.Fault)
			if r.Fault == "" {
				healthy--
			}
			if r.Fault == "" || strings.Contains(r.Fault, "after") {
				committed++
			}
		}
		assert.Zero(t, healthy, "faults strike, and nothing else does")
		assert.Len(t, s.Policies(), committed)
		return faults
	}
	kinds := func(faults []string) map[string]int {
		count := map[string]int{}
		for _, f := range faults {
			if strings.HasPrefix(f, "cut body") {
				f = "cut body"
			}
			count[f]++
		}
		return count
	}

	t.Run("same seed, same faults", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, run(t, 0.3, 7), run(t, 0.3, 7))
	})
	t.Run("other seed, other faults", func(t *testing.T) {
		t.Parallel()
		assert.NotEqual(t, run(t, 0.3, 7), run(t, 0.3, 8))
	})
	t.Run("every kind at about the rate", func(t *testing.T) {
		t.Parallel()
		count := kinds(run(t, 0.3, 7))
		assert.InDelta(t, 210, count[""], 30)
		for _, kind := range []string{"status 429", "status 503", "status 502 after commit", "disconnect", "disconnect after commit", "cut body"} {
			assert.InDelta(t, 15, count[kind], 12, kind)
		}
		assert.Len(t, count, 7)
	})
	t.Run("rate 0 is never", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, map[string]int{"": 300}, kinds(run(t, 0, 7)))
	})
	t.Run("rate 1 is always", func(t *testing.T) {
		t.Parallel()
		assert.NotContains(t, kinds(run(t, 1, 7)), "")
	})
	t.Run("scripted faults come first and shift nothing", func(t *testing.T) {
		t.Parallel()
		want := run(t, 0.5, 7)
		want[0], want[1] = "status 504", ""
		assert.Equal(t, want, run(t, 0.5, 7, runlooptest.Status(504), runlooptest.Fault{}))
	})
}

func TestRandom429SaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithRandomFaults(1, 1))
	for range 100 {
		r, err := trySend(s, "POST", "/v1/network-policies", `{}`)
		if err == nil && r.status == 429 {
			assert.Equal(t, "1", r.header.Get("Retry-After"))
			return
		}
	}
	t.Fatal("no 429 in 100 requests")
}
