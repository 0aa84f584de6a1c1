package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// A create whose response was lost takes the policy that it finds only if that was
// created after the call began, by the server's clock.
func TestACreateAdoptsByTheServersClock(t *testing.T) {
	// The local clock of a bubble starts at midnight of 2000-01-01, UTC.
	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		server  string        // its clock, as its Date shows it at the local midnight
		created time.Duration // after the local midnight
		adopted bool
	}{
		"equal clocks, ours":                        {"Sat, 01 Jan 2000 00:00:00 GMT", 200 * time.Millisecond, true},
		"equal clocks, of four minutes ago":         {"Sat, 01 Jan 2000 00:00:00 GMT", -4 * time.Minute, false},
		"equal clocks, of two seconds ago":          {"Sat, 01 Jan 2000 00:00:00 GMT", -2 * time.Second, false},
		"a client a day behind, ours":               {"Sun, 02 Jan 2000 00:00:00 GMT", day + 200*time.Millisecond, true},
		"a client a day behind, of an hour ago":     {"Sun, 02 Jan 2000 00:00:00 GMT", day - time.Hour, false},
		"a client six minutes ahead, ours":          {"Fri, 31 Dec 1999 23:54:00 GMT", -6*time.Minute + 200*time.Millisecond, true},
		"a client six minutes ahead, of before":     {"Fri, 31 Dec 1999 23:54:00 GMT", -7 * time.Minute, false},
		"no Date, ours":                             {"", 200 * time.Millisecond, true},
		"no Date, of a minute ago":                  {"", -time.Minute, false},
		"a Date that is none, ours":                 {"yesterday", 200 * time.Millisecond, true},
		"a Date that is none, of four minutes ago":  {"yesterday", -4 * time.Minute, false},
		"a Date without a time, of the same moment": {"Sat, 01 Jan 2000", 0, true},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var headers []string
			if tt.server != "" {
				headers = []string{"Date: " + tt.server}
			}
			page := fmt.Sprintf(`{"network_policies":[{"id":"npol_1","name":"build","egress":{"allowed_hostnames":[]},"create_time_ms":%[1]d,"update_time_ms":%[1]d}],"has_more":false}`,
				midnight.Add(tt.created).UnixMilli())
			server := wiretest.NewServer(t,
				// The policy is created, the response cannot be used.
				wiretest.Reply(200, `<html>`, headers...),
				wiretest.Reply(200, page))
			client := clienttest.NewWireClient(t, server)

			policy, err := createPolicy(t, client)

			if tt.adopted {
				require.NoError(t, err)
				assert.Equal(t, "npol_1", policy.ID)
				return
			}
			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			assert.True(t, clienttest.MaybeApplied(err))
		}))
	}
}
