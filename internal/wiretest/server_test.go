package wiretest_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// A verdict is a test that keeps its failures to itself.
type verdict struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (v *verdict) Helper()          {}
func (v *verdict) Cleanup(f func()) { v.cleanups = append(v.cleanups, f) }
func (v *verdict) Errorf(format string, args ...any) {
	v.errors = append(v.errors, fmt.Sprintf(format, args...))
}

func get(t *testing.T, server *wiretest.Server) (string, error) {
	t.Helper()
	resp, err := server.Client().Get("http://localhost/path?q=1")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, body), err
}

func TestStepsAreTakenInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Refuse(),
			wiretest.Reply(200, "one"),
			wiretest.HangUp(),
			wiretest.Reply(404, "three", "Content-Type: text/plain"),
		)

		_, refused := get(t, server)
		one, err := get(t, server)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		three, err := get(t, server) // net/http repeats a GET that a used connection lost
		require.NoError(t, err)

		assert.ErrorContains(t, refused, "connection refused")
		assert.Equal(t, "200 one", one)
		assert.Equal(t, "404 three", three)
		assert.Equal(t, []time.Duration{0, time.Minute, time.Minute}, server.Times())
		first := server.Requests()[0]
		assert.Equal(t, "GET", first.Method)
		assert.Equal(t, "/path?q=1", first.Target)
		assert.Contains(t, first.Raw, "GET /path?q=1 HTTP/1.1\r\nHost: localhost\r\n")
	})
}

func TestAStepThatNothingCameForFailsTheTest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := &verdict{TB: t}
		wiretest.NewServer(v, wiretest.HangUp(), wiretest.HangUp())

		v.cleanups[0]()

		assert.Equal(t, []string{`wiretest: nothing came for the step "read and hang up" and the 1 after it`}, v.errors)
	})
}

func TestARequestWithoutAStepFailsTheTest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := &verdict{TB: t}
		server := wiretest.NewServer(v, wiretest.Reply(200, ""))
		_, err := get(t, server)
		require.NoError(t, err)

		_, err = get(t, server)

		require.Error(t, err)
		assert.Contains(t, v.errors[0], "wiretest: a request on connection 1 has no step")
		v.cleanups[0]()
	})
}

func TestHTTP2FramesByHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.HTTP2Conn("one reply", func(h *wiretest.HTTP2) {
			h.Reply(h.Read(), 201, `{}`)
		}))
		server.UseHTTP2()

		got, err := get(t, server)

		require.NoError(t, err)
		assert.Equal(t, "201 {}", got)
		assert.Equal(t, http.MethodGet, server.Requests()[0].Method)
	})
}

func TestTLS(t *testing.T) {
	t.Parallel()
	for protocol, step := range map[string]wiretest.Step{
		"http/1.1": wiretest.Reply(201, `{}`),
		"h2":       wiretest.HTTP2Conn("one reply", func(h *wiretest.HTTP2) { h.Reply(h.Read(), 201, `{}`) }),
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := wiretest.NewServer(t, step)
				server.UseTLS(protocol)

				resp, err := server.Client().Get("https://localhost/")

				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, 201, resp.StatusCode)
				assert.Equal(t, protocol, resp.TLS.NegotiatedProtocol)
				assert.Len(t, server.Requests(), 1)
			})
		})
	}
}
